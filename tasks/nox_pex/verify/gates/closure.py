"""The gate `closure`: the distributions in the binary are those that Poetry would install, and no others.

Poetry says so itself, in a dry run against a fresh empty environment: its own view of the lock, whatever the lock's
version, the groups' or the markers' are.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from nox_pex.distributions.environment import Environment
from nox_pex.poetry.cli import after_plugins, poetry_environ, sync_argv
from nox_pex.poetry.failures import failure
from nox_pex.poetry.selection import Selection
from nox_pex.project.pyproject import Project
from nox_pex.tools import pinned
from nox_pex.tools.provision import Provisioner
from nox_pex.verify.gates.verdict import Verdict
from nox_pex.verify.pex_distributions import PexDistribution

_OPERATION: Final = re.compile(r"^\s*[-•] Installing (?P<name>[A-Za-z0-9][A-Za-z0-9._-]*) \((?P<version>[^\s)]+)")


def plan(
    wanted: Selection,
    *,
    project: Project,
    python: Path,
    provisioner: Provisioner,
    poetry_version: str | None,
) -> Mapping[NormalizedName, str]:
    """What Poetry would install of `wanted` into an empty environment of the interpreter `python`: name to version.

    Raises `NoxPexError` with the code of whatever Poetry met.
    """
    poetry = pinned.provide_poetry(provisioner, poetry_version)
    with tempfile.TemporaryDirectory(prefix="nox-pex-verify-") as empty:
        environment, nowhere = Environment(path=Path(empty, "environment")), Path(empty, "nowhere")
        nowhere.mkdir()
        provisioner.create(environment.path, python=python, seed=False)
        outcome = provisioner.shell.run(
            [*sync_argv(poetry, wanted, project), "--dry-run"],
            what="verify: Poetry",
            env=poetry_environ(
                provisioner.shell.environ,
                poetry=poetry,
                environment=environment,
                environments=nowhere,
                project=project.root,
            ),
            cwd=project.root,
        )
    if outcome.status != 0:
        raise failure(outcome, project)
    return dict(operations(outcome.output))


def operations(output: str) -> Iterator[tuple[NormalizedName, str]]:
    """Name and version of each distribution that a dry run of Poetry's says it would install."""
    for line in after_plugins(output):
        match = _OPERATION.match(line)
        if match and "Skipped" not in line:
            yield canonicalize_name(match["name"]), match["version"]


def judge(
    found: Iterable[PexDistribution],
    planned: Mapping[NormalizedName, str],
    *,
    project: tuple[str, str | None] | None,
    exclude: Iterable[str],
) -> Verdict:
    """Compare what is `found` in the binary with what Poetry `planned`.

    `project` is the name of the packaged project and its version (None where its backend decides); `exclude` are
    requirements as pex's `--exclude` has them. What an excluded distribution needs stays, since it is pinned itself.
    """
    excluded = {name for name, version in planned.items() if _is_excluded(name, version, exclude)}
    expected: dict[str, str | None] = {n: v for n, v in planned.items() if n not in excluded}
    if project is not None:
        name, version = project
        expected[canonicalize_name(name)] = version
    by_name: dict[str, list[PexDistribution]] = {}
    for distribution in found:
        by_name.setdefault(distribution.name, []).append(distribution)
    problems = tuple(_problems(by_name, expected, excluded))
    count = sum(map(len, by_name.values()))
    return Verdict(
        summary=f"{count} distribution{'' if count == 1 else 's'}, {len(expected)} expected",
        problems=problems,
        details={
            "distributions": {d.name: d.version for named in by_name.values() for d in named},
            "planned": dict(sorted(expected.items())),
            "excluded": sorted(excluded),
        },
    )


def _problems(
    found: Mapping[str, list[PexDistribution]], expected: Mapping[str, str | None], excluded: Iterable[str]
) -> Iterator[str]:
    for name in sorted({*found, *expected}):
        here = found.get(name, [])
        if not here:
            yield f"{name} {expected[name] or ''} is missing".replace("  ", " ")
            continue
        if name not in expected:
            why = "`exclude` names it" if name in excluded else "Poetry would not install it"
            yield f"{name} {here[0].version} is in it ({here[0].where}), and {why}"
            continue
        for distribution in here:
            if not _same_version(distribution.version, expected[name]):
                yield f"{name} is {distribution.version}, and Poetry would install {expected[name]}"
        if len(here) > 1:
            yield f"{name} is in it {len(here)} times ({', '.join(d.where for d in here)})"


def _same_version(found: str, expected: str | None) -> bool:
    if expected is None:
        return True
    try:
        return Version(found) == Version(expected)
    except InvalidVersion:
        return found == expected


def _is_excluded(name: str, version: str, exclude: Iterable[str]) -> bool:
    for text in exclude:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue  # pex itself has refused it
        if canonicalize_name(requirement.name) == name and requirement.specifier.contains(version, prereleases=True):
            return True
    return False
