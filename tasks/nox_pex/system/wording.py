"""Parts of the sentences that a user reads."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from difflib import get_close_matches


def megabytes(size: int) -> str:
    """Return `size`, in bytes, as text: `12.3 MB` (10^6 bytes)."""
    return f"{size / 1e6:.1f} MB"


def counted(things: Sized, noun: str) -> str:
    """Return the number of `things` with the noun: `1 distribution`, `14 distributions`."""
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the one of `known` that `name` is most likely a misspelling of; None if none is close."""
    return next(iter(get_close_matches(name, list(known), n=1)), None)


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str) -> str:
    """Return the remedy for an unknown `name`: the nearest of `known`, or the text `otherwise` and all of them.

    `otherwise` begins a list, as `there are` does. The list is sorted, or `none` if `known` is empty.
    """
    names = sorted(known)
    near = nearest(name, names)
    return f"did you mean {near!r}?" if near else f"{otherwise} {', '.join(names) or 'none'}"
