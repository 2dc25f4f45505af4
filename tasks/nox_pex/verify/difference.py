"""Where two builds of a PEX differ: the first member, by its cause and not by its consequences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import IO, Final

from nox_pex.verify.archive import BOOTSTRAP, CHUNK, INFO, Container, Pex
from nox_pex.verify.pex_distributions import LAYOUT

_DERIVED: Final = (LAYOUT, INFO, "__main__.py", "__main__.pyc")
"""What pex makes out of digests of all else: where these differ, something else does too, and that is to be named."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """`wheel` is the entry of `.deps` that differs, None outside all of them; `member` the file in it."""

    wheel: str | None
    member: str
    how: str

    def __str__(self) -> str:
        return f"{self.wheel + ': ' if self.wheel else ''}{self.member} {self.how}"


def differences(first: Pex, second: Pex) -> Iterator[Difference]:
    """All differences between two PEX files, causes before consequences; none says that only their packing differs."""
    consequences: list[Difference] = []
    for found in _all(first, second):
        if _is_derived(found):
            consequences.append(found)
        else:
            yield found
    yield from consequences
    if first.head() != second.head():
        yield Difference(wheel=None, member="the head of the file", how="is another")


def _all(first: Pex, second: Pex) -> Iterator[Difference]:
    mine, theirs = ({wheel.name: wheel.content for wheel in pex.wheels} for pex in (first, second))
    for name in sorted({*mine, *theirs}):
        if name not in mine or name not in theirs:
            yield Difference(wheel=name, member="the whole of it", how=_only_in(first=name in mine))
        else:
            yield from _between(mine[name], theirs[name], wheel=name)
    own = {member.name for pex in (first, second) for member in pex.project_members()}
    yield from _between(first.container, second.container, only=own)
    yield from _between(first.bootstrap, second.bootstrap, wheel=BOOTSTRAP)


def _between(
    first: Container, second: Container, *, wheel: str | None = None, only: set[str] | None = None
) -> Iterator[Difference]:
    mine, theirs = ([name for name in c.members if only is None or name in only] for c in (first, second))
    for name in sorted({*mine, *theirs}):
        if name not in first.members or name not in second.members:
            yield Difference(wheel=wheel, member=name, how=_only_in(first=name in first.members))
            continue
        here, there = first.members[name], second.members[name]
        with first.open(name) as a, second.open(name) as b:
            offset = _first_byte(a, b)
        if offset is not None:
            yield Difference(wheel=wheel, member=name, how=f"has other content, from byte {offset}")
        elif here.mode != there.mode:
            yield Difference(wheel=wheel, member=name, how=f"has other permissions, {here.mode:o} and {there.mode:o}")
        elif here.date != there.date:
            yield Difference(wheel=wheel, member=name, how=f"has another date, {here.date} and {there.date}")
    if mine != theirs and set(mine) == set(theirs):
        moved = next(a for a, b in zip(mine, theirs, strict=True) if a != b)
        yield Difference(wheel=wheel, member=moved, how="is stored in another order")


def _is_derived(difference: Difference) -> bool:
    name = difference.member
    return name in _DERIVED or name.startswith("__pex__/") or name.endswith(".dist-info/RECORD")


def _first_byte(first: IO[bytes], second: IO[bytes]) -> int | None:
    """The offset of the first byte that differs; None where none does."""
    offset = 0
    while True:
        a, b = first.read(CHUNK), second.read(CHUNK)
        if a != b:
            return offset + next(i for i, (x, y) in enumerate(zip_longest(a, b)) if x != y)
        if not a:
            return None
        offset += len(a)


def _only_in(*, first: bool) -> str:
    return "is in it, and not in the second build" if first else "is in the second build, and not in it"
