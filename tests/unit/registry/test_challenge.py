"""The header `WWW-Authenticate` in every form that servers write."""

from __future__ import annotations

import time

import pytest

from nox_pex.registry.challenge import Challenge, parse


def challenge(scheme: str, **parameters: str) -> Challenge:
    return Challenge(scheme=scheme, parameters=parameters)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Basic realm="x"', [challenge("basic", realm="x")]),
        ("BEARER Realm=https://a/t?x=y,SERVICE=r", [challenge("bearer", realm="https://a/t?x=y", service="r")]),
        (
            'Bearer realm="https://a/t",service="r",scope="repository:x:pull,push"',
            [challenge("bearer", realm="https://a/t", service="r", scope="repository:x:pull,push")],
        ),
        (
            'Basic realm="a, \\"Bearer\\" b", Bearer realm = "https://a" , error="x"',
            [challenge("basic", realm='a, "Bearer" b'), challenge("bearer", realm="https://a", error="x")],
        ),
        ("Negotiate, Basic", [challenge("negotiate"), challenge("basic")]),
        ('Bearer realm="one", realm="two"', [challenge("bearer", realm="one")]),
        ('Bearer realm="never closed', [challenge("bearer")]),
        ("", []),
        ("=,=;\x00", []),
    ],
)
def test_a_header_has_several_challenges(header: str, expected: list[Challenge]) -> None:
    assert list(parse([header])) == expected


def test_several_headers_are_one_list() -> None:
    assert [each.scheme for each in parse(["Basic realm=a", "Bearer realm=b"])] == ["basic", "bearer"]


@pytest.mark.parametrize("header", ['"' * 99_999, "a=" * 99_999, 'Bearer realm="' + "\\" * 99_999, "a," * 99_999])
def test_a_long_header_is_read_in_a_short_time(header: str) -> None:
    started = time.process_time()  # other processes do not count
    parse([header])
    assert time.process_time() - started < 5  # seconds; it takes a fraction of one
