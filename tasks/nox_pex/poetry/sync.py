"""Run `poetry sync`, and check that it installed into the given environment only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from msgspec import Struct

from nox_pex.distributions.environment import Environment
from nox_pex.errors import NoxPexError
from nox_pex.poetry import direct_urls, file_urls, git_failures, lock, origins
from nox_pex.poetry.cli import installed_by, poetry_environ, sync_argv
from nox_pex.poetry.failures import failure
from nox_pex.poetry.install_progress import InstallProgress
from nox_pex.poetry.install_report import Report
from nox_pex.poetry.selection import Selection
from nox_pex.project.pyproject import Project
from nox_pex.system import files
from nox_pex.system.command import Outcome
from nox_pex.tools import pinned
from nox_pex.tools.provision import Provisioner

_SCRIPT: Final = Path(__file__).with_name("install_script.py")


class Sync(Struct, frozen=True, kw_only=True):
    """Installs of `project` with Poetry. `poetry_version` replaces the pinned version if it is not None."""

    project: Project
    provisioner: Provisioner
    poetry_version: str | None

    def run(
        self,
        wanted: Selection,
        environment: Environment,
        *,
        lock_fd: int,
        one_at_a_time: bool = False,
        installed: Callable[[str, str], None] | None = None,
    ) -> None:
        """Make Poetry install exactly `wanted` into `environment`.

        `lock_fd` is the descriptor of a lock that Poetry inherits, so that the lock is held until Poetry ends even if
        this process is killed. `one_at_a_time` turns Poetry's parallel installer off. `installed` is called while
        Poetry works, as for `Report.watched`. Raises `NoxPexError` with the code of Poetry's error, or `install-failed`
        if Poetry installed into another environment.
        """
        shell = self.provisioner.shell
        poetry = pinned.provide_poetry(self.provisioner, self.poetry_version)
        if not one_at_a_time:
            shell.say(f"install: Poetry {poetry.version} installs from the lock ({wanted})")
        with _empty_directory(scratch_of(environment)) as scratch:
            environments = scratch / "environments"
            environments.mkdir()
            environ = poetry_environ(
                shell.environ,
                environment=environment,
                environments=environments,
                project=self.project.root,
            )
            if one_at_a_time:
                environ["POETRY_INSTALLER_PARALLEL"] = "false"
            report = Report(path=scratch / "report.jsonl")
            argv = sync_argv(poetry, wanted, self.project, script=(str(_SCRIPT), str(report.path)))
            run = partial(shell.run, what="install: Poetry", cwd=self.project.root, hold=(lock_fd,))
            with report.watched(installed):
                outcome = run(argv, env=environ, watch=InstallProgress())
            if outcome.status != 0 and git_failures.hides_reason(outcome.output):
                outcome = run([*argv, "-v"], env=environ)
            if outcome.status != 0 and failure(outcome, self.project).code == "hash-mismatch":
                # Poetry keeps a damaged download in its cache, and no flag skips that. So use an empty cache.
                shell.say("install: a file has another hash than the lock says; downloading it again")
                own_cache = {**environ, "POETRY_CACHE_DIR": str(scratch / "cache")}
                outcome = run(argv, env=own_cache, watch=InstallProgress())
            origins.add(environment, report.origins())
            if addresses := report.addresses():
                known = file_urls.KnownUrls(project=self.project, provisioner=self.provisioner)
                known.add(addresses, lock.read(self.project.lock))
            others = sorted(path.name for path in environments.iterdir() if path.is_dir())
        if outcome.status != 0:
            raise failure(outcome, self.project)
        missing = sorted(self._missing(outcome, environment))
        if others or missing:
            what = f"created the environment {others[0]}" if others else f"installed {missing[0]} elsewhere"
            problem = f"Poetry {what} instead of using {environment.path}"
            raise NoxPexError("install-failed", problem, "run it again with --verbose, and report it", log=outcome.tail)

    def _missing(self, outcome: Outcome, environment: Environment) -> set[str]:
        """The locked packages that Poetry says it installed, and that are not in `environment`, by any name."""
        missing = installed_by(outcome) - {distribution.name for distribution in environment.distributions()}
        return direct_urls.complete(environment, lock.read(self.project.lock), missing) if missing else missing


def scratch_of(environment: Environment) -> Path:
    """Return the directory for Poetry's temporary files during an install into `environment`."""
    return environment.path.with_name(f".{environment.path.name}.poetry")


@contextlib.contextmanager
def _empty_directory(directory: Path) -> Iterator[Path]:
    """Create `directory`, empty, and remove it after the block. What a killed run left there is removed first."""
    files.remove(directory)
    directory.mkdir()
    try:
        yield directory
    finally:
        files.remove(directory)
