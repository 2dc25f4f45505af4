"""The gate `reproducible`: a second build, from a copy in other surroundings, has the same bytes.

`nox_pex.verify.rebuild` lists what is different in the second build.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from typing import Final

from nox_pex.verify.archive import Pex
from nox_pex.verify.difference import Difference, differences
from nox_pex.verify.gates.verdict import Verdict

_LISTED: Final = 100
"""The highest number of differences that go into the JSON."""


def judge(pex: Pex, second: Pex, *, own_wheels: Collection[str]) -> Verdict:
    """Compare an open PEX with the `second` build of it.

    `own_wheels` are the entries of `.deps` that the project's own build backend built. Raises `DamageError`.
    """
    details = {"sha256": pex.sha256, "second-sha256": second.sha256}
    if pex.sha256 == second.sha256:
        return Verdict(summary="a second build has the same bytes", details=details)
    found = list(islice(differences(pex, second), _LISTED))
    return Verdict(
        summary="a second build has different bytes",
        problems=(_problem(found, own_wheels),),
        details={**details, "differences": [str(difference) for difference in found]},
    )


def _problem(found: list[Difference], own_wheels: Collection[str]) -> str:
    if not found:
        return "a second build has the same members, packed differently"
    first = found[0]
    if first.wheel in own_wheels:
        return f"a second build differs: {first} (in the project's own wheel, which its build backend builds)"
    return f"a second build differs: {first}"
