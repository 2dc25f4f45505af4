"""The gate `reproducible`: a second build, from a copy in other surroundings, has the same bytes.

`nox_pex.verify.rebuild` lists what is different in the second build.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import Final

from nox_pex.distributions import pex_file
from nox_pex.verify.archive import Pex, open_pex, reporting_damage
from nox_pex.verify.difference import Difference, differences
from nox_pex.verify.gates.verdict import Verdict

_LISTED: Final = 100
"""The highest number of differences that go into the JSON."""


def judge(pex: Pex, second_build: Path, *, own_wheels: Collection[str]) -> Verdict:
    """Compare an open PEX with the file or directory `second_build`.

    `own_wheels` are the entries of `.deps` that the project's own build backend built.
    """
    first_digest, second_digest = pex_file.digest(pex.path), pex_file.digest(second_build)
    details = {"sha256": first_digest, "second-sha256": second_digest}
    if first_digest == second_digest:
        return Verdict(summary="a second build has the same bytes", details=details)
    with open_pex(second_build) as second, reporting_damage(str(pex.path)):
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
