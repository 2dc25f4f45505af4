"""Pieces of the sentences that a user reads."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from difflib import get_close_matches


def megabytes(size: int) -> str:
    """`size` bytes for people: `12.3 MB` (10^6 bytes)."""
    return f"{size / 1e6:.1f} MB"


def counted(things: Sized, noun: str) -> str:
    """`1 distribution`, `14 distributions`."""
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `name` is most likely a misspelling of, if any is close."""
    return next(iter(get_close_matches(name, list(known), n=1)), None)


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str) -> str:
    """A remedy for an unknown `name`: the nearest of `known`, or else `otherwise` with all of them, sorted.

    `otherwise` is a beginning such as `there are`.
    """
    names = sorted(known)
    near = nearest(name, names)
    return f"did you mean {near!r}?" if near else f"{otherwise} {', '.join(names) or 'none'}"
