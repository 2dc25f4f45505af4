"""Finding byte strings and patterns in a stream, in bounded memory and fast.

Plain strings are searched with `bytes.find`, which is many times as fast as any pattern: a PEX of 50 MB holds 150 MB,
and most of it is other people's code, where only plain strings are searched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Final

from nox_pex.verify.archive import CHUNK

OVERLAP: Final = 8192
"""Bytes of a piece that are looked at again with the next one: nothing that is searched is longer."""


_WORD: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


_FLAGS: Final = (b"-I", b"-L")
"""What a compiler's command line has right before a path."""


@dataclass(frozen=True, kw_only=True)
class Literal:
    """A byte string to find, and what to call it without showing it.

    With `path` it must begin as a path does, and end as one, unless it is `open_ended`: the beginning of a name.
    """

    value: bytes
    kind: str
    path: bool = False
    open_ended: bool = False


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """A pattern to find, and what to call a match. `accept` judges a match that is none yet."""

    regex: re.Pattern[bytes]
    kind: str
    hint: bytes
    """Each match contains it: where it is not there, the pattern is not tried."""
    accept: Callable[[re.Match[bytes]], bool] = bool


def find_kinds(stream: IO[bytes], literals: Sequence[Literal], patterns: Sequence[Pattern] = ()) -> Iterator[str]:
    """What is found in `stream`, each kind once."""
    found: set[str] = set()
    rest = b""
    while piece := stream.read(CHUNK):
        window = rest + piece
        for literal in literals:
            if literal.kind not in found and _holds(window, literal):
                found.add(literal.kind)
                yield literal.kind
        for pattern in patterns:
            if pattern.kind not in found and _matches(window, pattern):
                found.add(pattern.kind)
                yield pattern.kind
        rest = window[-OVERLAP:]


def without_redundant(literals: Sequence[Literal]) -> tuple[Literal, ...]:
    """`literals` without those that contain another one: where they are, that one is found already."""
    distinct = tuple(dict.fromkeys(literals))
    return tuple(one for one in distinct if not any(_contains(one, other) for other in distinct))


def _contains(one: Literal, other: Literal) -> bool:
    if one.value == other.value or one.path != other.path:
        return False
    return one.value.startswith(other.value + b"/") if one.path else other.value in one.value


def _holds(window: bytes, literal: Literal) -> bool:
    start = window.find(literal.value)
    if not literal.path:
        return start >= 0
    while start >= 0:
        end = start + len(literal.value)
        begins = start == 0 or window[start - 1] not in _WORD or window[start - 2 : start] in _FLAGS
        if begins and (literal.open_ended or end >= len(window) or window[end] not in _WORD):
            return True
        start = window.find(literal.value, start + 1)
    return False


def _matches(window: bytes, pattern: Pattern) -> bool:
    return pattern.hint in window and any(pattern.accept(match) for match in pattern.regex.finditer(window))
