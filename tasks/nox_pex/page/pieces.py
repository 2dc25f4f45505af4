"""The biggest packages and files of a group, for a picture in which only some of them can be seen. Pure."""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from nox_pex.contents.model import PackedFile

_MOST_PASSES: Final = 40
"""The directories of a group that are looked into. Names in a binary may be as deep as somebody likes."""


class Piece(Struct, frozen=True, kw_only=True):
    """A directory, a file, or `is_rest`: smaller files in the directory `path`. `stored` are bytes in the binary."""

    path: str
    stored: int
    size: int
    file_count: int
    is_rest: bool = False


class _Directory(Struct, kw_only=True):
    """The files of a directory or, if there is only one, it may be a file. `path` ends with a slash for a directory."""

    path: str
    files: Sequence[PackedFile]
    stored: int

    @property
    def is_file(self) -> bool:
        return not self.path.endswith("/") and self.path != ""


def pieces(files: Sequence[PackedFile], *, smallest: float, most: int) -> list[Piece]:
    """Return the pieces of a group from the biggest to the smallest, at most `most` and one rest for all others.

    Their sum is that of `files`. Directories are looked into from the biggest on, as long as something in them is seen:
    what is below `smallest` bytes is in the rest of its directory.
    """
    whole = _Directory(path="", files=files, stored=_stored(files))
    queue: list[tuple[int, int, _Directory]] = [(-whole.stored, 0, whole)]
    numbers = itertools.count(1)
    done: list[Piece] = []
    for _ in range(_MOST_PASSES):
        if not queue or len(queue) + len(done) >= most:
            break
        _, _, biggest = heapq.heappop(queue)
        if biggest.is_file or (biggest.path and biggest.stored < 4 * smallest):
            done.append(_piece(biggest))
            continue
        rest: list[PackedFile] = []
        children = list(_children(biggest))
        for child in children:
            if child.stored >= smallest or len(children) == 1:
                heapq.heappush(queue, (-child.stored, next(numbers), child))
            else:
                rest.extend(child.files)
        if len(rest) == 1:
            done.append(_piece(_Directory(path=rest[0].path, files=rest, stored=_stored(rest))))
        elif rest:
            done.append(_piece(_Directory(path=biggest.path, files=rest, stored=_stored(rest)), is_rest=True))
    done.extend(_piece(each) for _, _, each in queue)
    return _at_most(most, sorted(done, key=lambda piece: (-piece.stored, piece.is_rest, piece.path)))


def _at_most(most: int, found: list[Piece]) -> list[Piece]:
    """Return the first ones, and the others as one rest."""
    if len(found) <= most:
        return found
    others = found[most:]
    rest = Piece(
        path="",
        stored=sum(each.stored for each in others),
        size=sum(each.size for each in others),
        file_count=sum(each.file_count for each in others),
        is_rest=True,
    )
    return [*found[:most], rest]


def _children(directory: _Directory) -> Iterator[_Directory]:
    """Yield what is directly in a directory."""
    start = len(directory.path)
    named: dict[str, list[PackedFile]] = defaultdict(list)
    for file in directory.files:
        end = file.path.find("/", start)
        named[file.path if end < 0 else file.path[: end + 1]].append(file)
    for path, files in named.items():
        yield _Directory(path=path, files=files, stored=_stored(files))


def _stored(files: Iterable[PackedFile]) -> int:
    return sum(max(0, file.stored) for file in files)


def _piece(each: _Directory, *, is_rest: bool = False) -> Piece:
    return Piece(
        path=each.path.rstrip("/"),
        stored=each.stored,
        size=sum(max(0, file.size) for file in each.files),
        file_count=len(each.files),
        is_rest=is_rest,
    )
