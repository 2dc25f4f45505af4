from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pytest

from nox_pex.verify.container import CHUNK
from nox_pex.verify.search import OVERLAP, Literal, Pattern, find_kinds, without_redundant

SECRET = Literal(value=b"s3cret-value", kind="secret")
PLACE = Literal(value=b"/srv/place", kind="place", path=True)
KEY = Pattern(regex=re.compile(rb"key=[0-9]{4}"), kind="key", hint=b"key=")


class SlowStream(io.BytesIO):
    """A stream that returns four bytes at a time, whatever is asked for."""

    def read(self, _: int | None = -1, /) -> bytes:
        return super().read(4)


def found(content: bytes, *literals: Literal, patterns: tuple[Pattern, ...] = ()) -> list[str]:
    return list(find_kinds(io.BytesIO(content), literals, patterns))


@pytest.mark.parametrize("offset", [0, 1, CHUNK - 1, CHUNK - 6, CHUNK, 2 * CHUNK - 6, 2 * CHUNK + 17])
def test_a_literal_is_found_wherever_a_piece_ends(offset: int) -> None:
    assert found(b"." * offset + SECRET.value + b"." * OVERLAP, SECRET) == ["secret"]


def test_a_pattern_is_found_where_a_piece_ends() -> None:
    assert found(b"." * (CHUNK - 5) + b"key=1234", patterns=(KEY,)) == ["key"]


def test_short_reads_hide_nothing() -> None:
    assert list(find_kinds(SlowStream(b"." * 9 + b"s3cret-value key=1234"), [SECRET], [KEY])) == ["secret", "key"]


def test_a_kind_is_reported_once() -> None:
    assert found(SECRET.value * 3 + b"." * CHUNK + SECRET.value, SECRET, SECRET) == ["secret"]
    assert found(b"key=1234" + b"." * CHUNK + b"key=1234", patterns=(KEY, KEY)) == ["key"]


def test_no_window_is_larger_than_a_piece_and_its_overlap() -> None:
    sizes: list[int] = []

    def refuse(match: re.Match[bytes]) -> bool:
        sizes.append(len(match.string))
        return False

    found(
        (b"." * (CHUNK - 1) + b"k") * 3,
        patterns=(Pattern(regex=re.compile(b"k"), kind="key", hint=b"k", accept=refuse),),
    )
    assert max(sizes) == CHUNK + 8192


def test_other_kinds_are_searched_after_a_find() -> None:
    assert found(b"key=1234 " + SECRET.value, SECRET, PLACE, patterns=(KEY,)) == ["secret", "key"]


def test_a_secret_is_found_within_a_word() -> None:
    assert found(b"x" + SECRET.value + b"x", SECRET) == ["secret"]


@pytest.mark.parametrize("content", [b"", b"key=", b"key=12", b"1234"])
def test_a_hint_alone_is_no_match(content: bytes) -> None:
    assert found(content, patterns=(KEY,)) == []


def test_a_pattern_is_not_tried_without_its_hint() -> None:
    wrong_hint = Pattern(regex=KEY.regex, kind="key", hint=b"KEY=")
    assert found(b"key=1234", patterns=(wrong_hint,)) == []


def test_a_match_counts_only_if_it_is_accepted() -> None:
    def accepted() -> Iterator[str]:
        for content in (b"key=0000 key=0001", b"key=0000"):
            pattern = Pattern(regex=KEY.regex, kind="key", hint=KEY.hint, accept=lambda match: match[0] != b"key=0000")
            yield from found(content, patterns=(pattern,))

    assert list(accepted()) == ["key"]


@pytest.mark.parametrize(
    ("content", "is_path"),
    [
        (b"/srv/place", True),
        (b'open("/srv/place/x")', True),
        (b"file:///srv/place", True),
        (b"cc -I/srv/place", True),
        (b"cc -L/srv/place", True),
        (b"cc -D/srv/place", False),
        (b"/srv/places", False),
        (b"/srv/place-2/x", False),
        (b"https://host/srv/place", False),
        (b"$HOME/srv/place", False),
        (b"/srv/placeholder and /srv/place.", True),
        (b"/srv/placeholder and host/srv/place", False),
    ],
)
def test_a_path_is_no_part_of_a_longer_one(content: bytes, is_path: bool) -> None:  # noqa: FBT001  # a column of the table
    assert bool(found(content, PLACE)) is is_path


def test_overlapping_matches_of_a_path_are_tried_one_by_one() -> None:
    assert found(b"x///", Literal(value=b"//", kind="slashes", path=True)) == ["slashes"]


def test_the_beginning_of_a_temporary_name_may_continue() -> None:
    prefix = Literal(value=b"/tmp/nox-pex-", kind="temporary", path=True, open_ended=True)
    assert found(b"built in /tmp/nox-pex-k3j/x", prefix) == ["temporary"]
    assert found(b"built in home/tmp/nox-pex-k3j/x", prefix) == []


def test_a_literal_that_contains_another_one_is_redundant() -> None:
    inner = Literal(value=b"/srv/place/.nox", kind="state", path=True)
    sibling = Literal(value=b"/srv/place2", kind="sibling", path=True)
    longer = Literal(value=b"s3cret-value-longer", kind="secret")
    assert without_redundant([inner, PLACE, sibling, longer, SECRET, SECRET]) == (PLACE, sibling, SECRET)


def test_a_path_and_a_secret_never_make_each_other_redundant() -> None:
    beginning = Literal(value=b"/srv", kind="secret")
    around = Literal(value=b"at:/srv/place:1", kind="secret")
    assert without_redundant([PLACE, beginning]) == (PLACE, beginning)
    assert without_redundant([PLACE, around]) == (PLACE, around)
