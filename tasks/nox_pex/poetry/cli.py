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
from nox_pex.tools import index
from nox_pex.tools.pinned import Poetry


def sync_argv(
    poetry: Poetry, wanted: Selection, project: Project, *, program: Sequence[str] = ("-m", "poetry")
) -> list[str]:
    """Poetry's command line: install exactly `wanted`, remove all else, and leave the project itself out.

    `program` is what its Python runs. Isolated (`-I`), since Python would take a `build.py` in the project's directory
    for the package `build`.
    """
    command = ["install", "--sync"] if poetry.version.startswith("1.") else ["sync"]
    argv = [str(poetry.python), "-I", *program, *command, "--no-root"]
    # A project that depends on nothing has no group `main` for Poetry.
    if groups := [group for group in wanted.groups if group != MAIN or project.has_main]:
        argv += ["--only", ",".join(groups)]
    elif others := sorted(project.groups - {MAIN}):
        argv += ["--without", ",".join(others)]
    for extra in wanted.extras:
        argv += ["--extras", extra]
    return [*argv, "--no-interaction", "--no-ansi"]


def poetry_environ(
    environ: Mapping[str, str], *, poetry: Poetry, environment: Environment, environments: Path, project: Path
) -> dict[str, str]:
    """The environment variables under which Poetry installs into `environment` and nowhere else.

    Poetry prefers an environment that `poetry env use` chose, and one in the project, to `VIRTUAL_ENV`; with
    `virtualenvs.create` off it may even take the base interpreter. So each of these is set, and `environments` is an empty
    directory in which it would have to make any other environment.
    """
    base = tool_environ(environ)
    return {
        **base,
        **index.poetry_environ(base, prefix=Path(sys.prefix), project=project, default=poetry.default_index),
        "VIRTUAL_ENV": str(environment.path),
        "POETRY_VIRTUALENVS_PATH": str(environments),
        "POETRY_VIRTUALENVS_IN_PROJECT": "false",
        "POETRY_VIRTUALENVS_CREATE": "true",
        # The plugin would write the version into pyproject.toml while Poetry installs, for which nobody asks for it.
        "POETRY_DYNAMIC_VERSIONING_COMMANDS": "",
        **UTF_8,
    }


_OPERATION: Final = re.compile(r"^\s*- (?:Installing|Updating|Downgrading) (?P<name>[A-Za-z0-9][A-Za-z0-9._-]*) ")


def after_plugins(output: str) -> list[str]:
    """The lines of Poetry's output on the lock: before them it may have installed plugins that the project requires."""
    return output.rpartition("Installing dependencies from lock file")[2].splitlines()


def installed_by(outcome: Outcome) -> set[str]:
    """What Poetry says that it installed from the lock, by normalized name."""
    matches = (_OPERATION.match(line) for line in after_plugins(outcome.output) if "Skipped" not in line)
    return {canonicalize_name(match["name"]) for match in matches if match}
