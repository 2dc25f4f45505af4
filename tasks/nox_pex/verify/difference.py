"""The differences between two builds of a PEX: causes first, then what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import IO, Final

from msgspec import Struct

from nox_pex.verify.archive import BOOTSTRAP, DEPENDENCIES, INFO, Pex
from nox_pex.verify.container import CHUNK, Container, Member
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
            yield from compare_containers(ours[name], theirs[name], wheel=name)
    yield from compare_containers(first.container, second.container, only=is_outside_wheels)
    yield from compare_containers(first.bootstrap, second.bootstrap, wheel=BOOTSTRAP)


def is_outside_wheels(name: str) -> bool:
    """Whether a member of a PEX is outside all distributions and the bootstrap."""
    return not name.startswith((DEPENDENCIES, f"{BOOTSTRAP}/")) and name != BOOTSTRAP


def _any(_: str) -> bool:
    return True


def compare_containers(
    first: Container, second: Container, *, wheel: str | None = None, only: Callable[[str], bool] = _any
) -> Iterator[Difference]:
    """Yield the differences between two containers: files, empty directories, permissions, dates, and the order.

    `wheel` is what they are, as in a `Difference`. Only the members whose name `only` accepts are compared.
    """
    ours, theirs = ([name for name in c.members if only(name)] for c in (first, second))
    for name in sorted(filter(only, {*first.directories, *second.directories})):
        if name not in first.directories or name not in second.directories:
            yield Difference(wheel=wheel, member=f"{name}/", phrase=_only_in(first=name in first.directories))
        elif first.directories[name] != second.directories[name]:
            other = _permissions(first.directories[name], second.directories[name])
            yield Difference(wheel=wheel, member=f"{name}/", phrase=other)
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
        return _permissions(ours.mode, theirs.mode)
    if ours.date != theirs.date:
        return f"has different dates, {_shown(ours.date)} and {_shown(theirs.date)}"
    return None


def _permissions(ours: int, theirs: int) -> str:
    return f"has different permissions, {ours:o} and {theirs:o}"


def _shown(date: int | None) -> tuple[int, ...]:
    """Return the year, month, day, hour, minute and second of a date in the format of a ZIP archive (APPNOTE 4.4.6)."""
    day, time = divmod(date or 0, 1 << 16)
    return ((day >> 9) + 1980, day >> 5 & 0xF, day & 0x1F, time >> 11, time >> 5 & 0x3F, time % 32 * 2)


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
