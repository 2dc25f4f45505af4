"""The wheelhouse: the wheels that ship on other platforms, with the targets that install them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from packaging.utils import NormalizedName

from nox_pex.distributions import wheel
from nox_pex.distributions.entry_points import Script
from nox_pex.distributions.environment import Distribution, Environment
from nox_pex.distributions.interpreter import Interpreter
from nox_pex.distributions.launcher import Library
from nox_pex.distributions.target_python import TargetPython
from nox_pex.distributions.wheel import WheelLibrary
from nox_pex.platforms.platform import Platform, marker
from nox_pex.poetry.install_state import PathDependencies
from nox_pex.poetry.selection import Selection
from nox_pex.system import files

STATE_FILE: Final = "nox-pex.json"
"""The file that records the wheels and their inputs. Without it, the fetch did not finish."""


class Wheel(Struct, frozen=True, kw_only=True):
    """One wheel, with the names of the targets that install it.

    `file` is its name, `sha256` the digest of its content, and `size` its size in bytes. `direct` is whether it came
    from a path, a URL or Git. `built` is whether it was built here, from sources without a hash in the lock.
    """

    name: NormalizedName
    version: str
    file: str
    sha256: str
    size: int
    targets: tuple[str, ...]
    direct: bool = False
    built: bool = False


class Wheelhouse(Struct, frozen=True, kw_only=True, dict=True):
    """All wheels of `selection` for `platforms`, in the directory `home`.

    `path_digests` are the SHA-256 digests of the path dependencies' content, by name, and `paths` their paths from the
    project's directory. `seconds` is how long the last fetch took.
    """

    selection: Selection
    platforms: tuple[Platform, ...]
    home: Path
    wheels: tuple[Wheel, ...]
    path_digests: Mapping[str, str]
    seconds: float
    paths: Mapping[str, str] = {}

    @cached_property
    def interpreter(self) -> Interpreter:
        """The Python that builds the binary."""
        return self.environment.interpreter()

    @property
    def interpreters(self) -> tuple[Interpreter, ...]:
        """The Pythons that the binary is for."""
        return tuple(platform.interpreter for platform in self.platforms)

    @property
    def environment(self) -> Environment:
        """The empty environment of the Python that builds the binary."""
        return environment_in(self.home)

    @property
    def distributions(self) -> tuple[Distribution, ...]:
        """The distributions, by name and version. `record` is a digest of the content of all wheels of each."""
        found: dict[tuple[NormalizedName, str], list[Wheel]] = {}
        for each in self.wheels:
            found.setdefault((each.name, each.version), []).append(each)
        return tuple(
            Distribution(
                name=name,
                version=version,
                directory=wheels_in(self.home),
                record=hashlib.sha256("".join(wheel.sha256 for wheel in wheels).encode()).hexdigest(),
                direct=wheels[0].direct,
            )
            for (name, version), wheels in sorted(found.items())
        )

    @property
    def in_several_versions(self) -> tuple[Distribution, ...]:
        """The distributions whose version differs between the targets."""
        versions = Counter(distribution.name for distribution in self.distributions)
        return tuple(distribution for distribution in self.distributions if versions[distribution.name] > 1)

    def path(self, wheel: Wheel) -> Path:
        """The path of a wheel."""
        return wheels_in(self.home) / wheel.file

    def target_pythons(self, wheel: Wheel) -> tuple[TargetPython, ...]:
        """The Pythons of the targets that install a wheel."""
        return tuple(platform.python for platform in self.platforms if platform.name in wheel.targets)

    def first_damaged_wheel(self) -> Wheel | None:
        """The first wheel whose content changed after it was fetched; None if none did."""
        return next((wheel for wheel in self.wheels if files.digest(self.path(wheel)) != wheel.sha256), None)

    def marker(self, name: str, version: str) -> str:
        """The environment marker under which this version is installed; empty if all targets install it.

        Raises `NoxPexError` `config` if no marker distinguishes those targets from the others.
        """
        names = {target for wheel in self.wheels if (wheel.name, wheel.version) == (name, version)
                 for target in wheel.targets}  # fmt: skip
        chosen = [platform for platform in self.platforms if platform.name in names]
        return marker(chosen, self.platforms, of=f"{name} {version}")

    def scripts(self) -> tuple[Script, ...]:
        """The scripts of all wheels, each once."""
        every = (script for each in self.wheels for script in wheel.scripts(self.path(each), distribution=each.name))
        return tuple(dict.fromkeys(every))

    def libraries(self) -> tuple[Library, ...]:
        """The modules of all wheels."""
        return tuple(WheelLibrary(self.path(each)) for each in self.wheels)

    def has_module(self, module: str) -> bool:
        """Whether a wheel contains the module or package of this dotted name."""
        path = module.replace(".", "/")
        return _has(self, f"{path}.", f"{path}/")

    def has_program(self, module: str) -> bool:
        """Whether a wheel contains the module of this dotted name, or a package of that name with a `__main__`."""
        path = module.replace(".", "/")
        return _has(self, f"{path}.", f"{path}/__main__.")


class WheelhouseState(Struct, frozen=True, kw_only=True, rename="kebab"):
    """The content of `STATE_FILE`: the key of the selection, the inputs, the wheels, and how long the fetch took."""

    selection: str
    inputs: dict[str, dict[str, str]]
    path_dependencies: PathDependencies
    wheels: tuple[Wheel, ...]
    seconds: float


def read_state(home: Path) -> WheelhouseState | None:
    """Return the state of the last fetch into `home`; None if it did not finish, or if the file has another form."""
    try:
        state = msgspec.convert(files.read_json(home / STATE_FILE), WheelhouseState)
    except msgspec.ValidationError:
        return None
    complete = {"paths", "platforms"} <= state.inputs.keys()
    return state if complete and all(Path(each.file).name == each.file for each in state.wheels) else None


def load_finished(wanted: Selection, platforms: Sequence[Platform], home: Path) -> Wheelhouse | None:
    """Load the result of an earlier `WheelFetcher.fetch` into `home`; None if there was none or it is incomplete."""
    state = read_state(home)
    if state is None or state.selection != wanted.key or state.inputs["platforms"] != platform_digests(platforms):
        return None
    wheelhouse = Wheelhouse(
        selection=wanted,
        platforms=tuple(platforms),
        home=home,
        wheels=state.wheels,
        path_digests=state.inputs["paths"],
        seconds=state.seconds,
        paths=state.path_dependencies.paths,
    )
    complete = all(_size(wheelhouse.path(wheel)) == wheel.size for wheel in wheelhouse.wheels)
    return wheelhouse if complete and wheelhouse.environment.usable else None


def platform_digests(platforms: Sequence[Platform]) -> dict[str, str]:
    """The digest of each target, by its name."""
    return {platform.name: platform.digest for platform in platforms}


def wheels_in(home: Path) -> Path:
    """The directory with the wheels."""
    return home / "wheels"


def environment_in(home: Path) -> Environment:
    """The empty environment of the Python that builds the binary. pex runs on it."""
    return Environment(path=home / "python")


def _has(wheelhouse: Wheelhouse, *beginnings: str) -> bool:
    """Whether a wheel has a file whose path in site-packages starts with one of `beginnings`."""
    return any(
        wheel.installed_path(member).startswith(beginnings)
        for each in wheelhouse.wheels
        for member in wheel.wheel_files(wheelhouse.path(each))
    )


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
