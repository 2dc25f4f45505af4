"""Parts of the sentences that a user reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from typing import TYPE_CHECKING

from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import difflib
else:
    difflib = lazy("difflib")  # only needed for an error


def megabytes(size: int) -> str:
    """Return `size`, in bytes, as text: `12.3 MB` (10^6 bytes)."""
    return f"{size / 1e6:.1f} MB"


def size_text(size: int) -> str:
    """Return a number of bytes as text, in the unit that fits: `812 B`, `12 kB`, `63.4 MB` (10^6 bytes)."""
    if abs(size) < 1000:  # noqa: PLR2004  # the bytes of a kB
        return f"{size} B"
    return megabytes(size) if round(abs(size) / 1000) >= 1000 else f"{size / 1000:.0f} kB"  # noqa: PLR2004  # as above


def size_change(growth: int) -> str:
    """Return a difference of sizes in bytes as text, with its sign: `+12 kB`, `-1.3 MB`, `0 B`."""
    return f"{'+' if growth > 0 else ''}{size_text(growth)}"


def counted(things: Sized, noun: str) -> str:
    """Return the number of `things` with the noun: `1 distribution`, `14 distributions`."""
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def either(names: Sequence[str]) -> str:
    """Return a list with one or more names as text: `docker`, `docker or podman`, `docker, podman or buildah`."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def nearest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the one of `known` that is most similar to `name`; None if all are less similar than `cutoff`, 0 to 1."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)), None)


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str) -> str:
    """Return the remedy for an unknown `name`: the nearest of `known`, or the text `otherwise` and all of them.

    `otherwise` begins a list, as `there are` does. The list is sorted, or `none` if `known` is empty. The question is
    in parentheses, because Nox ends the line with a full stop.
    """
    names = sorted(known)
    near = nearest(name, names)
    return f"correct the name (did you mean {near!r}?)" if near else f"{otherwise} {', '.join(names) or 'none'}"
