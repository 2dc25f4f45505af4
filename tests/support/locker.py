"""Lock a project with the real Poetry."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from nox_pex.poetry.cli import poetry_argv
from nox_pex.system import command, secrets
from nox_pex.tools import cache, index, pinned, provision
from tests.support.commands import run
from tests.support.nox_project import Project


class Locker(Struct, frozen=True, kw_only=True):
    """Runs `poetry lock`, or Poetry with other arguments: the pinned version, or `poetry_version`."""

    environ: dict[str, str]
    poetry_version: str | None = None

    def __call__(self, project: Project, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        environ = {**self.environ, **project.environ, **(env or {})}
        shell = command.Shell(environ=environ, secrets=secrets.Secrets(), say=lambda _: None)
        provisioner = provision.Provisioner(shell=shell, caches=cache.Caches.of(environ), uv=provision.find_uv(environ))
        poetry = pinned.provide_poetry(provisioner, self.poetry_version)
        mirror = index.poetry_index_environ(environ, prefix=Path(sys.prefix), project=project.root)
        # Poetry would create an environment to lock a project, though it installs nothing into it.
        none = {"POETRY_VIRTUALENVS_CREATE": "false", "PATH": environ["PATH"]}
        result = run(
            poetry_argv(poetry, *(arguments or ("lock",)), "--no-interaction", "--no-ansi"),
            cwd=project.root,
            env={**environ, **mirror, **none},
        )
        assert result.status == 0, result.output
