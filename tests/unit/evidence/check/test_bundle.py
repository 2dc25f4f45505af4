from __future__ import annotations

import pytest

from nox_pex.evidence.check import bundle
from nox_pex.evidence.check.bundle import IgnoredLine, RefusedError, SignedLine
from tests.support.bundles import GOOD, envelope, line, payload
from tests.support.signing_keys import ED25519, OTHER, loaded

KEYS = (loaded(OTHER).public, loaded(ED25519).public)


@pytest.mark.parametrize(
    ("data", "numbers"),
    [(b"", []), (b"a", [1]), (b"a\n", [1]), (b"a\nb", [1, 2]), (b"\n \n\t\r\na\n\n", [4]), (b"a\r\n\r\nb", [1, 3])],
)
def test_the_lines_that_are_not_blank(data: bytes, numbers: list[int]) -> None:
    assert [number for number, _ in bundle.split(data)] == numbers


@pytest.mark.parametrize("data", [b"x\n" * 1000, b"x\n" * 999 + b"x", b"\n" * 1000, b" " * (64 << 20), "\xfc".encode()])
def test_the_largest_bundles(data: bytes) -> None:
    bundle.split(data)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"x\n" * 1000 + b"x", "it has more than 1,000 lines"),
        (b"\n" * 1001, "it has more than 1,000 lines"),
        (b" " * ((64 << 20) + 1), "it has more than 64 MiB"),
        (b"\xff", "it is not UTF-8"),
        (b"x" * ((1 << 20) - 1) + b"\xe2\x82", "it is not UTF-8"),
        (b"\xc0\x80", "it is not UTF-8"),
        (b"\xed\xa0\x80", "it is not UTF-8"),
    ],
)
def test_a_bundle_that_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(RefusedError, match=problem):
        bundle.split(data)


def test_a_character_at_the_end_of_a_piece() -> None:
    bundle.split(b"x" * ((1 << 20) - 1) + "\u20ac".encode() + b"\n")


def test_a_signed_line() -> None:
    assert bundle.read_line(3, GOOD["smoke"], KEYS) == SignedLine(
        number=3, text=GOOD["smoke"], payload=payload(GOOD["smoke"]), key=KEYS[1]
    )


def test_a_line_without_a_good_signature() -> None:
    expected = IgnoredLine(number=3, reason="no given key has signed it", unsigned=True)

    assert bundle.read_line(3, GOOD["smoke"], KEYS[:1]) == expected
    assert bundle.read_line(3, GOOD["smoke"], ()) == expected


@pytest.mark.parametrize(("count", "reads"), [(31, True), (32, False)])
def test_the_number_of_signatures(count: int, reads: bool) -> None:  # noqa: FBT001  # a parameter of the test
    good = envelope(b"{}")
    good["signatures"] = [*({"sig": "AAAA"} for _ in range(count)), *good["signatures"]]

    found = bundle.read_line(1, line(good), KEYS)

    assert isinstance(found, SignedLine) is reads
    assert reads or found == IgnoredLine(number=1, reason="it has more than 32 signatures")
