"""The gate `closure` of a binary for other platforms: each of them gets exactly what Poetry would install there.

On a platform, pex selects distributions from the binary: for each requirement in PEX-INFO whose marker holds, the
wheel that fits best. This gate repeats that selection, and compares it with Poetry's plan for the platform.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from email.parser import HeaderParser
from typing import Any, Final

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from nox_pex.distributions.pex_info import PexInfo
from nox_pex.platforms.platform import Platform
from nox_pex.system.wording import counted
from nox_pex.verify.container import DamageError, read_text
from nox_pex.verify.gates import closure
from nox_pex.verify.gates.verdict import Verdict
from nox_pex.verify.pex_distributions import PexDistribution

_UNREADABLE: Final = (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName)
"""The errors of `packaging` about requirements and markers that no tool can read."""


@contextlib.contextmanager
def _reporting_unreadable() -> Iterator[None]:
    """Raise `DamageError` if the block meets a requirement that cannot be read."""
    try:
        yield
    except _UNREADABLE as error:
        msg = f"a requirement in it cannot be read: {error}"
        raise DamageError(msg) from error


@_reporting_unreadable()
def judge(
    found: Sequence[PexDistribution],
    info: PexInfo,
    planned: Mapping[str, Mapping[NormalizedName, str]],
    platforms: Sequence[Platform],
    *,
    project: tuple[str, str | None] | None,
    exclude: Sequence[str],
    by_content: Collection[str] = (),
) -> Verdict:
    """Compare the distributions that were `found` in the binary with the plan for each platform.

    `info` is the binary's PEX-INFO. `planned` maps a platform's name to names and versions. `project`, `exclude`
    and `by_content` are as for `closure.judge`.
    Raises `DamageError` if the binary has a requirement that cannot be read.
    """
    project_name = canonicalize_name(project[0]) if project is not None else None
    overridden = {canonicalize_name(Requirement(override).name) for override in info.overridden}
    requirements = [
        *map(Requirement, info.requirements),
        *(each for each in _requirements_of_project(found, project_name) if each.name not in overridden),
    ]
    problems: list[str] = []
    notes: dict[str, None] = {}
    details: dict[str, Any] = {}
    used: set[str] = set()
    for platform in platforms:
        selected = tuple(_select(found, requirements, platform, project_name=project_name))
        used |= {distribution.where for distribution in selected}
        verdict = closure.judge(
            selected, planned[platform.name], project=project, exclude=exclude, by_content=by_content
        )
        problems += [f"{platform.name}: {problem}" for problem in verdict.problems]
        notes |= dict.fromkeys(verdict.notes)
        details[platform.name] = verdict.details
    problems += [
        f"{unused.name} {unused.version} is in the binary ({unused.where}), but no target installs it"
        for unused in found
        if unused.where not in used
    ]
    return Verdict(
        summary=f"{len(found)} distributions for {counted(platforms, 'target')}",
        problems=tuple(problems),
        notes=tuple(notes),
        details=details,
    )


def _requirements_of_project(
    found: Sequence[PexDistribution], project_name: NormalizedName | None
) -> Iterator[Requirement]:
    """Yield the requirements of the project's own wheel: pex omits those from PEX-INFO that the wheel repeats."""
    for distribution in found:
        if distribution.name == project_name and distribution.wheel is not None:
            metadata = read_text(distribution.wheel.content, f"{distribution.dist_info}/METADATA")
            headers = HeaderParser().parsestr(metadata)
            yield from map(Requirement, headers.get_all("Requires-Dist", ()))


def _select(
    found: Sequence[PexDistribution],
    requirements: Sequence[Requirement],
    platform: Platform,
    *,
    project_name: NormalizedName | None,
) -> Iterator[PexDistribution]:
    """Yield the distributions that the binary uses on `platform`, among them the packaged project `project_name`."""
    yield from (distribution for distribution in found if distribution.wheel is None)
    environment = {**platform.markers, "extra": ""}
    wanted: dict[NormalizedName, SpecifierSet] = {project_name: SpecifierSet()} if project_name is not None else {}
    for requirement in requirements:
        if requirement.marker is None or requirement.marker.evaluate(environment):
            name = canonicalize_name(requirement.name)
            wanted[name] = wanted.get(name, SpecifierSet()) & requirement.specifier
    for name, specifier in sorted(wanted.items(), key=lambda item: item[0]):
        allowed = {
            distribution.wheel.name: distribution
            for distribution in found
            if distribution.wheel is not None
            and distribution.name == name
            and specifier.contains(distribution.version, prereleases=True)
        }
        best = platform.best_wheel(allowed)
        if best is not None:
            yield allowed[best]
