"""The gate `reproducible`: a second build, from a copy elsewhere, has the same bytes (`elsewhere` says what is new)."""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from pathlib import Path

from nox_pex.distributions import pex_file
from nox_pex.verify.archive import Pex, open_pex, reporting_damage
from nox_pex.verify.difference import Difference, differences
from nox_pex.verify.gates.verdict import Verdict

_NAMED = 100
"""Differences that go into the JSON."""


def judge(pex: Pex, again: Path, *, own_wheels: Collection[str]) -> Verdict:
    """Compare an open PEX with the file or directory `again`. `own_wheels` are the project's own entries of `.deps`."""
    mine, theirs = pex_file.digest(pex.path), pex_file.digest(again)
    details = {"sha256": mine, "second-sha256": theirs}
    if mine == theirs:
        return Verdict(summary="the same bytes, built elsewhere", details=details)
    with open_pex(again) as second, reporting_damage(str(pex.path)):
        found = list(islice(differences(pex, second), _NAMED))
    return Verdict(
        summary="other bytes, built elsewhere",
        problems=(_phrase(found, own_wheels),),
        details={**details, "differences": [str(difference) for difference in found]},
    )


def _phrase(found: list[Difference], own_wheels: Collection[str]) -> str:
    if not found:
        return "a second build packs the same members in another way"
    first = found[0]
    if first.wheel in own_wheels:
        return f"a second build differs: {first} (the project's own wheel, as its build backend makes it)"
    return f"a second build differs: {first}"
