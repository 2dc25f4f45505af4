"""An environment that Poetry has installed into."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from nox_pex.distributions.environment import Distribution, Environment, installed_files, text_of
from nox_pex.distributions.interpreter import Interpreter
from nox_pex.poetry import install_state
from nox_pex.poetry.install_state import InstallState
from nox_pex.poetry.selection import Selection
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    from nox_pex.distributions import entry_points, launcher
    from nox_pex.distributions.entry_points import Script
    from nox_pex.distributions.launcher import Library
else:
    entry_points = lazy("nox_pex.distributions.entry_points")  # not needed if nothing changed
    launcher = lazy("nox_pex.distributions.launcher")  # not needed if nothing changed


class Installed(Struct, frozen=True, kw_only=True, dict=True):
    """A finished install of `selection`: the environment and its distributions.

    `path_digests` are the SHA-256 digests of the path dependencies' content, by name, and `paths` their paths from the
    project's directory. `seconds` is how long the last install took. `id` changes with each install. `renamed` are the
    distributions whose metadata has another name than the lock: that name, and the name in the lock. In `path_digests`,
    they have both names.
    """

    selection: Selection
    environment: Environment
    distributions: tuple[Distribution, ...]
    path_digests: Mapping[str, str]
    seconds: float
    id: str = ""
    paths: Mapping[str, str] = {}
    renamed: Mapping[str, str] = {}

    @cached_property
    def interpreter(self) -> Interpreter:
        """The Python of the environment. It builds the binary."""
        return self.environment.interpreter()

    @property
    def interpreters(self) -> tuple[Interpreter, ...]:
        """The Pythons that the binary is for."""
        return (self.interpreter,)

    def marker(self, name: str, version: str) -> str:  # noqa: ARG002  # the signature of `Wheelhouse.marker`
        """The environment marker of a distribution: always empty, because everything is for one Python."""
        return ""

    @property
    def is_direct(self) -> bool:
        """Whether at least one distribution came from a path, a URL or Git."""
        return any(distribution.direct for distribution in self.distributions)

    def scripts(self) -> tuple[Script, ...]:
        """The scripts of all distributions."""
        return tuple(script for distribution in self.distributions for script in self._scripts_of(distribution))

    def libraries(self) -> tuple[Library, ...]:
        """The modules of all distributions."""
        return tuple(launcher.Directory(root) for root in self.environment.site_packages)

    def has_module(self, module: str) -> bool:
        """Whether the module or package of this dotted name is installed."""
        path = module.replace(".", "/")
        return any((root / path).is_dir() for root in self.environment.site_packages) or self._has_file(path)

    def has_program(self, module: str) -> bool:
        """Whether the module of this dotted name, or a package of that name with a `__main__`, is installed."""
        path = module.replace(".", "/")
        return self._has_file(path) or self._has_file(f"{path}/__main__")

    def _scripts_of(self, distribution: Distribution) -> Iterable[Script]:
        files: list[str] = []
        with contextlib.suppress(OSError):  # without a RECORD, the build reports the distribution
            paths = (path for path, _, _ in installed_files(distribution, self.environment))
            files = [path.removeprefix("bin/") for path in paths if path.startswith("bin/")]
        text = text_of(distribution.directory / "entry_points.txt")
        return entry_points.scripts_of(distribution.name, entry_points=text, files=files)

    def _has_file(self, path: str) -> bool:
        """Whether there is a module of this path, with any suffix."""
        name = Path(path).name
        return any(
            file.is_file() for root in self.environment.site_packages for file in (root / path).parent.glob(f"{name}.*")
        )


def load_finished(wanted: Selection, environment: Environment) -> Installed | None:
    """Load the result of an earlier `Installer.install` of `wanted` into `environment`; None if there was none."""
    state = install_state.read(environment)
    if state is None or state.selection != wanted.key or not environment.usable:
        return None
    return from_state(wanted, environment, state, environment.distributions())


def from_state(
    wanted: Selection, environment: Environment, state: InstallState, found: tuple[Distribution, ...]
) -> Installed:
    """The install that `state` describes. `found` are its distributions now."""
    renamed, path_digests = state.path_dependencies.renamed, state.inputs["paths"]
    aliases = {name: path_digests[known] for name, known in renamed.items() if known in path_digests}
    return Installed(
        selection=wanted,
        environment=environment,
        distributions=found,
        path_digests={**path_digests, **aliases},
        id=state.id,
        paths=state.path_dependencies.paths,
        renamed=renamed,
        seconds=state.seconds,
    )
