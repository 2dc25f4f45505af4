"""The inputs that decide whether a binary is still what its settings, lock and sources say."""

from __future__ import annotations

import hashlib
import json
import sysconfig
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from nox_pex.build.target import Contents, Target, platforms_of
from nox_pex.distributions import pex_file
from nox_pex.errors import NoxPexError
from nox_pex.poetry import lock
from nox_pex.project import sources
from nox_pex.project.left_out import LeftOut
from nox_pex.settings.model import Binary
from nox_pex.system import recipe
from nox_pex.system.fingerprint import Inputs
from nox_pex.tools import pinned
from nox_pex.version import __version__

_NO_INPUT: Final = ("smoke", "budget", "image", "groups", "extras", "complete-platforms")
"""Keys of a binary's table that do not change its bytes: what is checked later, and what is seen as installed, or in
the description of a target."""


class ProjectFiles(Struct, frozen=True, kw_only=True):
    """The project's own part: each file that is an input, with its digest, and, of loose sources, their selection."""

    digests: Mapping[str, str]
    selection: sources.SourceSelection | None = None

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What does not ship, though a person may expect it."""
        return self.selection.left_out if self.selection is not None else ()


def collect(target: Target) -> ProjectFiles:
    """The project's own part as it is now.

    Raises `NoxPexError` `source-missing`, and `config` where a packaged project has `sources`.
    """
    project, output_dir, chosen = target.project, target.settings.output_dir, target.table.sources
    if project.package_mode:
        if chosen.include or chosen.exclude:
            problem = f"{project.file}: {target.key}.sources is for projects with package-mode = false"
            remedy = "a packaged project ships as its wheel: write `include` and `exclude` under [tool.poetry] instead"
            raise NoxPexError("config", problem, remedy)
        listed = sources.project_files(project.root, output_dir=output_dir, extra=project.includes)
        digests = sources.digests(project.root, listed)
        if not project.build_may_ship_pyproject:
            digests[project.file.name] = project.digest_without_settings()
        return ProjectFiles(digests=digests)
    selection = sources.select(
        project.root, include=chosen.include, exclude=chosen.exclude, output_dir=output_dir, key=f"{target.key}.sources"
    )
    return ProjectFiles(digests=sources.digests(project.root, selection.files), selection=selection)


def inputs_of(target: Target, installed: Contents, taken: ProjectFiles, *, version: Mapping[str, str]) -> Inputs:
    """All that decides the bytes of the binary, by kind and item; `version` is what else decides its version."""
    executable = target.table.executable
    return {
        "lock": {"poetry.lock": lock.digest(target.project.lock)},
        "settings": {**_setting_digests(target.table), "package-mode": str(target.project.package_mode)},
        "sources": {
            **taken.digests,
            **version,
            **({executable: _executable_digest(target, executable)} if executable is not None else {}),
        },
        # The RECORD of what is installed for editing does not change with its sources.
        "distributions": _distributions(installed),
        "platforms": {platform.name: platform.digest for platform in platforms_of(installed)},
        "tools": {
            "poetry": target.settings.poetry_version or pinned.POETRY,
            "pex": target.settings.pex_version or pinned.PEX,
            "nox-pex": __version__,
        },
        "recipe": {"the code of nox-pex": recipe.digest()},
        "python": {"python": installed.interpreter.identity, "platform": sysconfig.get_platform()},
    }


def _distributions(installed: Contents) -> dict[str, str]:
    """What ships, by name: each version of it with the digests that stand for its content."""
    found: dict[str, str] = {}
    for d in installed.distributions:
        one = f"{d.version} {d.record} {installed.path_digests.get(d.name, '')}"
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
    return pex_file.digest(file)
