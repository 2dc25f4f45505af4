"""Searches a stream for byte strings and patterns, quickly and in bounded memory.

Plain strings are searched with `bytes.find`, which is many times as fast as any pattern. A PEX of 50 MB unpacks to
150 MB, most of it other people's code, in which only plain strings are searched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Final

from msgspec import Struct

from nox_pex.verify.container import CHUNK

OVERLAP: Final = 8192
"""Bytes of a piece that are searched again together with the next piece: no match is longer."""


_NAME_BYTES: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


_PATH_FLAGS: Final = (b"-I", b"-L")
"""Flags of a compiler that are directly followed by a path."""


class Literal(Struct, frozen=True, kw_only=True):
    """A byte string to find, and the kind to report, which does not reveal it.

    If `path` is True, the bytes around a match must not extend it to another path. An `open_ended` one is the beginning
    of a file name, so any byte may follow.
    """

    value: bytes
    kind: str
    path: bool = False
    open_ended: bool = False


class Pattern(Struct, frozen=True, kw_only=True):
    """A pattern to find, and the kind to report. `accept` decides whether a match counts.

    Each match contains `hint`: a window without it is not searched.
    """

    regex: re.Pattern[bytes]
    kind: str
    hint: bytes
    accept: Callable[[re.Match[bytes]], bool] = bool


def find_kinds(stream: IO[bytes], literals: Sequence[Literal], patterns: Sequence[Pattern] = ()) -> Iterator[str]:
    """Yield the kind of each literal and pattern that `stream` contains, each kind once."""
    found: set[str] = set()
    rest = b""
    while piece := stream.read(CHUNK):
        window = rest + piece
        for literal in literals:
            if literal.kind not in found and _has_literal(window, literal):
                found.add(literal.kind)
                yield literal.kind
        for pattern in patterns:
            if pattern.kind not in found and _has_match(window, pattern):
                found.add(pattern.kind)
                yield pattern.kind
        rest = window[-OVERLAP:]


def without_redundant(literals: Sequence[Literal]) -> tuple[Literal, ...]:
    """Return `literals` without duplicates, and without those that contain another one, which is found anyway."""
    distinct = tuple(dict.fromkeys(literals))
    return tuple(one for one in distinct if not any(_contains(one, other) for other in distinct))


def _contains(one: Literal, other: Literal) -> bool:
    if one.value == other.value or one.path != other.path:
        return False
    return one.value.startswith(other.value + b"/") if one.path else other.value in one.value


def _has_literal(window: bytes, literal: Literal) -> bool:
    start = window.find(literal.value)
    if not literal.path:
        return start >= 0
    while start >= 0:
        end = start + len(literal.value)
        begins = start == 0 or window[start - 1] not in _NAME_BYTES or window[start - 2 : start] in _PATH_FLAGS
        if begins and (literal.open_ended or end >= len(window) or window[end] not in _NAME_BYTES):
            return True
        start = window.find(literal.value, start + 1)
    return False


def _has_match(window: bytes, pattern: Pattern) -> bool:
    return pattern.hint in window and any(pattern.accept(match) for match in pattern.regex.finditer(window))
