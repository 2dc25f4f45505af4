"""The results about a binary that are in files next to it: its build record and its smoke test. Anybody may write them.

A result counts only if its `sha256` is that of the binary.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from nox_pex.contents.model import BootFacts, BuildFacts
from nox_pex.evidence.results import State
from nox_pex.pex import build_record
from nox_pex.system import files

_MOST: Final = 50
"""Boots that are read."""


class _Boot(Struct, frozen=True, kw_only=True, rename="kebab"):
    condition: str
    state: State
    ready_after: Annotated[float, Meta(ge=0, le=10_000_000)] | None = None  # 1e400 would be infinite
    memory: Annotated[int, Meta(ge=0, le=2**62)] | None = None


class _Scie(Struct, frozen=True, kw_only=True):
    sha256: str = ""


class _Smoke(Struct, frozen=True, kw_only=True):
    """The keys of `NAME.smoke.json` that are needed here."""

    sha256: str
    conditions: tuple[_Boot, ...]
    scie: _Scie | None = None


def boots(result: Path, *, sha256: str) -> tuple[BootFacts, ...]:
    """Return the boots in a smoke result that is about the binary, or the scie, with this digest; otherwise none."""
    try:
        found = msgspec.convert(files.read_json(result), _Smoke)
    except (msgspec.ValidationError, UnicodeError):
        return ()
    if not sha256:
        return ()
    if found.sha256 == sha256:
        wanted = [boot for boot in found.conditions if boot.condition != "scie"]
    elif found.scie is not None and found.scie.sha256 == sha256:
        wanted = [boot for boot in found.conditions if boot.condition == "scie"]
    else:
        return ()
    return tuple(
        BootFacts(condition=each.condition, state=each.state, ready_after=each.ready_after, memory=each.memory)
        for each in wanted[:_MOST]
    )


def build(record: Path, *, sha256: str) -> BuildFacts:
    """Return what a build record says of the binary with this digest; nothing if it is about another file."""
    found = build_record.read(record)
    if not sha256 or found.get("sha256") != sha256:
        return BuildFacts()
    commit, times = build_record.commit(found), build_record.times(found)
    return BuildFacts(
        version=found.get("version") or "",
        commit="" if commit is None else commit.commit,
        dirty=commit is not None and commit.dirty,
        finished="" if times is None else times.finished,
    )
