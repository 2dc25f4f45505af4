"""Run `poetry sync`, and check that it installed into our environment and nowhere else."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from msgspec import Struct

from nox_pex.distributions.environment import Environment
from nox_pex.errors import NoxPexError
from nox_pex.poetry.cli import installed_by, poetry_environ, sync_argv
from nox_pex.poetry.failures import failure
from nox_pex.poetry.selection import Selection
from nox_pex.project.pyproject import Project
from nox_pex.tools import pinned
from nox_pex.tools.provision import Provisioner


class Sync(Struct, frozen=True, kw_only=True):
    """Poetry's own install of `project`. `poetry_version` is another Poetry than the pinned one, if not None."""

    project: Project
    provisioner: Provisioner
    poetry_version: str | None

    def run(self, wanted: Selection, environment: Environment, *, held: int, one_at_a_time: bool = False) -> None:
        """Let Poetry install exactly `wanted` into `environment`.

        `held` is the descriptor of a lock that Poetry inherits, so that the lock outlives this process if it is killed.
        `one_at_a_time` turns Poetry's parallel installer off. Raises `NoxPexError` with the code of what Poetry met;
        `install-failed` also if Poetry installed elsewhere.
        """
        shell = self.provisioner.shell
        poetry = pinned.provide_poetry(self.provisioner, self.poetry_version)
        if not one_at_a_time:
            shell.say(f"install: Poetry {poetry.version} installs from the lock ({wanted})")
        with _empty_directory(environment.path.with_name(f".{environment.path.name}.poetry")) as aside:
            nowhere = aside / "environments"
            nowhere.mkdir()
            environ = poetry_environ(
                shell.environ, poetry=poetry, environment=environment, environments=nowhere, project=self.project.root
            )
            if one_at_a_time:
                environ["POETRY_INSTALLER_PARALLEL"] = "false"
            argv = sync_argv(poetry, wanted, self.project)
            run = partial(shell.run, argv, what="install: Poetry", cwd=self.project.root, hold=(held,))
            outcome = run(env=environ)
            if outcome.status != 0 and failure(outcome, self.project).code == "hash-mismatch":
                # A damaged download stays in Poetry's cache, whatever flags it is given: only the index can tell.
                shell.say("install: a file has another hash than the lock says; asking the index for it again")
                outcome = run(env={**environ, "POETRY_CACHE_DIR": str(aside / "cache")})
            elsewhere = sorted(path.name for path in nowhere.iterdir() if path.is_dir())
        if outcome.status != 0:
            raise failure(outcome, self.project)
        missing = sorted(installed_by(outcome) - {d.name for d in environment.distributions()})
        if elsewhere or missing:
            what = f"made an environment of its own, {elsewhere[0]}," if elsewhere else f"put {missing[0]} elsewhere"
            problem = f"Poetry {what} instead of using {environment.path}"
            raise NoxPexError("install-failed", problem, "run it again with --verbose, and report it", log=outcome.tail)


@contextlib.contextmanager
def _empty_directory(directory: Path) -> Iterator[Path]:
    """An empty directory while the block runs; what a killed run left there is removed first."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
