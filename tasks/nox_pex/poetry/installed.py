"""What Poetry installed into an environment."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from nox_pex.distributions.entry_points import entry_points
from nox_pex.distributions.environment import Distribution, Environment
from nox_pex.distributions.interpreter import Interpreter
from nox_pex.poetry.selection import Selection
from nox_pex.system import files

STATE_FILE: Final = "nox-pex.json"
"""Beside `pyvenv.cfg`: what was installed and from what. Its absence says that an install was not finished."""


class Installed(Struct, frozen=True, kw_only=True, dict=True):
    """A finished install: the environment, what is in it, and the seconds that Poetry took when it last worked.

    `path_digests` is the SHA-256 of the content of each path dependency, by name. `id` is another one each time that
    something was installed.
    """

    selection: Selection
    environment: Environment
    distributions: tuple[Distribution, ...]
    path_digests: Mapping[str, str]
    seconds: float
    id: str = ""

    @cached_property
    def interpreter(self) -> Interpreter:
        """The Python of the environment, which builds the binary."""
        return self.environment.interpreter()

    @property
    def interpreters(self) -> tuple[Interpreter, ...]:
        """The Pythons that it is for."""
        return (self.interpreter,)

    def marker(self, name: str, version: str) -> str:  # noqa: ARG002  # as for other platforms
        """The environment marker under which a distribution is installed: none, since all of it is for one Python."""
        return ""

    @property
    def is_direct(self) -> bool:
        """Whether something in it came from a path, a URL or Git."""
        return any(distribution.direct for distribution in self.distributions)

    def scripts(self) -> frozenset[str]:
        """The names of the console scripts in it."""
        return frozenset(name for distribution in self.distributions for name in entry_points(distribution))

    def has_module(self, module: str) -> bool:
        """Whether the module or package of this dotted name is in it."""
        path = module.replace(".", "/")
        return any((root / path).is_dir() for root in self.environment.site_packages) or self._has_file(path)

    def has_program(self, module: str) -> bool:
        """Whether the module of this dotted name, or a package of that name with a `__main__`, is in it."""
        path = module.replace(".", "/")
        return self._has_file(path) or self._has_file(f"{path}/__main__")

    def _has_file(self, path: str) -> bool:
        """Whether there is a module of this path, of whatever kind."""
        name = Path(path).name
        return any(
            file.is_file() for root in self.environment.site_packages for file in (root / path).parent.glob(f"{name}.*")
        )


def finished(wanted: Selection, environment: Environment) -> Installed | None:
    """What is in `environment` after an earlier `Installer.install` of `wanted`; None where there was none."""
    state = files.read_json(environment.path / STATE_FILE)
    if state.get("selection") != wanted.key:
        return None
    return from_state(wanted, environment, state, environment.distributions())


def from_state(
    wanted: Selection, environment: Environment, state: Mapping[str, Any], found: tuple[Distribution, ...]
) -> Installed:
    """An install as the state file in its environment describes it; `found` is what is in it now."""
    return Installed(
        selection=wanted,
        environment=environment,
        distributions=found,
        path_digests=state["inputs"]["paths"],
        id=state.get("id", ""),
        seconds=state["seconds"],
    )
