"""One smoke test: the values that stay the same during it, the progress of one boot, and the start of a program."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct, field

from nox_pex.errors import NoxPexError
from nox_pex.settings.smoke import Smoke
from nox_pex.smoke import log
from nox_pex.smoke.checks.check_files import CheckFiles
from nox_pex.smoke.checks.results import CheckResult
from nox_pex.smoke.own_commands import OwnCommands
from nox_pex.smoke.plan import Endpoint, Options
from nox_pex.smoke.process.interrupts import Interrupts
from nox_pex.smoke.process.program import RunningProgram
from nox_pex.smoke.runner import LaunchSpec, Runner
from nox_pex.smoke.stop import Stop
from nox_pex.smoke.workspace import Workspace
from nox_pex.system.secrets import Secrets


class SmokeTest(Struct, frozen=True, kw_only=True):
    """The values that stay the same during one condition of a smoke test.

    The tokens in `smoke` are filled in. `say` is called with a line for each step. `explain` returns a failure that
    says more than the given one, with the logs of the program.
    """

    name: str
    smoke: Smoke
    workspace: Workspace
    secrets: Secrets
    options: Options
    say: Callable[[str], None]
    interrupts: Interrupts
    endpoint: Endpoint
    check_files: CheckFiles
    runner: Runner
    own_commands: OwnCommands
    explain: Callable[[NoxPexError, Sequence[Path]], NoxPexError]

    @property
    def check_count(self) -> int:
        """The number of checks in the settings."""
        return len(self.smoke.http) + len(self.smoke.tcp) + len(self.smoke.command)


class BootProgress(Struct, kw_only=True):
    """The results of one boot so far. The boot may end at any point. `memory` is in bytes.

    `launches` are those of the server, if there is one, and of the commands. `served` is in seconds, for `--serve`.
    """

    launches: list[LaunchSpec] = field(default_factory=list)
    log_files: list[Path] = field(default_factory=list)
    ready_after: float | None = None
    check_results: list[CheckResult] = field(default_factory=list)
    stop: Stop | None = None
    memory: int | None = None
    served: float | None = None


@contextlib.contextmanager
def started(
    test: SmokeTest, launch: LaunchSpec, progress: BootProgress, *, alongside: RunningProgram | None = None
) -> Iterator[RunningProgram]:
    """Start a program for the length of the block, end it with all its processes, and record its memory.

    Raises `UnavailableError` if the system cannot confine it.
    """
    progress.launches.append(launch)
    program = test.runner.create_program(launch, alongside=alongside)
    try:
        program.start()
        yield program
    finally:
        peak = program.end()
        if peak is not None:
            progress.memory = max(progress.memory or 0, peak)


def log_tail(test: SmokeTest, log_files: list[Path]) -> tuple[str, ...]:
    """Return the last lines of the last log that is not empty."""
    return next((lines for path in reversed(log_files) if (lines := log.tail(path, test.secrets))), ())
