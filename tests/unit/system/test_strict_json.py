from __future__ import annotations

import pytest

from nox_pex.system import strict_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1", 1),
        (b'"\xc3\xb6"', "\xf6"),
        (b'{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]}),
        (b"[" * 20 + b"]" * 20, eval("[" * 20 + "]" * 20)),  # noqa: S307  # a constant of this file
    ],
)
def test_json_that_everybody_reads_alike(text: bytes, value: object) -> None:
    assert strict_json.parse(text) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "Expecting value"),
        (b'{"a": 1', "Expecting"),
        (b'"\xff"', "codec can't decode"),
        (b'"\\ud800"', "surrogates not allowed"),
        (b'["\\udc80"]', "surrogates not allowed"),
        (b"NaN", "NaN is no number of JSON"),
        (b"[-Infinity]", "-Infinity is no number of JSON"),
        (b'{"a": 1, "a": 1}', "a key is there twice"),
        (b"1" * 5000, "digits"),
        (b"[" * 21 + b"]" * 21, "it has more than 20 levels"),
        (b"[" + b"[]," * 1_000_000 + b"1]", "it has more than 1,000,000 tables and arrays"),
        (b"[" * 100_000, "it has more than 20 levels"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "it has more than 20 levels"),
    ],
)
def test_json_that_somebody_may_read_differently_is_refused(text: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        strict_json.parse(text)


@pytest.mark.parametrize("text", [b"1", b'{"a": {"b": 1}, "b": [{}, {}]}', b"1" * 5000, b"[" * 500 + b"]" * 500])
def test_the_check_accepts_a_text_without_a_repeated_key(text: bytes) -> None:
    strict_json.check(text)


@pytest.mark.parametrize(
    "text", [b'{"a": 1, "a": 1}', b'[{"b": {"a": 1, "\\u0061": 2}}]', b'{"a": {"a": 1, "": 2, "": 3}}']
)
def test_the_check_refuses_a_repeated_key_at_any_depth(text: bytes) -> None:
    with pytest.raises(strict_json.RepeatedKeyError):
        strict_json.check(text)


@pytest.mark.parametrize("text", [b"", b"{", b'"\xff"', b"[NaN]", b"[" * 100_000 + b"]" * 100_000])
def test_the_check_refuses_what_is_not_json(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        strict_json.check(text)
