"""One smoke test: the values that stay the same during it, the progress of one boot, and the start of a program."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct, field

from nox_pex.errors import NoxPexError
from nox_pex.settings.smoke import Smoke
from nox_pex.smoke.checks.check_files import CheckFiles
from nox_pex.smoke.checks.conversation import Conversation
from nox_pex.smoke.checks.results import CheckResult
from nox_pex.smoke.log import Log
from nox_pex.smoke.own_commands import OwnCommands
from nox_pex.smoke.plan import Endpoint, Options
from nox_pex.smoke.process.boot_watch import BootWatch
from nox_pex.smoke.process.interrupts import Interrupts
from nox_pex.smoke.process.program import RunningProgram
from nox_pex.smoke.runner import LaunchSpec, Runner
from nox_pex.smoke.stop import Stop
from nox_pex.smoke.workspace import Workspace
from nox_pex.system.messages import Say, Work
from nox_pex.system.secrets import Secrets


class SmokeTest(Struct, frozen=True, kw_only=True):
    """The values that stay the same during one condition of a smoke test.

    The tokens in `smoke` are filled in. `say` is called with a line for each step. `explain` returns a failure that
    says more than the given one, with the logs of the program. `notices` are the facts about the machine that were
    shown, once for all conditions. `unavailable_reason` says why this machine cannot provide the condition, if that is
    known before it is tried. `platform` is that of the image, if there are several. `labels` are the names of
    all conditions of the test.
    """

    name: str
    smoke: Smoke
    workspace: Workspace
    secrets: Secrets
    options: Options
    say: Say
    interrupts: Interrupts
    endpoint: Endpoint
    check_files: CheckFiles
    runner: Runner
    own_commands: OwnCommands
    explain: Callable[[NoxPexError, Sequence[Log]], NoxPexError]
    notices: set[str]
    unavailable_reason: str | None = None
    platform: str = ""
    labels: tuple[str, ...] = ()

    @property
    def check_count(self) -> int:
        """The number of checks in the settings."""
        return len(self.smoke.http) + len(self.smoke.tcp) + len(self.smoke.command)


class Blame(Struct, frozen=True, kw_only=True):
    """The subject of a failure: the check that failed, if it is one, and the launch and the logs of its program.

    `written` is the size of the server's log when it failed: what comes later is of other checks, and of the stop.
    """

    failure: NoxPexError
    check: CheckResult | None = None
    launch: LaunchSpec | None = None
    logs: Sequence[Log] = ()
    written: int | None = None


class BootProgress(Struct, kw_only=True):
    """The results of one boot so far. The boot may end at any point. `memory` is in bytes.

    `work` shows them to the user. `watch` has the moments of the boot. `launches` are those of the server, if there is
    one, and of the commands. `blames` say what the failures of checks are about. `served` is in seconds, for `--serve`.
    """

    conversation: Conversation
    work: Work
    watch: BootWatch = field(default_factory=BootWatch)
    launches: list[LaunchSpec] = field(default_factory=list)
    blames: list[Blame] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)
    ready_after: float | None = None
    check_results: list[CheckResult] = field(default_factory=list)
    stop: Stop | None = None
    memory: int | None = None
    served: float | None = None

    def check_failed(
        self, result: CheckResult, *, launch: LaunchSpec | None = None, logs: Sequence[Log] = ()
    ) -> NoxPexError:
        """Return the failure of a check. `launch` and `logs` are those of its command; none if it asked the server."""
        failure = NoxPexError("check-failed", str(result), "fix the program or the check", subject=result.check)
        return self.blame(failure, check=result, launch=launch, logs=logs)

    def blame(
        self,
        failure: NoxPexError,
        *,
        check: CheckResult | None = None,
        launch: LaunchSpec | None = None,
        logs: Sequence[Log] = (),
    ) -> NoxPexError:
        """Return `failure`, and remember what it is about."""
        written = self.logs[0].size() if check is not None and not logs and self.logs else None
        self.blames.append(Blame(failure=failure, check=check, launch=launch, logs=tuple(logs), written=written))
        return failure

    def blame_of(self, failure: NoxPexError) -> Blame:
        """Return what `failure` is about."""
        return next((each for each in self.blames if each.failure is failure), Blame(failure=failure))

    def close(self) -> None:
        """Close the logs."""
        for each in self.logs:
            each.close()


@contextlib.contextmanager
def started(
    test: SmokeTest, launch: LaunchSpec, progress: BootProgress, *, alongside: RunningProgram | None = None
) -> Iterator[RunningProgram]:
    """Start a program for the length of the block, end it with all its processes, and record its memory.

    Raises `UnavailableError` if the system cannot confine it.
    """
    progress.launches.append(launch)
    program = test.runner.create_program(launch, alongside=alongside)
    if alongside is None and len(progress.launches) == 1:
        progress.watch = BootWatch(program.environment)
    try:
        program.start()
        progress.watch.started(program.started_at)
        if program.uncontained is not None and program.uncontained not in test.notices:
            test.notices.add(program.uncontained)
            test.say(f"smoke: {program.uncontained}, so its processes may outlive a run that is killed by SIGKILL")
        yield program
    finally:
        peak = program.end()
        if peak is not None:
            progress.memory = max(progress.memory or 0, peak)
