"""Pause a build, so that a test can act while pex is at work."""

from __future__ import annotations

import subprocess
from pathlib import Path

from msgspec import Struct

from tests.support.nox_project import Project
from tests.support.processes import wait_until

_WAIT = """
import pathlib
import time

pathlib.Path({reached!r}).touch()
for _ in range(90_000):
    if pathlib.Path({resume!r}).exists():
        break
    time.sleep(0.01)
"""


class PausedBuild(Struct, frozen=True, kw_only=True):
    """The build creates the file `reached` when it pauses, and goes on when the file `resume` exists."""

    reached: Path
    resume: Path

    def wait(self, process: subprocess.Popen[str]) -> None:
        """Wait until the build, which runs in `process`, pauses. Raise `AssertionError` if it ends instead."""
        wait_until(lambda: self.reached.exists() or process.poll() is not None)
        assert self.reached.exists(), process.communicate()[0]

    def go_on(self) -> None:
        """Resume the build, and do not pause later ones."""
        self.resume.touch()


def pause_build(project: Project, module: str, directory: Path) -> PausedBuild:
    """Pause the next build of a project while pex validates the entry point, which is in the file `module`.

    pex imports the module when it has written the binary into the build directory. `directory` is outside of the
    project: it gets the two files.
    """
    paused = PausedBuild(reached=directory / "reached", resume=directory / "resume")
    project.append(module, _WAIT.format(reached=str(paused.reached), resume=str(paused.resume)))
    project.add_setting("validate-entry-point = true")
    return paused
