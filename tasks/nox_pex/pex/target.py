"""One binary of a project: the value that every step, from the build to the image, works on."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from nox_pex.poetry.installed import Installed
from nox_pex.poetry.selection import Selection, selection
from nox_pex.project.pyproject import Project
from nox_pex.settings.model import Binary, Settings
from nox_pex.settings.parse import binary_key
from nox_pex.system.lazy import lazy
from nox_pex.tools import pinned

if TYPE_CHECKING:
    from nox_pex.platforms import platform
    from nox_pex.platforms.platform import Platform
    from nox_pex.platforms.wheelhouse import Wheelhouse
else:
    platform = lazy("nox_pex.platforms.platform")  # only needed for `complete-platforms`

Contents: TypeAlias = "Installed | Wheelhouse"
"""The distributions for a binary: an environment that Poetry installed into, or wheels for other platforms."""


def platforms_of(installed: Contents) -> tuple[Platform, ...]:
    """Return the `complete-platforms` that `installed` is for; empty if it is for the Python of its environment."""
    return () if isinstance(installed, Installed) else installed.platforms


class Target(Struct, frozen=True, kw_only=True, dict=True):
    """One binary: its table in the settings, and the paths of its files.

    `name` is the name of the table. `suffix` follows it in every file name (`-py3.12`, or empty). `state` is a private
    directory that survives from run to run. `prebuilt` is the finished file or directory that the user names with
    `--binary`, absolute; None if the binary is the one that nox-pex builds.
    """

    name: str
    suffix: str
    project: Project
    settings: Settings
    state: Path
    prebuilt: Path | None = None

    @property
    def stem(self) -> str:
        """The beginning of every file name: `service`, `service-py3.12`."""
        return f"{self.name}{self.suffix}"

    @property
    def table(self) -> Binary:
        """Its table in the settings."""
        return self.settings.binary[self.name]

    @property
    def key(self) -> str:
        """The dotted name of that table, for errors."""
        return binary_key(self.name)

    @property
    def pex_version(self) -> str:
        """The version of the pex that builds it: the one in the settings, or the pinned one."""
        return self.settings.pex_version or pinned.PEX

    @property
    def directory(self) -> Path:
        """`output-dir`, absolute."""
        return self.project.root / self.settings.output_dir

    def file(self, ending: str) -> Path:
        """A file of this binary in `output-dir`, absolute: `dist/service.smoke.json` for `smoke.json`."""
        return self.directory / f"{self.stem}.{ending}"

    @property
    def output(self) -> Path:
        """The path that nox-pex builds the binary at."""
        return self.file("pex")

    @property
    def record(self) -> Path:
        """The build record next to it."""
        return self.file("pex.json")

    @property
    def build_prefix(self) -> Path:
        """The beginning of the paths of the build's temporary directories: `dist/.service.pex.`, absolute."""
        return self.directory / f".{self.output.name}."

    def state_file(self, ending: str) -> Path:
        """A file of this binary in `state`: `service.lock` for `lock`."""
        return self.state / f"{self.stem}.{ending}"

    @property
    def binary(self) -> Path:
        """The file, or directory, to launch and to check: `prebuilt`, or else `output`."""
        return self.prebuilt or self.output

    @cached_property
    def selection(self) -> Selection:
        """The groups and extras that it needs. Raises `NoxPexError`: `poetry-missing-group`, `config`."""
        return selection(self.settings, self.table, self.project)

    @cached_property
    def platforms(self) -> tuple[Platform, ...]:
        """Its `complete-platforms`; empty if it is for the Python that builds it.

        Raises `NoxPexError`: `config`, `source-missing`.
        """
        if not self.table.complete_platforms:
            return ()
        return platform.read(self.project.root, self.table.complete_platforms, key=f"{self.key}.complete-platforms")
