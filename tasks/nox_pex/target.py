"""A binary to build: where its files go, what it is made from, and the inputs that decide whether it still stands."""

from __future__ import annotations

import functools
import hashlib
import json
import sysconfig
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

import nox_pex
from nox_pex import lock, record, sources, tools
from nox_pex.config import Binary, Settings
from nox_pex.environment import Interpreter
from nox_pex.errors import NoxPexError
from nox_pex.inputs import Inputs
from nox_pex.install import Installed
from nox_pex.project import Project

if TYPE_CHECKING:
    from nox_pex.platforms.description import Platform
    from nox_pex.platforms.gathered import Gathered

_NO_INPUT: Final = ("smoke", "budget", "image", "groups", "extras", "complete-platforms")
"""Keys of a binary's table that do not change its bytes: what is checked later, and what is seen as installed, or in
the description of a target."""

_RECIPE: Final = (
    "assembly.py",
    "build.py",
    "compress.py",
    "dependencies.py",
    "graft.py",
    "metadata.py",
    "pex.py",
    "platforms/description.py",
    "platforms/gathered.py",
    "sources.py",
    "splice.py",
    "stage.py",
    "target.py",
    "wheel.py",
)
"""Our own files that decide the bytes: an input like any other."""


class Target(Struct, frozen=True, kw_only=True, dict=True):
    """A binary to build: where its files go, what it is made from.

    `name` is as in the settings, `stem` what its files are called (`service`, `service-py3.12`), `state` a private
    directory where an earlier run's inputs are remembered.
    """

    name: str
    stem: str
    binary: Binary
    settings: Settings
    project: Project
    installed: Installed | Gathered
    state: Path

    @property
    def output(self) -> Path:
        """The binary itself."""
        return self.directory / f"{self.stem}.pex"

    @property
    def record(self) -> Path:
        """Its build record."""
        return self.directory / f"{self.stem}.pex.json"

    @property
    def directory(self) -> Path:
        """`output-dir`, absolute."""
        return self.project.root / self.settings.output_dir

    @property
    def key(self) -> str:
        """The table that it comes from, for errors."""
        return f"tool.nox-pex.binary.{self.name}"

    @cached_property
    def interpreter(self) -> Interpreter:
        """The Python that builds it."""
        return self.installed.environment.interpreter()

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The targets that it is for; none where that is the Python that builds it, on this machine."""
        return self.installed.platforms if not isinstance(self.installed, Installed) else ()

    @property
    def interpreters(self) -> tuple[Interpreter, ...]:
        """The Pythons that it is for."""
        return tuple(platform.interpreter for platform in self.platforms) or (self.interpreter,)


class Taken(Struct, frozen=True, kw_only=True):
    """The project's own part: each file that is an input, with its digest, and, of loose sources, their selection."""

    digests: Mapping[str, str]
    selection: sources.Selection | None = None

    @property
    def left_out(self) -> tuple[sources.LeftOut, ...]:
        """What does not ship, though a person may expect it."""
        return self.selection.left_out if self.selection is not None else ()


def take(target: Target) -> Taken:
    """The project's own part as it is now.

    Raises `NoxPexError` `source-missing`, and `config` where a packaged project has `sources`.
    """
    project, output_dir, chosen = target.project, target.settings.output_dir, target.binary.sources
    if project.package_mode:
        if chosen.include or chosen.exclude:
            problem = f"{project.file}: {target.key}.sources is for projects with package-mode = false"
            remedy = "a packaged project ships as its wheel: write `include` and `exclude` under [tool.poetry] instead"
            raise NoxPexError("config", problem, remedy)
        listed = sources.project_files(project.root, output_dir=output_dir, extra=project.includes)
        digests = sources.digests(project.root, listed)
        if not project.is_read_whole:
            digests[project.file.name] = project.own_digest()
        return Taken(digests=digests)
    selection = sources.select(
        project.root, include=chosen.include, exclude=chosen.exclude, output_dir=output_dir, key=f"{target.key}.sources"
    )
    return Taken(digests=sources.digests(project.root, selection.taken), selection=selection)


def inputs_of(target: Target, taken: Taken, *, version: Mapping[str, str]) -> Inputs:
    """All that decides the bytes of the binary, by kind and item; `version` is what else decides its version."""
    executable = target.binary.executable
    return {
        "lock": {"poetry.lock": lock.digest(target.project.lock)},
        "settings": {**_setting_digests(target.binary), "package-mode": str(target.project.package_mode)},
        "sources": {
            **taken.digests,
            **version,
            **({executable: _executable_digest(target, executable)} if executable is not None else {}),
        },
        # The RECORD of what is installed for editing does not change with its sources.
        "distributions": _distributions(target),
        "platforms": {platform.name: platform.digest for platform in target.platforms},
        "tools": {
            "poetry": target.settings.poetry_version or tools.POETRY,
            "pex": target.settings.pex_version or tools.PEX,
            "nox-pex": nox_pex.__version__,
        },
        "recipe": {"the code of nox-pex": _recipe()},
        "python": {"python": target.interpreter.identity, "platform": sysconfig.get_platform()},
    }


def _distributions(target: Target) -> dict[str, str]:
    """What ships, by name: each version of it with the digests that stand for its content."""
    found: dict[str, str] = {}
    for d in target.installed.distributions:
        one = f"{d.version} {d.record} {target.installed.path_digests.get(d.name, '')}"
        found[d.name] = f"{found[d.name]}, {one}" if d.name in found else one
    return found


def _setting_digests(binary: Binary) -> dict[str, str]:
    """A digest for each key: not the value, since `inject-env` may hold what must not be written anywhere."""
    table = msgspec.to_builtins(binary)
    return {
        key: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
        for key, value in table.items()
        if key not in _NO_INPUT
    }


def _executable_digest(target: Target, executable: str) -> str:
    file = target.project.root / executable
    if not file.is_file():
        problem = f"{target.key}.executable names {executable}, and there is no such file in {target.project.root}"
        raise NoxPexError("source-missing", problem, "correct the path; it is taken from the project's directory")
    return record.digest(file)


@functools.cache
def _recipe() -> str:
    """A digest of our own code that decides the bytes, so that a newer nox-pex builds again where it must."""
    hasher = hashlib.sha256()
    for name in _RECIPE:
        hasher.update((Path(__file__).parent / name).read_bytes())
    return hasher.hexdigest()[:16]
