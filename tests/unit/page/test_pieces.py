"""The biggest packages and files of a group."""

from __future__ import annotations

import time

from nox_pex.contents.model import PackedFile
from nox_pex.page.pieces import Piece, pieces


def files(**stored: int) -> tuple[PackedFile, ...]:
    """Files by their paths, in which `__` stands for a slash."""
    return tuple(PackedFile(path=path.replace("__", "/"), size=3 * size, stored=size) for path, size in stored.items())


def paths(found: list[Piece]) -> list[tuple[str, int]]:
    return [(f"{piece.path}/…" if piece.is_rest else piece.path, piece.stored) for piece in found]


def test_directories_are_looked_into_as_long_as_something_in_them_is_seen() -> None:
    found = files(a__core__x=600, a__core__y=300, a__lib__z=90, a__lib__w=5, b=40)

    assert paths(pieces(found, smallest=30, most=20)) == [
        ("a/core/x", 600),
        ("a/core/y", 300),
        ("a/lib", 95),
        ("b", 40),
    ]


def test_what_is_too_small_is_the_rest_of_its_directory() -> None:
    found = files(a__x=600, a__one=5, a__two=6, b=40, c=1, d=2)

    assert paths(pieces(found, smallest=30, most=20)) == [("a/x", 600), ("b", 40), ("a/…", 11), ("/…", 3)]


def test_a_rest_of_one_file_has_its_name() -> None:
    assert paths(pieces(files(a=600, b=2), smallest=30, most=20)) == [("a", 600), ("b", 2)]


def test_the_pieces_have_all_bytes_and_all_files() -> None:
    found = tuple(PackedFile(path=f"p{at % 7}/q{at % 31}/f{at}", size=at * 2, stored=at) for at in range(1, 3000))

    whole = pieces(found, smallest=2000, most=25)

    assert sum(piece.stored for piece in whole) == sum(file.stored for file in found)
    assert sum(piece.size for piece in whole) == sum(file.size for file in found)
    assert sum(piece.file_count for piece in whole) == len(found)
    assert len(whole) <= 26


def test_there_are_no_more_pieces_than_asked_for() -> None:
    found = tuple(PackedFile(path=f"f{at}", size=9, stored=9) for at in range(5000))

    whole = pieces(found, smallest=1, most=10)

    assert len(whole) == 11
    assert whole[-1].is_rest
    assert whole[-1].file_count == 4990


def test_empty_files_are_no_pieces() -> None:
    found = tuple(PackedFile(path=f"f{at}", size=0, stored=0) for at in range(5000))

    assert len(pieces(found, smallest=0.5, most=10)) == 1


def test_paths_as_deep_as_somebody_likes_end() -> None:
    deep = "a/" * 3000
    found = tuple(PackedFile(path=f"{deep}{at}", size=9, stored=9) for at in range(2000))
    started = time.process_time()

    whole = pieces(found, smallest=3, most=10)

    assert time.process_time() - started < 1.0
    assert sum(piece.file_count for piece in whole) == 2000


def test_odd_paths_end() -> None:
    found = tuple(PackedFile(path=path, size=9, stored=9) for path in ("a/", "a//", "/", "", "a", "//x", "a/b/"))

    assert sum(piece.file_count for piece in pieces(found, smallest=0.1, most=10)) == 7
