"""The differences between two builds of a PEX: causes first, then what follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import IO, Final

from msgspec import Struct

from nox_pex.verify.archive import BOOTSTRAP, CHUNK, INFO, Container, Member, Pex
from nox_pex.verify.pex_distributions import LAYOUT

_DERIVED: Final = (LAYOUT, INFO, "__main__.py", "__main__.pyc")
"""Files that pex derives from digests of all other files. If they differ, another file differs too, which is the
cause."""


class Difference(Struct, frozen=True, kw_only=True):
    """One difference: `member`, a file in `wheel`, and a phrase that follows its name.

    `wheel` is the entry of `.deps`, or the bootstrap; None outside of both.
    """

    wheel: str | None
    member: str
    phrase: str

    def __str__(self) -> str:
        return f"{self.wheel + ': ' if self.wheel else ''}{self.member} {self.phrase}"


def differences(first: Pex, second: Pex) -> Iterator[Difference]:
    """Yield all differences between two PEX files, causes before consequences.

    Yields none if both have the same members and are only packed differently.
    """
    consequences: list[Difference] = []
    for difference in _compare_members(first, second):
        if _is_derived(difference):
            consequences.append(difference)
        else:
            yield difference
    yield from consequences
    if first.head() != second.head():
        yield Difference(wheel=None, member="the head of the file", phrase="differs")


def _compare_members(first: Pex, second: Pex) -> Iterator[Difference]:
    ours, theirs = ({wheel.name: wheel.content for wheel in pex.wheels} for pex in (first, second))
    for name in sorted({*ours, *theirs}):
        if name not in ours or name not in theirs:
            yield Difference(wheel=name, member="the complete wheel", phrase=_only_in(first=name in ours))
        else:
            yield from _compare_containers(ours[name], theirs[name], wheel=name)
    loose = {member.name for pex in (first, second) for member in pex.project_members()}
    yield from _compare_containers(first.container, second.container, only=loose)
    yield from _compare_containers(first.bootstrap, second.bootstrap, wheel=BOOTSTRAP)


def _compare_containers(
    first: Container, second: Container, *, wheel: str | None = None, only: set[str] | None = None
) -> Iterator[Difference]:
    ours, theirs = ([name for name in c.members if only is None or name in only] for c in (first, second))
    for name in sorted({*ours, *theirs}):
        if name not in first.members or name not in second.members:
            phrase: str | None = _only_in(first=name in first.members)
        else:
            with first.open(name) as a, second.open(name) as b:
                phrase = _compare_files(a, b, first.members[name], second.members[name])
        if phrase is not None:
            yield Difference(wheel=wheel, member=name, phrase=phrase)
    if ours != theirs and set(ours) == set(theirs):
        moved = next(a for a, b in zip(ours, theirs, strict=True) if a != b)
        yield Difference(wheel=wheel, member=moved, phrase="is stored in a different order")


def _compare_files(first: IO[bytes], second: IO[bytes], ours: Member, theirs: Member) -> str | None:
    """Return the first difference of a file, as a phrase; None if there is none."""
    offset = _first_difference(first, second)
    if offset is not None:
        return f"has different content, from byte {offset}"
    if ours.mode != theirs.mode:
        return f"has different permissions, {ours.mode:o} and {theirs.mode:o}"
    if ours.date != theirs.date:
        return f"has different dates, {ours.date} and {theirs.date}"
    return None


def _is_derived(difference: Difference) -> bool:
    name = difference.member
    return name in _DERIVED or name.startswith("__pex__/") or name.endswith(".dist-info/RECORD")


def _first_difference(first: IO[bytes], second: IO[bytes]) -> int | None:
    """Return the offset of the first byte that differs; None if none does."""
    offset = 0
    while True:
        a, b = first.read(CHUNK), second.read(CHUNK)
        if a != b:
            return offset + next(i for i, (x, y) in enumerate(zip_longest(a, b)) if x != y)
        if not a:
            return None
        offset += len(a)


def _only_in(*, first: bool) -> str:
    return "is not in the second build" if first else "is only in the second build"
