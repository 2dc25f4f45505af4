"""Pause a build, so that a test can act while pex is at work."""

from __future__ import annotations

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
    """A build that waits in the build directory until it is resumed. Both files are outside of the project."""

    reached: Path
    resume: Path

    def wait(self) -> None:
        """Wait until the build pauses."""
        wait_until(self.reached.exists)

    def go_on(self) -> None:
        """Resume the build, and do not pause later ones."""
        self.resume.touch()


def pause_build(project: Project, module: str, directory: Path) -> PausedBuild:
    """Pause the next build of a project while pex validates the entry point, which is in the file `module`.

    pex imports the module after it has written the binary into the build directory.
    """
    paused = PausedBuild(reached=directory / "reached", resume=directory / "resume")
    project.append(module, _WAIT.format(reached=str(paused.reached), resume=str(paused.resume)))
    project.add_setting("validate-entry-point = true")
    return paused
