"""Poetry's command line and environment variables."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from nox_pex.distributions.environment import Environment
from nox_pex.poetry.selection import Selection
from nox_pex.project.pyproject import MAIN, Project
from nox_pex.system.command import Outcome
from nox_pex.system.environ import UTF_8, tool_environ
from nox_pex.tools import index, keyring
from nox_pex.tools.pinned import Poetry

_LAUNCHER: Final = Path(__file__).with_name("launch_script.py")


def poetry_argv(poetry: Poetry, *arguments: str) -> list[str]:
    """Return the command line of Poetry with `arguments`, of which the first one may be a script that uses Poetry.

    Python runs isolated (`-I`); otherwise it would import a `build.py` in the project's directory instead of the
    package `build`.
    """
    return [str(poetry.python), "-I", str(_LAUNCHER), *arguments]


def sync_argv(poetry: Poetry, wanted: Selection, project: Project, *, script: Sequence[str] = ()) -> list[str]:
    """Return Poetry's command line that installs exactly `wanted`, without the project itself, and removes the rest.

    `script` is a script that runs Poetry, and its first arguments.
    """
    command = ["install", "--sync"] if poetry.version.startswith("1.") else ["sync"]
    argv = poetry_argv(poetry, *script, *command, "--no-root")
    # To Poetry, a project without dependencies has no group `main`.
    if groups := [group for group in wanted.groups if group != MAIN or project.has_main_group]:
        argv += ["--only", ",".join(groups)]
    elif others := sorted(project.groups - {MAIN}):
        argv += ["--without", ",".join(others)]
    for extra in wanted.extras:
        argv += ["--extras", extra]
    return [*argv, "--no-interaction", "--no-ansi"]


def poetry_environ(
    environ: Mapping[str, str], *, environment: Environment, environments: Path, project: Path
) -> dict[str, str]:
    """Return the environment variables that make Poetry install into `environment` only.

    Poetry prefers the environment that `poetry env use` chose, or one in the project, to `VIRTUAL_ENV`. With
    `virtualenvs.create` off, it may even use the base interpreter. So all of these are set. `environments` is an empty
    directory: Poetry would create any other environment there.
    """
    base = tool_environ(environ)
    return {
        # Even to read no password, keyring imports its backends, and one of them runs the C compiler.
        **({} if keyring.may_exist(base, project=project) else {"POETRY_KEYRING_ENABLED": "false"}),
        **base,
        **index.poetry_index_environ(base, prefix=Path(sys.prefix), project=project),
        "VIRTUAL_ENV": str(environment.path),
        "POETRY_VIRTUALENVS_PATH": str(environments),
        "POETRY_VIRTUALENVS_IN_PROJECT": "false",
        "POETRY_VIRTUALENVS_CREATE": "true",
        # Poetry removes the same files itself as pip would for it, and pip takes a second to start.
        "POETRY_INSTALLER_BUILTIN_UNINSTALL": "true",
        # The plugin would write the version into pyproject.toml during an install, which does not need it.
        "POETRY_DYNAMIC_VERSIONING_COMMANDS": "",
        **UTF_8,
    }


_OPERATION: Final = re.compile(r"^\s*- (?:Installing|Updating|Downgrading) (?P<name>[A-Za-z0-9][A-Za-z0-9._-]*) ")


def after_plugins(output: str) -> list[str]:
    """The lines of Poetry's output about the lock. Before them, it may install plugins that the project requires."""
    return output.rpartition("Installing dependencies from lock file")[2].splitlines()


def installed_by(outcome: Outcome) -> set[str]:
    """The normalized names of the distributions that Poetry says it installed from the lock."""
    matches = (_OPERATION.match(line) for line in after_plugins(outcome.output) if "Skipped" not in line)
    return {canonicalize_name(match["name"]) for match in matches if match}
