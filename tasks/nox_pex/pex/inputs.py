"""Everything that decides the bytes of a binary, as inputs that are compared from build to build."""

from __future__ import annotations

import hashlib
import json
import sysconfig
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from nox_pex.distributions import pex_file
from nox_pex.errors import NoxPexError
from nox_pex.pex import scies
from nox_pex.pex.target import Contents, Target, platforms_of
from nox_pex.poetry import lock
from nox_pex.project import sources
from nox_pex.settings.model import Binary
from nox_pex.settings.pex_args import without_scie_options
from nox_pex.system import recipe
from nox_pex.system.fingerprint import Inputs
from nox_pex.system.lazy import lazy
from nox_pex.tools import pinned
from nox_pex.version import __version__

if TYPE_CHECKING:
    from nox_pex.project import build_backend
else:
    build_backend = lazy("nox_pex.project.build_backend")  # only needed for a project that is a package

_CHECKED_LATER: Final = ("smoke", "budget", "image")
"""Keys of a binary's table that do not change its bytes."""


_OTHER_INPUTS: Final = ("groups", "extras", "complete-platforms", "scie")
"""Keys of a binary's table whose effect is an input: the installed distributions, the platforms, the scies."""


class ProjectFiles(Struct, frozen=True, kw_only=True):
    """The files of the project's part that are inputs.

    `digests` are their digests, by path from the project's directory. `placed` are those that nox-pex itself puts into
    the binary, loose or in the project's wheel: the path there, and the path in the project. `selection` says how the
    loose sources were chosen; None for a packaged project.
    """

    digests: Mapping[str, str]
    placed: Mapping[str, str] = {}
    selection: sources.SourceSelection | None = None


def collect_project_files(target: Target) -> ProjectFiles:
    """Return the files of the project's part as they are now.

    Raises `NoxPexError`: `git`, `source-missing`, `config`.
    """
    project, output_dir, chosen = target.project, target.settings.output_dir, target.table.sources
    key = f"{target.key}.sources"
    if project.package_mode:
        listed = sources.project_files(project.root, output_dir=output_dir, extra=project.includes)
        below = package_root(target)
        added = sources.additions(project.root, chosen=chosen, output_dir=output_dir, below=below, key=key)
        digests = build_backend.file_digests(project, listed) | sources.digests(project.root, added.values())
        return ProjectFiles(digests=digests, placed=added)
    selection = sources.select(project.root, chosen=chosen, output_dir=output_dir, key=key)
    digests = sources.digests(project.root, selection.files.values())
    return ProjectFiles(digests=digests, placed=selection.files, selection=selection)


def package_root(target: Target) -> str:
    """Return the directory, from the project's, whose content is at the top of the wheel of a packaged project."""
    chosen = target.table.sources
    return chosen.below if chosen.root is not None else target.project.package_root


def inputs_of(target: Target, installed: Contents, files: ProjectFiles, *, version: Mapping[str, str]) -> Inputs:
    """Return the inputs of the binary, by kind and item.

    `version` are the inputs of its version that are no files: the commit, environment variables.
    """
    executable = target.table.executable
    return {
        **of_environment(target, installed),
        "settings": {**_setting_digests(target.table), "package-mode": str(target.project.package_mode)},
        "sources": {
            **files.digests,
            **version,
            **({executable: _executable_digest(target, executable)} if executable is not None else {}),
        },
        "recipe": {"the code of nox-pex": recipe.digest()},
        **scies.inputs_of(target),
    }


def of_environment(target: Target, installed: Contents) -> Inputs:
    """Return the inputs that are not the project's own: the lock, what is installed from it, the tools, the Python."""
    return {
        "lock": {"poetry.lock": lock.digest(target.project.lock)},
        # `path_digests` are among them: the RECORD of an editable install does not change with its sources.
        "distributions": _distributions(installed),
        "platforms": {platform.name: platform.digest for platform in platforms_of(installed)},
        "tools": {
            "poetry": target.settings.poetry_version or pinned.POETRY,
            "pex": target.pex_version,
            "nox-pex": __version__,
        },
        "python": {"python": installed.interpreter.identity, "platform": sysconfig.get_platform()},
    }


def _distributions(installed: Contents) -> dict[str, str]:
    """The installed distributions by name: their versions, each with the digests of its content."""
    found: dict[str, str] = {}
    for d in installed.distributions:
        version = f"{d.version} {d.record} {installed.path_digests.get(d.name, '')}"
        found[d.name] = f"{found[d.name]}, {version}" if d.name in found else version
    return found


def _setting_digests(binary: Binary) -> dict[str, str]:
    """A digest for each key, and not the value, because `inject-env` may contain a secret."""
    of_pex = msgspec.structs.replace(binary, pex_args=without_scie_options(binary.pex_args))
    table = msgspec.to_builtins(of_pex)
    return {
        key: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
        for key, value in table.items()
        if key not in (*_CHECKED_LATER, *_OTHER_INPUTS)
    }


def _executable_digest(target: Target, executable: str) -> str:
    file = target.project.root / executable
    if not file.is_file():
        problem = f"{target.key}.executable names {executable}, and there is no such file in {target.project.root}"
        raise NoxPexError("source-missing", problem, "correct the path, which is relative to the project's directory")
    return pex_file.digest(file)
