"""The points in which pex disagrees with what Poetry installed, and how the binary ships it nevertheless.

Poetry decides what ships. A requirement of a distribution that is not installed, or not in a version that it allows,
is given to pex as an exclusion or an override, and METADATA stays as it is. A field that pex does not accept at all is
rewritten (`distributions.dist_info`). pex keeps exclusions and overrides in PEX-INFO, so they count at boot too.
Fact sources: pex's `--exclude` and `--override`, `pex.environment`, the core metadata specification.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from nox_pex.distributions import dist_info, target_python, wheel
from nox_pex.distributions.dist_info import PackableDistInfo
from nox_pex.distributions.target_python import TargetPython
from nox_pex.distributions.wheel import WheelLibrary
from nox_pex.pex.target import Contents
from nox_pex.poetry import requirements
from nox_pex.poetry.installed import Installed
from nox_pex.poetry.lock import Lock

Kind = Literal["missing", "unmet", "rewritten", "moved", "renamed"]


class Disagreement(Struct, frozen=True, kw_only=True, order=True):
    """One point in which pex, or the lock, disagrees with what Poetry installed.

    `distribution` and `version` are the installed one that it is about. `kind` is
    - `missing`: the requirement `text` is of a distribution that is not installed,
    - `unmet`: the requirement `text` does not allow the version `installed`,
    - `rewritten`: pex does not accept `text`, a field of its metadata; the binary has `replacement` (empty: removed),
    - `moved`: what was installed from a path has this version now, and the lock has the version `text`,
    - `renamed`: what was installed from a path has this name in its metadata, and the lock has the name `text`.
    """

    distribution: str
    version: str
    kind: Kind
    text: str
    installed: str | None = None
    replacement: str | None = None

    def as_json(self) -> dict[str, str]:
        """Return it as JSON values, without what is not known of its kind."""
        return {key: value for key, value in msgspec.structs.asdict(self).items() if value is not None}

    def __str__(self) -> str:
        subject = f"{self.distribution} {self.version}"
        match self.kind:
            case "missing":
                fact = f"requires {self.text}, which is not installed; the binary is without it, as Poetry installed it"
            case "unmet":
                fact = f"requires {self.text}, but Poetry installed {self.installed}, which ships"
            case "moved":
                known = f"ships as Poetry installed it from its source, but poetry.lock says {self.text}"
                return f"{subject} {known}; run `poetry lock`, unless its version comes from Git"
            case "renamed":
                known = f"ships as Poetry installed it from its source, but poetry.lock calls it {self.text}"
                return f"{subject} {known}; use one name in its metadata, in pyproject.toml and in poetry.lock"
            case "rewritten":
                says = f"says `{self.replacement}`" if self.replacement else "leaves it out"
                field = self.text.replace("\n", r"\n")
                return f"{subject} has `{field}` in its metadata, which pex does not accept; the binary {says}"
        return f"{subject} {fact}; run `poetry lock`, or correct {self.distribution}"


class Disagreements(Struct, frozen=True, kw_only=True):
    """All disagreements about one binary, and how pex gets to know of them.

    `overrides` are pins (`name==version`, with a marker if they differ by target) that replace every requirement of
    those distributions, `excludes` the names of the required distributions that are not there.
    """

    found: tuple[Disagreement, ...] = ()
    overrides: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    @property
    def rewritten(self) -> frozenset[str]:
        """The names of the distributions with metadata that pex does not accept."""
        return frozenset(each.distribution for each in self.found if each.kind == "rewritten")

    def without(self, exclude: Iterable[str]) -> tuple[Disagreement, ...]:
        """Those that the user has not settled by `exclude`, requirements as for pex's `--exclude`."""
        excluded = set(_names(exclude))
        return tuple(
            each
            for each in self.found
            if each.kind not in ("missing", "unmet") or excluded.isdisjoint(_names([each.text]))
        )


class Member(Struct, frozen=True, kw_only=True):
    """A distribution of the binary: its name, its version, its metadata as the binary has it.

    `targets` are the positions of the Pythons that it is installed for.
    """

    name: NormalizedName
    version: str
    info: PackableDistInfo
    targets: frozenset[int]


def find(contents: Contents, lock: Lock, *, project: Member | None) -> Disagreements:
    """Return the disagreements about a binary of `contents`, what Poetry installed, and `project`, its own wheel."""
    pythons = target_pythons(contents)
    members = (*_members(contents, pythons), *([project] if project is not None else []))
    found = [*_rewritten(members), *_moved(contents, lock)]
    for target, python in enumerate(pythons):
        found += _unsatisfied([member for member in members if target in member.targets], python)
    unmet = {name for each in found if each.kind == "unmet" for name in _names([each.text])}
    missing = {name for each in found if each.kind == "missing" for name in _names([each.text])}
    own = [f"{project.name}=={project.version}"] if project is not None and project.name in unmet else []
    distributions = [distribution for distribution in contents.distributions if distribution.name in unmet]
    return Disagreements(
        found=tuple(sorted(set(found))),
        overrides=(*own, *requirements.pins(distributions, contents.marker)),
        excludes=tuple(sorted(missing)),
    )


def target_pythons(contents: Contents) -> tuple[TargetPython, ...]:
    """Return the Pythons that `contents` are for."""
    if isinstance(contents, Installed):
        return (target_python.of_this_machine(contents.interpreter),)
    return tuple(platform.python for platform in contents.platforms)


def project_member(project_wheel: Path, contents: Contents) -> Member:
    """Return the project's own wheel, which has been built for `contents`, with its metadata as pex accepts it."""
    pythons = target_pythons(contents)
    info = dist_info.packable(
        wheel.read_dist_info(project_wheel),
        direct=True,
        pythons=pythons,
        libraries=(WheelLibrary(project_wheel), *contents.libraries()),
    )
    name, version = wheel.name_and_version(project_wheel)
    return Member(name=name, version=version, info=info, targets=frozenset(range(len(pythons))))


def _members(contents: Contents, pythons: Sequence[TargetPython]) -> Iterator[Member]:
    """Yield what Poetry installed, or what was fetched for other platforms."""
    libraries = contents.libraries()
    if isinstance(contents, Installed):
        for distribution in contents.distributions:
            parsed = dist_info.read_directory(distribution.directory)
            info = dist_info.packable(parsed, direct=distribution.direct, pythons=pythons, libraries=libraries)
            yield Member(name=distribution.name, version=distribution.version, info=info, targets=frozenset([0]))
        return
    positions = {platform.name: position for position, platform in enumerate(contents.platforms)}
    for each in contents.wheels:
        parsed = wheel.read_dist_info(contents.path(each))
        info = dist_info.packable(
            parsed, direct=each.direct, pythons=contents.target_pythons(each), libraries=libraries
        )
        targets = frozenset(positions[target] for target in each.targets)
        yield Member(name=each.name, version=each.version, info=info, targets=targets)


def _rewritten(members: Iterable[Member]) -> Iterator[Disagreement]:
    for member in members:
        for rewrite in member.info.rewrites:
            yield Disagreement(
                distribution=member.name,
                version=member.version,
                kind="rewritten",
                text=rewrite.before,
                replacement=rewrite.after,
            )


def _moved(contents: Contents, lock: Lock) -> Iterator[Disagreement]:
    """Yield what was installed from a path, a URL or Git and has another version or name than in the lock."""
    renamed = lock.renamed(contents.distributions)
    for distribution in contents.distributions:
        name, version = distribution.name, distribution.version
        if name in renamed:
            yield Disagreement(distribution=name, version=version, kind="renamed", text=renamed[name])
        elif distribution.direct and not lock.find(name, version):
            locked = ", ".join(sorted(package.version for package in lock.direct(distribution)))
            yield Disagreement(distribution=name, version=version, kind="moved", text=locked)


def _unsatisfied(members: Sequence[Member], python: TargetPython) -> Iterator[Disagreement]:
    """Yield the requirements of `members` that apply on `python`, and that the other members do not satisfy."""
    installed = {member.name: member for member in members}
    for member, requirement, text in applying(installed, python):
        required = installed.get(canonicalize_name(requirement.name))
        if required is None or not requirement.specifier.contains(required.version, prereleases=True):
            yield Disagreement(
                distribution=member.name,
                version=member.version,
                kind="missing" if required is None else "unmet",
                text=text,
                installed=required.version if required is not None else None,
            )


def applying(
    installed: Mapping[NormalizedName, Member], python: TargetPython
) -> Iterator[tuple[Member, Requirement, str]]:
    """Yield the requirements that apply, with their texts, also those of the extras that other members require."""
    extras: dict[NormalizedName, set[str]] = defaultdict(set)
    waiting = list(installed)
    seen: set[tuple[NormalizedName, str]] = set()
    while waiting:
        name = waiting.pop()
        for text in installed[name].info.requirements:
            requirement = _parsed(text)
            if (name, text) in seen or not (
                requirement.marker is None or python.satisfies(requirement.marker, extras=extras[name])
            ):
                continue
            seen.add((name, text))
            yield installed[name], requirement, text
            required = canonicalize_name(requirement.name)
            if required in installed and not requirement.extras <= extras[required]:
                extras[required] |= requirement.extras
                waiting.append(required)


_CACHED: Final = 10_000


@functools.lru_cache(maxsize=_CACHED)  # several binaries have the same distributions
def _parsed(requirement: str) -> Requirement:
    return Requirement(requirement)


def _names(texts: Iterable[str]) -> Iterator[NormalizedName]:
    """Yield the names in requirements; what is not a requirement has none."""
    for text in texts:
        try:
            yield canonicalize_name(_parsed(text).name)
        except InvalidRequirement:
            continue
