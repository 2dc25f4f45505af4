"""Build the project's own wheel with its build backend (PEP 517)."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyproject_hooks

from nox_pex.distributions.environment import Environment
from nox_pex.distributions.interpreter import Interpreter
from nox_pex.distributions.wheel import clean
from nox_pex.errors import NoxPexError
from nox_pex.project.pyproject import Project
from nox_pex.system import environ
from nox_pex.system.command import Shell
from nox_pex.system.environ import UTF_8, tool_environ
from nox_pex.tools.pinned import provide_backend
from nox_pex.tools.provision import Provisioner


def build_wheel(project: Project, *, into: Path, interpreter: Interpreter, provisioner: Provisioner) -> Path:
    """Build the project's wheel into the directory `into`; returns its path.

    The backend runs in an environment that has what `[build-system]` requires and no more, on the binary's own Python.
    Raises `NoxPexError` `build-failed` with the backend's output where it fails.
    """
    shell = provisioner.shell
    with tempfile.TemporaryDirectory(prefix=".aside.", dir=into) as aside:
        environment = provide_backend(provisioner, project.build_requires, interpreter=interpreter)
        runner = _Runner(shell, environment, aside=Path(aside))
        try:
            if extra := sorted(set(_hooks(project, environment, runner).get_requires_for_build_wheel())):
                environment = provide_backend(provisioner, [*project.build_requires, *extra], interpreter=interpreter)
                runner = _Runner(shell, environment, aside=Path(aside))
            with _untouched(project.file):
                built = into / _hooks(project, environment, runner).build_wheel(str(into))
        except (*_HOOK_FAILURES, subprocess.CalledProcessError, ValueError) as error:
            said = next(filter(_SAYS_WHY.search, runner.tail), runner.tail[-1] if runner.tail else str(error))
            problem = f"the build backend of {project.root} failed: {said.strip()}"
            remedy = "make `poetry build` succeed there"
            if project.is_built_by_poetry:
                remedy += ", or, if it is no package, set tool.poetry.package-mode = false"
            raise NoxPexError("build-failed", problem, remedy, log=runner.tail) from error
    clean(built)
    return built


_HOOK_FAILURES: Final = (
    pyproject_hooks.BackendUnavailable,
    pyproject_hooks.HookMissing,
    pyproject_hooks.UnsupportedOperation,
)


_SETUPTOOLS: Final = "[build]\nbuild_base = {aside}/build\n\n[egg_info]\negg_base = {aside}/egg\n"


_SAYS_WHY: Final = re.compile(r"(?:^|\s)error(?:\[\w+\])?: ")
"""How compilers begin the line that matters; what stands below it is that their callers failed too."""


@contextlib.contextmanager
def _untouched(file: Path) -> Iterator[None]:
    """Put a TOML file back as it was, where it says the same after the block in other bytes.

    poetry-dynamic-versioning writes the version into it, and takes it out again with blank lines of its own.
    """
    if not file.exists():
        yield
        return
    before = file.read_bytes()
    try:
        yield
    finally:
        after = file.read_bytes()
        with contextlib.suppress(UnicodeDecodeError, tomllib.TOMLDecodeError):
            if after != before and tomllib.loads(after.decode("utf-8")) == tomllib.loads(before.decode("utf-8")):
                file.write_bytes(before)


def _hooks(project: Project, environment: Environment, runner: _Runner) -> pyproject_hooks.BuildBackendHookCaller:
    # Without the table Poetry takes its own backend; with one that names none, the standard has setuptools.
    table: Mapping[str, Any] | None = project.document.get("build-system")
    default = "poetry.core.masonry.api" if table is None else "setuptools.build_meta:__legacy__"
    return pyproject_hooks.BuildBackendHookCaller(
        str(project.root),
        (table or {}).get("build-backend", default),
        backend_path=(table or {}).get("backend-path"),
        python_executable=str(environment.python),
        runner=runner,
    )


class _Runner:
    """Runs the backend's hooks through our one door; `tail` is the end of the last one's output.

    setuptools works in the directory `aside`: in the project's own it would leave `build/` and an `.egg-info` there,
    and would ship again from `build/` what was removed since.
    """

    def __init__(self, shell: Shell, environment: Environment, *, aside: Path) -> None:
        (aside / "egg").mkdir(exist_ok=True)
        (aside / "setup.cfg").write_text(_SETUPTOOLS.format(aside=aside), "utf-8")
        self._aside = aside
        self.tail: tuple[str, ...] = ()
        self._shell = shell
        self._environment = environment

    def __call__(
        self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        base = tool_environ(self._shell.environ)
        path = os.pathsep.join([str(self._environment.python.parent), base.get("PATH", os.defpath)])
        base.setdefault("DIST_EXTRA_CONFIG", str(self._aside / "setup.cfg"))
        fixed = {"PATH": path, "SOURCE_DATE_EPOCH": environ.EPOCH, **UTF_8}
        env = {**base, **fixed, **(extra_environ or {})}
        outcome = self._shell.run(cmd, what="pex: build backend", env=env, cwd=Path(cwd) if cwd else None)
        self.tail = outcome.tail
        if outcome.status != 0:
            raise subprocess.CalledProcessError(outcome.status, list(cmd), outcome.output)
