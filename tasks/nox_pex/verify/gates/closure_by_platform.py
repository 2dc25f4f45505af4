"""The gate `closure` of a binary for other platforms: on each target, what Poetry would install there, and no more.

What starts on a target is what pex takes there from the binary: of each requirement in PEX-INFO whose marker holds,
the wheel that fits best. It is compared with what Poetry plans for that target.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from email.parser import HeaderParser
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from nox_pex.platforms.platform import Platform
from nox_pex.verify.archive import read_text
from nox_pex.verify.gates import closure
from nox_pex.verify.gates.verdict import Verdict
from nox_pex.verify.pex_distributions import PexDistribution


def judge(
    found: Sequence[PexDistribution],
    info: Mapping[str, Any],
    planned: Mapping[str, Mapping[NormalizedName, str]],
    platforms: Sequence[Platform],
    *,
    project: tuple[str, str | None] | None,
    exclude: Sequence[str],
) -> Verdict:
    """Compare what is `found` in the binary, whose PEX-INFO is `info`, with what is `planned` for each target, by name.

    `project` and `exclude` are as in `closure.judge`.
    """
    own = canonicalize_name(project[0]) if project is not None else None
    requirements = [*map(Requirement, info.get("requirements", ())), *_of_project(found, own)]
    problems: list[str] = []
    details: dict[str, Any] = {}
    taken: set[str] = set()
    for platform in platforms:
        chosen = tuple(_chosen(found, requirements, platform, own=own))
        taken |= {one.where for one in chosen}
        verdict = closure.judge(chosen, planned[platform.name], project=project, exclude=exclude)
        problems += [f"{platform.name}: {problem}" for problem in verdict.problems]
        details[platform.name] = verdict.details
    strays = [one for one in found if one.where not in taken]
    problems += [f"{one.name} {one.version} is in it ({one.where}), and no target installs it" for one in strays]
    return Verdict(
        summary=f"{len(found)} distributions for {len(platforms)} target{'' if len(platforms) == 1 else 's'}",
        problems=tuple(problems),
        details=details,
    )


def _of_project(found: Sequence[PexDistribution], own: NormalizedName | None) -> Iterator[Requirement]:
    """What the project's own wheel requires: pex leaves out of PEX-INFO what it finds there in the same words."""
    for one in found:
        if one.name == own and one.wheel is not None:
            metadata = HeaderParser().parsestr(read_text(one.wheel.content, f"{one.dist_info}/METADATA"))
            yield from map(Requirement, metadata.get_all("Requires-Dist", ()))


def _chosen(
    found: Sequence[PexDistribution],
    requirements: Sequence[Requirement],
    platform: Platform,
    *,
    own: NormalizedName | None,
) -> Iterator[PexDistribution]:
    """What would be taken from the binary on `platform`; `own` is the name of the packaged project."""
    yield from (one for one in found if one.wheel is None)
    environment = {**platform.markers, "extra": ""}
    wanted: dict[NormalizedName, SpecifierSet] = {own: SpecifierSet()} if own is not None else {}
    for requirement in requirements:
        if requirement.marker is None or requirement.marker.evaluate(environment):
            name = canonicalize_name(requirement.name)
            wanted[name] = wanted.get(name, SpecifierSet()) & requirement.specifier
    for name, specifier in sorted(wanted.items(), key=lambda item: item[0]):
        allowed = {
            one.wheel.name: one
            for one in found
            if one.wheel is not None and one.name == name and specifier.contains(one.version, prereleases=True)
        }
        best = platform.best_wheel(allowed)
        if best is not None:
            yield allowed[best]
