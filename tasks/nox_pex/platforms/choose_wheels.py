"""Choose the wheels in the lock for the packages that Poetry would install on each target.

In this room, a target is a platform that a binary is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name

from nox_pex.distributions import wheel
from nox_pex.errors import NoxPexError
from nox_pex.platforms.platform import Platform
from nox_pex.system.wording import counted

SOURCES: Final = ("git", "directory")
"""Types of sources that are not files: a wheel has to be built from them."""


class PlannedPackage(Struct, frozen=True, kw_only=True):
    """A package in the lock that Poetry would install on a target.

    `source` is the type of its source in the lock, or None for the default index. `url` is its address there. `files`
    are the names of its files and their hashes (`sha256:…`).
    """

    name: NormalizedName
    version: str
    source: str | None
    url: str | None
    subdirectory: str | None
    files: Mapping[str, str]

    @property
    def key(self) -> tuple[NormalizedName, str]:
        """Name and version, which are unique for a target."""
        return self.name, self.version

    @property
    def is_source(self) -> bool:
        """Whether it is not a file, so that its wheel has to be built."""
        return self.source in SOURCES


class Choice(Struct, frozen=True, kw_only=True):
    """A package, the name of its wheel (None if the wheel has to be built), and the targets that install it."""

    package: PlannedPackage
    file: str | None
    targets: tuple[str, ...]

    @property
    def hash(self) -> str:
        """The hash of the file in the lock; empty for a wheel that has to be built."""
        return self.package.files[self.file] if self.file is not None else ""


class MissingWheel(Struct, frozen=True, kw_only=True):
    """A package (name and version) without a wheel for the target `target`, and the reason as a phrase."""

    target: str
    package: str
    why: str


def parse(answer: Iterable[Mapping[str, Any]]) -> tuple[PlannedPackage, ...]:
    """The packages in the answer of `poetry_script.py` for one target, by name."""
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
    """Choose the wheel of each package for each target. Returns the choices and the missing wheels.

    `packages` are those of each target, by the target's name, which is that of its platform.
    """
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
    """The packages that should be a file, but for which the lock names no file, and so no hash."""
    return (
        package for planned in packages.values() for package in planned if not package.is_source and not package.files
    )


def impure(choice: Choice, built: Path) -> Iterator[MissingWheel]:
    """Yield a missing wheel for each target of `choice` if the wheel `built`, from this machine, is not pure."""
    if not wheel.is_pure(built):
        name = f"{choice.package.name} {choice.package.version}"
        for target in choice.targets:
            yield MissingWheel(target=target, package=name, why=f"its build compiles code: {built.name}")


def no_wheel(missing: Sequence[MissingWheel], *, lock: Path) -> NoxPexError:
    """The error for all `missing` wheels, in one line."""
    by_package: dict[tuple[str, str], list[str]] = {}
    for entry in missing:
        by_package.setdefault((entry.package, entry.why), []).append(entry.target)
    by_targets: dict[tuple[str, ...], list[str]] = {}
    for (package, why), targets in by_package.items():
        by_targets.setdefault(tuple(targets), []).append(f"{package} ({why})")
    text = ", and ".join(
        f"for {' and '.join(targets)} of {', '.join(packages)}" for targets, packages in by_targets.items()
    )
    remedy = "lock versions that have one, or build the wheels there and serve them from your own index"
    return NoxPexError("no-wheel", f"{lock} has no wheel {text}", remedy)


def _why(package: PlannedPackage) -> str:
    wheels = [name for name in package.files if name.endswith(".whl")]
    if not wheels:
        return "only an sdist" if package.files else "no file at all"
    return f"{counted(wheels, 'wheel')}, none compatible"
