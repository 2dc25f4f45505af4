"""Run one boot of the program under a condition: start, wait, check, soak, stop."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.settings.smoke import CommandCheck, HttpCheck, Smoke, TcpCheck
from nox_pex.smoke import log, plan
from nox_pex.smoke.checks import http_client, results
from nox_pex.smoke.checks.check_files import CheckFiles
from nox_pex.smoke.checks.results import CheckResult, CommandOutput
from nox_pex.smoke.plan import Boot, Endpoint, Options
from nox_pex.smoke.process import ports
from nox_pex.smoke.process.interrupts import Interrupts
from nox_pex.smoke.process.program import ProcessInfo, RunningProgram, UnavailableError
from nox_pex.smoke.ready import Server, await_ready, check_free
from nox_pex.smoke.report import BootResult
from nox_pex.smoke.runner import LaunchSpec, Runner
from nox_pex.smoke.stop import Stop, check_alive, left_processes, remaining_processes, stop
from nox_pex.smoke.workspace import Workspace
from nox_pex.system.secrets import Secrets

_CRASH_TIMEOUT: Final = 0.3
"""Seconds to wait after a failed check. A program that has crashed ends within them."""


_TCP_TIMEOUT: Final = 5.0
"""Seconds that a TCP check may take."""


_OUTPUT_LIMIT: Final = 16 * 2**20
"""The number of bytes of a command's output that are checked."""


class SmokeTest(Struct, frozen=True, kw_only=True):
    """The values that stay the same during one smoke test. `server` is None if the program is not a server.

    The tokens in `smoke` are filled in. `say` is called with a line for each step. `explain` returns a failure that
    says more than the given one, with the logs of the program.
    """

    name: str
    smoke: Smoke
    workspace: Workspace
    project: Path
    environ: Mapping[str, str]
    secrets: Secrets
    options: Options
    say: Callable[[str], None]
    interrupts: Interrupts
    endpoint: Endpoint
    server: Server | None
    check_files: CheckFiles
    runner: Runner
    explain: Callable[[NoxPexError, Sequence[Path]], NoxPexError]

    @property
    def check_count(self) -> int:
        """The number of checks in the settings."""
        return len(self.smoke.http) + len(self.smoke.tcp) + len(self.smoke.command)


class BootProgress(Struct, kw_only=True):
    """The results of one boot so far. The boot may end at any point. `memory` is in bytes."""

    log_files: list[Path] = field(default_factory=list)
    ready_after: float | None = None
    check_results: list[CheckResult] = field(default_factory=list)
    stop: Stop | None = None
    memory: int | None = None


def skipped_boot(test: SmokeTest, boot: Boot, reason: str) -> BootResult:
    """Return the result of a boot that is not run, because of `reason`."""
    return BootResult(condition=boot.condition, state="skipped", reason=reason, check_count=test.check_count)


def run_boot(test: SmokeTest, boot: Boot) -> tuple[BootResult, NoxPexError | None]:
    """Run one boot. Return its result, and its failure or None."""
    failure: NoxPexError | None = None
    progress = BootProgress()
    error: NoxPexError | None = None
    try:
        _run_boot(test, boot, progress)
    except UnavailableError as unavailable:
        if test.smoke.skips == "fail":
            problem = f"{boot.condition}: skipped: {unavailable}"
            remedy = 'run it on a machine that supports the condition, or set `skips = "report"`'
            failure = NoxPexError("check-failed", problem, remedy)
        return skipped_boot(test, boot, str(unavailable)), failure
    except NoxPexError as caught:
        error = caught
    if error is not None:
        problem, remedy = (test.secrets.mask(text) for text in (f"{boot.condition}: {error.problem}", error.remedy))
        failure = NoxPexError(error.code, problem, remedy, log=error.log or _log_tail(test, progress.log_files))
        failure = test.explain(failure, progress.log_files)
    result = BootResult(
        condition=boot.condition,
        state="passed" if failure is None else "failed",
        reason=None if failure is None else failure.problem,
        check_count=test.check_count,
        ready_after=progress.ready_after,
        check_results=tuple(_mask(result, test.secrets) for result in progress.check_results),
        stop=progress.stop,
        memory=progress.memory,
    )
    return result, failure


def _run_boot(test: SmokeTest, boot: Boot, progress: BootProgress) -> None:
    directory = test.runner.prepare(boot)
    if test.server is None:
        test.say(f"{boot.condition}: {'first run, to warm up' if boot.warms_up else 'running'} {test.name}")
        failed = _run_commands(test, boot, directory, progress)
        progress.ready_after = progress.check_results[0].seconds
        if failed is not None:
            raise failed
    else:
        _boot_server(test, test.server, boot, directory, progress)
    _check_logs(test, progress)


def _boot_server(test: SmokeTest, server: Server, boot: Boot, directory: Path, progress: BootProgress) -> None:
    if server.endpoint.unix_socket is not None:
        server.endpoint.unix_socket.unlink(missing_ok=True)  # an earlier boot may have been killed and left it
    if boot.condition != "offline":  # it gets a new network, in which every port is free
        check_free(server)
    test.say(f"{boot.condition}: {'first start, to warm up' if boot.warms_up else 'starting'} {test.name} on {server}")
    output = test.workspace.root / f"{boot.condition}{'-seed' if boot.warms_up else ''}.log"
    output.touch()
    progress.log_files.append(output)
    launch = LaunchSpec(boot=boot, args=test.smoke.args, env=test.smoke.env, stdout=output)
    with _started(test, launch, progress) as program:
        server = replace(server, network=program.network)
        timeout = test.options.timeout or test.smoke.startup_timeout
        try:
            progress.ready_after = test.interrupts.interruptible(
                await_ready, program, server, timeout=timeout, say=lambda line: test.say(f"{boot.condition}: {line}")
            )
        except NoxPexError as error:
            raise test.interrupts.interruptible(test.runner.explain, error, program) from error
        failed = None
        if test.options.serve:
            _serve(test, program, output)
        elif not boot.warms_up:
            failed = test.interrupts.interruptible(_run_checks, test, program, progress)
            failed = failed or _run_commands(test, boot, directory, progress, alongside=program)
            soak = test.smoke.soak if failed is None else 0.0
            test.interrupts.interruptible(check_alive, program, "after the checks", within=soak)
        progress.stop, stop_failure = test.interrupts.interruptible(
            stop,
            program,
            with_signal=test.smoke.stop_signal,
            timeout=test.smoke.stop_timeout,
            exit_codes=test.smoke.stop_exit_codes,
        )
        first = failed or stop_failure
        if first is not None:
            raise first


@contextlib.contextmanager
def _started(
    test: SmokeTest, launch: LaunchSpec, progress: BootProgress, *, alongside: RunningProgram | None = None
) -> Iterator[RunningProgram]:
    """Start a program for the length of the block, end it with all its processes, and record its memory.

    Raises `UnavailableError` if the system cannot confine it.
    """
    program = test.runner.create_program(launch, alongside=alongside)
    try:
        program.start()
        yield program
    finally:
        peak = program.end()
        if peak is not None:
            progress.memory = max(progress.memory or 0, peak)


def _run_checks(test: SmokeTest, program: RunningProgram, progress: BootProgress) -> NoxPexError | None:
    """Run all checks of `http` and `tcp`. Return the first failure. Raises `NoxPexError` `crashed`."""
    failed: NoxPexError | None = None
    every: tuple[HttpCheck | TcpCheck, ...] = (*test.smoke.http, *test.smoke.tcp)
    for check in every:
        result = _check_http(test, check, program) if isinstance(check, HttpCheck) else _check_tcp(test, check, program)
        progress.check_results.append(result)
        if not result.passed:
            check_alive(program, f"while it was asked for {result.check}", within=_CRASH_TIMEOUT)
            failed = failed or _check_failed(result)
    return failed


def _check_http(test: SmokeTest, check: HttpCheck, program: RunningProgram) -> CheckResult:
    tls = test.check_files.tls(check)
    answer = http_client.request(test.endpoint, check, tls=tls, timeout=check.timeout, network=program.network)
    return results.http_result(check, answer, schema=test.check_files.schema(check))


def _check_tcp(test: SmokeTest, check: TcpCheck, program: RunningProgram) -> CheckResult:
    host, port = test.endpoint.host, int(check.port)
    started = time.monotonic()
    problem = http_client.connect(host, port, timeout=_TCP_TIMEOUT, network=program.network)
    owner = program.owner(host, port) if problem is None else "nobody"
    if owner == "nobody" and program.owns_port:
        problem = problem or "a port on which nothing in the container listens"
    if owner == "foreign":
        problem = f"a port on which {ports.listening_process(port)} listens instead of the program under test"
    return CheckResult(
        check=f"tcp {port}",
        passed=problem is None,
        expected="an open port",
        actual=problem or "an open port",
        seconds=time.monotonic() - started,
    )


def _run_commands(
    test: SmokeTest, boot: Boot, directory: Path, progress: BootProgress, *, alongside: RunningProgram | None = None
) -> NoxPexError | None:
    """Run all commands, `alongside` the server if there is one. Return the first failure."""
    failed: NoxPexError | None = None
    for check in test.smoke.command:
        try:
            result, remaining = _run_command(test, boot, directory, check, progress, alongside=alongside)
        except UnavailableError:
            if alongside is not None:
                check_alive(alongside, "before a command could run alongside it", within=_CRASH_TIMEOUT)
            raise
        progress.check_results.append(result)
        failure = None if result.passed else _check_failed(result)
        if remaining and failure is None:
            failure = left_processes(result.check, remaining)
        if failure is not None and failed is None:
            failure.log = _log_tail(test, progress.log_files[-2:])
            failed = failure
    return failed


def _log_tail(test: SmokeTest, log_files: list[Path]) -> tuple[str, ...]:
    """Return the last lines of the last log that is not empty."""
    return next((lines for path in reversed(log_files) if (lines := log.tail(path, test.secrets))), ())


def _run_command(
    test: SmokeTest,
    boot: Boot,
    directory: Path,
    check: CommandCheck,
    progress: BootProgress,
    *,
    alongside: RunningProgram | None,
) -> tuple[CheckResult, tuple[ProcessInfo, ...]]:
    """Run one command. Return its result, and the processes that it left running."""
    stem = directory / f"command-{len(progress.check_results)}"
    stdin, stdout, stderr = (stem.with_suffix(suffix) for suffix in (".in", ".out", ".err"))
    stdin.write_text(check.stdin, encoding="utf-8")
    for stream in (stdout, stderr):
        stream.write_bytes(b"")
        progress.log_files.append(stream)
    launch = LaunchSpec(
        boot=boot,
        args=check.args,
        env=plan.command_variables(test.smoke, check),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
    )
    with _started(test, launch, progress, alongside=alongside) as program:
        ended = test.interrupts.interruptible(program.exited, within=check.timeout)
        seconds = (ended.at if ended else time.monotonic()) - program.started_at
        remaining = test.interrupts.interruptible(remaining_processes, program) if ended else ()
    output = CommandOutput(
        status=ended.status if ended else None,
        stdout=_read_output(stdout),
        stderr=_read_output(stderr),
        seconds=seconds,
    )
    return results.command_result(check, output, name=test.name), remaining


def _serve(test: SmokeTest, program: RunningProgram, output: Path) -> None:
    """Leave the program running until Ctrl-C, or until it ends."""
    with contextlib.suppress(KeyboardInterrupt):
        test.say(f"serving on {test.endpoint}, log in {output}; Ctrl-C stops it")
        while test.interrupts.interruptible(program.exited, within=3600.0) is None:
            pass


def _check_logs(test: SmokeTest, progress: BootProgress) -> None:
    """Raise `NoxPexError` `log-forbidden` or `log-missing` if the logs do not match the settings."""
    for path in progress.log_files:
        found = log.forbidden_line(path, test.smoke.log_forbid, test.secrets)
        if found is not None:
            problem = f"a line of the log matches `log-forbid` {found[0]!r}: {results.shorten(found[1])}"
            raise NoxPexError("log-forbidden", problem, "fix the cause, or change `log-forbid`")
    missing = set(test.smoke.log_require)
    for path in progress.log_files:
        missing &= set(log.missing_patterns(path, test.smoke.log_require))
    for pattern in test.smoke.log_require:
        if pattern in missing:
            problem = f"no line of the log matches `log-require` {pattern!r}"
            raise NoxPexError("log-missing", problem, "see its log, or change `log-require`")


def _check_failed(result: CheckResult) -> NoxPexError:
    return NoxPexError("check-failed", str(result), "fix the program or the check")


def _mask(result: CheckResult, secrets: Secrets) -> CheckResult:
    return replace(
        result,
        check=secrets.mask(result.check),
        expected=secrets.mask(result.expected),
        actual=secrets.mask(result.actual),
        problem=None if result.problem is None else secrets.mask(result.problem),
    )


def _read_output(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_OUTPUT_LIMIT).decode(errors="replace")
