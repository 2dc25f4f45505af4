"""A packaged project as the wheel that its own build backend makes (PEP 517)."""

from __future__ import annotations

import os
import subprocess
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from build import BuildBackendException, BuildException, ProjectBuilder
from packaging.utils import parse_wheel_filename

from nox_pex import pex
from nox_pex.command import Shell, tool_environ
from nox_pex.environment import Environment, Interpreter, parse_entry_points
from nox_pex.errors import NoxPexError
from nox_pex.project import Project
from nox_pex.tools import Provisioner, provide_backend


def build_wheel(project: Project, *, into: Path, interpreter: Interpreter, provisioner: Provisioner) -> Path:
    """Build the project's wheel into the directory `into`; returns its path.

    The backend runs in an environment that has what `[build-system]` requires and no more, on the binary's own Python.
    Raises `NoxPexError` `build-failed` with the backend's output where it fails.
    """
    shell = provisioner.shell
    environment = provide_backend(provisioner, project.build_requires, interpreter=interpreter)
    runner = _Runner(shell, environment)
    try:
        builder = ProjectBuilder(project.root, python_executable=str(environment.python), runner=runner)
        if extra := sorted(builder.get_requires_for_build("wheel")):
            environment = provide_backend(provisioner, [*project.build_requires, *extra], interpreter=interpreter)
            runner = _Runner(shell, environment)
            builder = ProjectBuilder(project.root, python_executable=str(environment.python), runner=runner)
        return Path(builder.build("wheel", into))
    except (BuildBackendException, BuildException, subprocess.CalledProcessError) as error:
        last = runner.tail[-1].strip() if runner.tail else str(error)
        problem = f"the build backend of {project.root} failed: {last}"
        raise NoxPexError("build-failed", problem, _BUILD_IT_FIRST, log=runner.tail) from error


_BUILD_IT_FIRST: Final = "make `poetry build` succeed there, or, if it is no package, set package-mode = false"


def wheel_entry_points(wheel: Path, group: str = "console_scripts") -> Mapping[str, str]:
    """The entry points of `group` in a wheel."""
    return parse_entry_points(_member(wheel, "entry_points.txt"), group)


def wheel_version(wheel: Path) -> str:
    """The version in a wheel's file name (the binary distribution format, PEP 427)."""
    return str(parse_wheel_filename(wheel.name)[1])


def wheel_files(wheel: Path) -> tuple[str, ...]:
    """The paths of all files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return tuple(sorted(archive.namelist()))


def _member(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if member.endswith(f".dist-info/{name}"):
                return archive.read(member).decode("utf-8", "replace")
    return ""


class _Runner:
    """Runs the backend's hooks through our one door; `tail` is the end of the last one's output."""

    def __init__(self, shell: Shell, environment: Environment) -> None:
        self.tail: tuple[str, ...] = ()
        self._shell = shell
        self._environment = environment

    def __call__(
        self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        base = tool_environ(self._shell.environ)
        path = os.pathsep.join([str(self._environment.python.parent), base.get("PATH", os.defpath)])
        env = {**base, "PATH": path, "SOURCE_DATE_EPOCH": pex.EPOCH, **(extra_environ or {})}
        outcome = self._shell.run(cmd, what="pex: build backend", env=env, cwd=Path(cwd) if cwd else None)
        self.tail = outcome.tail
        if outcome.status != 0:
            raise subprocess.CalledProcessError(outcome.status, list(cmd), outcome.output)
