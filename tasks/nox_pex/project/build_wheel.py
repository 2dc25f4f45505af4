"""Build the project's own wheel with its build backend (PEP 517)."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyproject_hooks

from nox_pex.distributions.environment import Environment
from nox_pex.distributions.interpreter import Interpreter
from nox_pex.distributions.wheel import clean
from nox_pex.errors import NoxPexError
from nox_pex.project import compilers, outside
from nox_pex.project.pyproject import Project
from nox_pex.system import environ, files, plain_paths
from nox_pex.system.command import Shell
from nox_pex.system.environ import UTF_8, tool_environ
from nox_pex.tools.pinned import provide_backend
from nox_pex.tools.provision import Provisioner


def build_wheel(project: Project, *, into: Path, interpreter: Interpreter, provisioner: Provisioner) -> Path:
    """Build the project's wheel into the directory `into`, and return its path.

    If `packages` lead out of the project's directory, the backend builds a copy of the project that contains them.
    The backend runs on the Python `interpreter`, in an environment that contains only what `[build-system]` requires.
    Raises `NoxPexError`: `build-failed` with the backend's output if the build fails, `tool-install` or an error of the
    index if the backend cannot be installed.
    """
    shell = provisioner.shell
    original = project
    with _scratch(into) as scratch:
        if outside.packages(project):
            project = outside.copy_inside(project, scratch / "copy")
        environment = provide_backend(provisioner, project.build_requires, interpreter=interpreter)
        runner = _Runner(shell, environment, root=project.root, scratch=scratch)
        try:
            if extra := sorted(set(_hooks(project, environment, runner).get_requires_for_build_wheel())):
                environment = provide_backend(provisioner, [*project.build_requires, *extra], interpreter=interpreter)
                runner = _Runner(shell, environment, root=project.root, scratch=scratch)
            with _preserved(project.file):
                built = into / _hooks(project, environment, runner).build_wheel(str(into))
        except (*_HOOK_FAILURES, subprocess.CalledProcessError, ValueError) as error:
            reason = next(filter(_ERROR_LINE.search, runner.tail), runner.tail[-1] if runner.tail else str(error))
            problem = f"the build backend of {original.root} failed: {reason.strip()}"
            remedy = "make `poetry build` succeed there"
            if project.is_built_by_poetry:
                remedy += ", or, if it is not a package, set tool.poetry.package-mode = false"
            raise NoxPexError("build-failed", problem, remedy, log=runner.tail) from error
    clean(built)
    return built


_HOOK_FAILURES: Final = (
    pyproject_hooks.BackendUnavailable,
    pyproject_hooks.HookMissing,
    pyproject_hooks.UnsupportedOperation,
)


_SETUP_CFG: Final = "[build]\nbuild_base = {scratch}/build\n\n[egg_info]\negg_base = {scratch}/egg\n"


_ERROR_LINE: Final = re.compile(r"(?:^|\s)error(?:\[\w+\])?: ")
"""Matches the line of a compiler's output that names the error. The lines below it say that its callers failed."""


@contextlib.contextmanager
def _scratch(into: Path) -> Iterator[Path]:
    """Yield a temporary directory with a plain path, in `into` if the path of that is plain.

    A `:` would divide PATH, and the end of a line would end a value in a setup.cfg.
    """
    if not plain_paths.is_plain(into):
        with plain_paths.plain_directory() as directory:
            yield directory
        return
    with files.temporary_directory(prefix=".scratch.", parent=into) as scratch:
        yield scratch


@contextlib.contextmanager
def _preserved(file: Path) -> Iterator[None]:
    """Restore the bytes of a TOML file after the block, if its content is the same in another layout.

    poetry-dynamic-versioning writes the version into it, and leaves other blank lines when it removes it again.
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
    table: Mapping[str, Any] = project.document.get("build-system", {})
    return pyproject_hooks.BuildBackendHookCaller(
        str(project.root),
        project.build_backend,
        backend_path=table.get("backend-path"),
        python_executable=str(environment.python),
        runner=runner,
    )


class _Runner:
    """Runs the backend's hooks through `shell`. `tail` is the end of the output of the last hook.

    setuptools works in the directory `scratch`. In the project's directory it would leave `build/` and an `.egg-info`,
    and the next build would ship files from `build/` that were removed from the sources. A path of the environment with
    a `:`, which divides PATH, is reached through a link in `scratch`. Compilers write no path of this machine into an
    extension, so that it is the same from any directory.
    """

    def __init__(self, shell: Shell, environment: Environment, *, root: Path, scratch: Path) -> None:
        (scratch / "egg").mkdir(exist_ok=True)
        self._programs = environment.python.parent
        if os.pathsep in str(self._programs):
            link = scratch / environment.path.name
            link.unlink(missing_ok=True)
            link.symlink_to(environment.path)
            self._programs = link / self._programs.name
        (scratch / "setup.cfg").write_text(_SETUP_CFG.format(scratch=scratch), "utf-8")
        base = tool_environ(shell.environ)
        # The last one that fits counts, and the others may be inside the project.
        hidden = {".": root, "environment": environment.path, "build": scratch}
        self._compilers = {
            "CPPFLAGS": compilers.preprocessor_flags(hidden, given=base.get("CPPFLAGS", "")),
            **compilers.linkers(environment.python, cwd=scratch, environ=base),
        }
        self._scratch = scratch
        self.tail: tuple[str, ...] = ()
        self._shell = shell

    def __call__(
        self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        base = tool_environ(self._shell.environ)
        path = os.pathsep.join([str(self._programs), base.get("PATH", os.defpath)])
        base.setdefault("DIST_EXTRA_CONFIG", str(self._scratch / "setup.cfg"))
        fixed = {"PATH": path, "SOURCE_DATE_EPOCH": environ.EPOCH, **self._compilers, **UTF_8}
        env = {**base, **fixed, **(extra_environ or {})}
        outcome = self._shell.run(cmd, what="pex: build backend", env=env, cwd=Path(cwd) if cwd else None)
        self.tail = outcome.tail
        if outcome.status != 0:
            raise subprocess.CalledProcessError(outcome.status, list(cmd), outcome.output)
