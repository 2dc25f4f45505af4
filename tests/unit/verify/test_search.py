from __future__ import annotations

import io
import re

import pytest

from nox_pex.verify.archive import CHUNK
from nox_pex.verify.search import OVERLAP, Literal, Pattern, find_kinds, without_redundant

SECRET = Literal(value=b"s3cret-value", kind="secret")
PLACE = Literal(value=b"/srv/place", kind="place", path=True)


def found(content: bytes, *literals: Literal, patterns: tuple[Pattern, ...] = ()) -> list[str]:
    return list(find_kinds(io.BytesIO(content), literals, patterns))


@pytest.mark.parametrize("offset", [0, 1, CHUNK - 1, CHUNK - 6, CHUNK, 2 * CHUNK - 6, 2 * CHUNK + 17])
def test_a_literal_is_found_wherever_a_piece_ends(offset: int) -> None:
    assert found(b"." * offset + SECRET.value + b"." * OVERLAP, SECRET) == ["secret"]


def test_a_pattern_is_found_where_a_piece_ends() -> None:
    pattern = Pattern(regex=re.compile(rb"key=[0-9]{4}"), kind="key", hint=b"key=")
    assert found(b"." * (CHUNK - 5) + b"key=1234", patterns=(pattern,)) == ["key"]


def test_a_kind_is_told_once() -> None:
    assert found(SECRET.value * 3 + b"." * CHUNK + SECRET.value, SECRET, SECRET) == ["secret"]


@pytest.mark.parametrize(
    ("content", "is_path"),
    [
        (b"/srv/place", True),
        (b'open("/srv/place/x")', True),
        (b"file:///srv/place", True),
        (b"cc -I/srv/place", True),
        (b"/srv/places", False),
        (b"/srv/place-2/x", False),
        (b"https://host/srv/place", False),
        (b"$HOME/srv/place", False),
        (b"/srv/placeholder and /srv/place.", True),
    ],
)
def test_a_path_is_one_by_itself(content: bytes, is_path: bool) -> None:  # noqa: FBT001  # a column of the table
    assert bool(found(content, PLACE)) is is_path


def test_the_beginning_of_a_temporary_name() -> None:
    prefix = Literal(value=b"/tmp/nox-pex-", kind="temporary", path=True, open_ended=True)
    assert found(b"built in /tmp/nox-pex-k3j/x", prefix) == ["temporary"]


def test_what_contains_another_one_is_not_searched_twice() -> None:
    inner = Literal(value=b"/srv/place/.nox", kind="state", path=True)
    beside = Literal(value=b"/srv/place2", kind="beside", path=True)
    longer = Literal(value=b"s3cret-value-longer", kind="secret")
    assert without_redundant([inner, PLACE, beside, longer, SECRET, SECRET]) == (PLACE, beside, SECRET)
