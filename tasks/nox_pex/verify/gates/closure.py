"""The gate `closure`: the distributions in the binary are exactly those that Poetry would install.

Poetry itself says which these are, when it installs into a new empty environment (`rebuild`), or in a dry run against
one (`plan`). So nox-pex does not interpret the lock's format, groups and markers here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from nox_pex.distributions.environment import Environment
from nox_pex.pex.exclude import is_excluded
from nox_pex.poetry.cli import after_plugins, poetry_environ, sync_argv
from nox_pex.poetry.failures import failure
from nox_pex.poetry.selection import Selection
from nox_pex.project.pyproject import Project
from nox_pex.system import locks
from nox_pex.system.wording import counted
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
    """Return what Poetry would install of `wanted` into an empty environment of the interpreter `python`.

    The result maps names to versions. Raises `NoxPexError` with the code of Poetry's failure.
    """
    poetry = pinned.provide_poetry(provisioner, poetry_version)
    with locks.scratch("nox-pex-verify-") as empty:
        environment, environments = Environment(path=empty / "environment"), empty / "environments"
        environments.mkdir()
        provisioner.create(environment.path, python=python, seed=False)
        outcome = provisioner.shell.run(
            [*sync_argv(poetry, wanted, project), "--dry-run"],
            what="Poetry",
            env=poetry_environ(
                provisioner.shell.environ,
                environment=environment,
                environments=environments,
                project=project.root,
            ),
            cwd=project.root,
        )
    if outcome.status != 0:
        raise failure(outcome, project)
    return dict(operations(outcome.output))


def operations(output: str) -> Iterator[tuple[NormalizedName, str]]:
    """Yield name and version of each distribution that Poetry would install, from the output of its dry run."""
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
    by_content: Collection[str] = (),
    renamed: Mapping[str, str] = MappingProxyType({}),
) -> Verdict:
    """Compare the distributions that were `found` in the binary with those that Poetry `planned`.

    `project` is the name and version of a packaged project; the version is None if the build backend decides it.
    `exclude` are requirements as for pex's `--exclude`. The dependencies of an excluded distribution are expected
    nevertheless, because the lock pins each of them.
    `by_content` are the names of the distributions from a path, a URL or Git. Their content counts, so another version
    is only noted. `renamed` are the names of distributions that the lock calls by another name, and that name.
    """
    excluded = {name for name, version in planned.items() if is_excluded(name, version, exclude)}
    expected: dict[str, str | None] = {n: v for n, v in planned.items() if n not in excluded}
    if project is not None:
        name, version = project
        expected[canonicalize_name(name)] = version
    distributions = list(found)
    by_name: dict[str, list[PexDistribution]] = {}
    for distribution in distributions:
        by_name.setdefault(renamed.get(distribution.name, distribution.name), []).append(distribution)
    return Verdict(
        summary=f"{counted(distributions, 'distribution')}, {len(expected)} expected",
        problems=tuple(_problems(by_name, expected, excluded, by_content)),
        notes=tuple(_notes(by_name, expected, by_content)),
        details={
            "distributions": {name: named[-1].version for name, named in by_name.items()},
            "planned": dict(sorted(expected.items())),
            "excluded": sorted(excluded),
        },
    )


def _notes(
    by_name: Mapping[str, list[PexDistribution]], expected: Mapping[str, str | None], by_content: Collection[str]
) -> Iterator[str]:
    for name in sorted(by_name.keys() & expected.keys() & set(by_content)):
        for distribution in by_name[name]:
            if distribution.name != name:
                yield f"{name} calls itself {distribution.name}: it ships as Poetry installed it from its source"
            if not _is_same_version(distribution.version, expected[name]):
                yield (
                    f"{name} is {distribution.version}, and poetry.lock says {expected[name]}: "
                    "it ships as Poetry installed it from its source"
                )


def _problems(
    by_name: Mapping[str, list[PexDistribution]],
    expected: Mapping[str, str | None],
    excluded: Iterable[str],
    by_content: Collection[str],
) -> Iterator[str]:
    for name in sorted({*by_name, *expected}):
        found = by_name.get(name, [])
        if not found:
            yield f"{name} {expected[name] or ''} is missing".replace("  ", " ")
            continue
        if name not in expected:
            reason = "`exclude` names it" if name in excluded else "Poetry would not install it"
            yield f"{name} {found[0].version} is in the binary ({found[0].where}), but {reason}"
            continue
        for distribution in found:
            if name not in by_content and not _is_same_version(distribution.version, expected[name]):
                yield f"{name} is {distribution.version}, but Poetry would install {expected[name]}"
        if len(found) > 1:
            yield f"{name} is in the binary {len(found)} times ({', '.join(d.where for d in found)})"


def _is_same_version(found: str, expected: str | None) -> bool:
    if expected is None:
        return True
    try:
        return Version(found) == Version(expected)
    except InvalidVersion:
        return found == expected
