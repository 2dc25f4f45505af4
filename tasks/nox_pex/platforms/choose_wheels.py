"""What Poetry would install on each target, and which wheel of the lock that is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from packaging.utils import NormalizedName, canonicalize_name

from nox_pex.distributions import wheel
from nox_pex.errors import NoxPexError
from nox_pex.platforms.platform import Platform

SOURCES: Final = ("git", "directory")
"""Kinds of packages that are sources, of which a wheel has to be built."""


@dataclass(frozen=True, kw_only=True)
class PlannedPackage:
    """A package that Poetry would install on a target, as the lock has it.

    `source` is Poetry's word for where it comes from (None: the default index), `url` its address there. `files` are
    the names and the hashes (`sha256:…`) of its files.
    """

    name: NormalizedName
    version: str
    source: str | None
    url: str | None
    subdirectory: str | None
    files: Mapping[str, str]

    @property
    def key(self) -> tuple[NormalizedName, str]:
        """What tells it from the others of a target."""
        return self.name, self.version

    @property
    def is_source(self) -> bool:
        """Whether it is no file, and a wheel has to be built of it."""
        return self.source in SOURCES


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A package, its wheel's file name (None for one that has to be built), and the targets that install it."""

    package: PlannedPackage
    file: str | None
    targets: tuple[str, ...]

    @property
    def hash(self) -> str:
        """The lock's hash of the file."""
        return self.package.files[self.file] if self.file is not None else ""


@dataclass(frozen=True, kw_only=True)
class MissingWheel:
    """A package that has no wheel for the target `target`, and why: a few words."""

    target: str
    package: str
    why: str


def parse(answer: Iterable[Mapping[str, Any]]) -> tuple[PlannedPackage, ...]:
    """What Poetry answered for one target (`in_poetry.as_json`), by name."""
    packages = (
        PlannedPackage(
            name=canonicalize_name(entry["name"]),
            version=entry["version"],
            source=entry["source"],
            url=entry["url"],
            subdirectory=entry["subdirectory"],
            files=dict(entry["files"]),
        )
        for entry in answer
    )
    return tuple(sorted(packages, key=lambda package: package.key))


def choose(
    packages: Mapping[str, Sequence[PlannedPackage]], platforms: Sequence[Platform]
) -> tuple[tuple[Choice, ...], tuple[MissingWheel, ...]]:
    """The wheel of each package for each target, by their names; `packages` are by target. And what has none."""
    targets: dict[tuple[NormalizedName, str, str | None], list[str]] = {}
    known: dict[tuple[NormalizedName, str], PlannedPackage] = {}
    missing: list[MissingWheel] = []
    for platform in platforms:
        for package in packages[platform.name]:
            file = None if package.is_source else platform.best_wheel(package.files)
            if file is None and not package.is_source:
                missing.append(
                    MissingWheel(target=platform.name, package=f"{package.name} {package.version}", why=_why(package))
                )
                continue
            known[package.key] = package
            targets.setdefault((*package.key, file), []).append(platform.name)
    choices = (
        Choice(package=known[name, version], file=file, targets=tuple(names))
        for (name, version, file), names in targets.items()
    )
    return tuple(choices), tuple(missing)


def unhashed(packages: Mapping[str, Sequence[PlannedPackage]]) -> Iterator[PlannedPackage]:
    """The packages that come as a file, and of which the lock names none."""
    return (package for some in packages.values() for package in some if not package.is_source and not package.files)


def impure(choice: Choice, built: Path) -> Iterator[MissingWheel]:
    """Why a wheel that was built here cannot be taken to the targets of `choice`; nothing where it can."""
    if not wheel.is_pure(built):
        name = f"{choice.package.name} {choice.package.version}"
        for target in choice.targets:
            yield MissingWheel(target=target, package=name, why=f"its sources compile: {built.name}")


def no_wheel(missing: Sequence[MissingWheel], *, lock: Path) -> NoxPexError:
    """The one error for all that has no wheel."""
    by_package: dict[tuple[str, str], list[str]] = {}
    for one in missing:
        by_package.setdefault((one.package, one.why), []).append(one.target)
    by_targets: dict[tuple[str, ...], list[str]] = {}
    for (package, why), targets in by_package.items():
        by_targets.setdefault(tuple(targets), []).append(f"{package} ({why})")
    said = ", and ".join(
        f"for {' and '.join(targets)} of {', '.join(packages)}" for targets, packages in by_targets.items()
    )
    remedy = "lock versions that have one, or serve wheels that you built there from an index of your own"
    return NoxPexError("no-wheel", f"{lock} has no wheel {said}", remedy)


def _why(package: PlannedPackage) -> str:
    wheels = sum(name.endswith(".whl") for name in package.files)
    if not wheels:
        return "an sdist alone" if package.files else "no file at all"
    return f"{wheels} wheel{'' if wheels == 1 else 's'}, of which none fits"
