"""One boot of the program under one condition: start, wait, check, soak, stop."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from nox_pex.errors import NoxPexError
from nox_pex.settings.smoke import CommandCheck, HttpCheck, Smoke, TcpCheck
from nox_pex.smoke import log
from nox_pex.smoke.checks import http_client, verdicts
from nox_pex.smoke.checks.check_files import CheckFiles
from nox_pex.smoke.checks.verdicts import CheckResult, Printed
from nox_pex.smoke.plan import Boot, Endpoint, Options
from nox_pex.smoke.process import ports
from nox_pex.smoke.process.interrupts import Interrupts
from nox_pex.smoke.process.program import ProcessInfo, RunningProgram, UnavailableError
from nox_pex.smoke.ready import Server, await_ready, check_free
from nox_pex.smoke.report import BootResult
from nox_pex.smoke.runner import LaunchSpec, Runner
from nox_pex.smoke.stop import Stop, check_alive, left_behind, left_processes, stop
from nox_pex.smoke.workspace import Workspace
from nox_pex.system.secrets import Secrets

_CRASH: Final = 0.3
"""Seconds in which a program that broke off an answer turns out to have crashed."""


_TCP_TIMEOUT: Final = 5.0


_OUTPUT_LIMIT: Final = 16 * 2**20
"""Bytes of a command's output that are looked at."""


@dataclass(frozen=True, kw_only=True)
class SmokeTest:
    """All that stands fast during one smoke test. `server` is None for a program that is only a command."""

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
    references: CheckFiles
    runner: Runner

    @property
    def checks(self) -> int:
        """The number of checks in the settings."""
        return len(self.smoke.http) + len(self.smoke.tcp) + len(self.smoke.command)


@dataclass(kw_only=True)
class BootLog:
    """What was seen of one boot so far: it may end at any point."""

    logs: list[Path] = field(default_factory=list)
    ready_after: float | None = None
    verdicts: list[CheckResult] = field(default_factory=list)
    stop: Stop | None = None
    memory: int | None = None


def skipped(test: SmokeTest, boot: Boot, reason: str) -> BootResult:
    """The result of a boot that does not happen, because of `reason`."""
    return BootResult(condition=boot.condition, state="skipped", reason=reason, checks=test.checks)


def booted(test: SmokeTest, boot: Boot) -> tuple[BootResult, NoxPexError | None]:
    """One boot, and what went wrong with it, if anything did."""
    failure: NoxPexError | None = None
    notes = BootLog()
    error: NoxPexError | None = None
    try:
        _boot(test, boot, notes)
    except UnavailableError as unavailable:
        if test.smoke.skips == "fail":
            problem = f"{boot.condition}: skipped: {unavailable}"
            failure = NoxPexError("check-failed", problem, 'run it where it can be given, or set `skips = "report"`')
        return skipped(test, boot, str(unavailable)), failure
    except NoxPexError as caught:
        error = caught
    if error is not None:
        problem, remedy = (test.secrets.mask(text) for text in (f"{boot.condition}: {error.problem}", error.remedy))
        failure = NoxPexError(error.code, problem, remedy, log=error.log or _tail(test, notes.logs))
    outcome = BootResult(
        condition=boot.condition,
        state="passed" if failure is None else "failed",
        reason=None if failure is None else failure.problem,
        checks=test.checks,
        ready_after=notes.ready_after,
        verdicts=tuple(_masked(verdict, test.secrets) for verdict in notes.verdicts),
        stop=notes.stop,
        memory=notes.memory,
    )
    return outcome, failure


def _boot(test: SmokeTest, boot: Boot, notes: BootLog) -> None:
    directory = test.runner.prepare(boot)
    if test.server is None:
        test.say(f"{boot.condition}: {'first run, to warm up' if boot.seed else 'running'} {test.name}")
        failed = _commands(test, boot, directory, notes)
        notes.ready_after = notes.verdicts[0].seconds
        if failed is not None:
            raise failed
    else:
        _boot_server(test, test.server, boot, directory, notes)
    _judge_logs(test, notes)


def _boot_server(test: SmokeTest, server: Server, boot: Boot, directory: Path, notes: BootLog) -> None:
    if server.endpoint.unix_socket is not None:
        server.endpoint.unix_socket.unlink(missing_ok=True)  # an earlier boot that was killed left it
    if boot.condition != "offline":  # its network is a new one
        check_free(server)
    test.say(f"{boot.condition}: {'first start, to warm up' if boot.seed else 'starting'} {test.name} on {server}")
    output = test.workspace.root / f"{boot.condition}{'-seed' if boot.seed else ''}.log"
    output.touch()
    notes.logs.append(output)
    launch = LaunchSpec(boot=boot, args=test.smoke.args, env=test.smoke.env, stdout=output)
    with _started(test, launch, notes) as program:
        server = replace(server, network=program.network)
        timeout = test.options.timeout or test.smoke.startup_timeout
        try:
            notes.ready_after = await_ready(
                program, server, timeout=timeout, say=lambda line: test.say(f"{boot.condition}: {line}")
            )
        except NoxPexError as error:
            raise test.runner.explain(error, program) from error
        failed = None
        if test.options.serve:
            _served(test, program, output)
        elif not boot.seed:
            failed = _checked(test, program, notes) or _commands(test, boot, directory, notes, alongside=program)
            check_alive(program, "after the checks", within=test.smoke.soak if failed is None else 0.0)
        notes.stop, wrong = stop(
            program,
            with_signal=test.smoke.stop_signal,
            timeout=test.smoke.stop_timeout,
            exit_codes=test.smoke.stop_exit_codes,
        )
        first = failed or wrong
        if first is not None:
            raise first


@contextlib.contextmanager
def _started(
    test: SmokeTest, launch: LaunchSpec, notes: BootLog, *, alongside: RunningProgram | None = None
) -> Iterator[RunningProgram]:
    """A running program; at the end nothing of it is left, and its memory is noted. Raises `UnavailableError`."""
    program = test.runner.create_program(launch, alongside=alongside)
    try:
        with test.interrupts.held():
            program.start()
        yield program
    finally:
        with test.interrupts.held():
            peak = program.end()
        if peak is not None:
            notes.memory = max(notes.memory or 0, peak)


def _checked(test: SmokeTest, program: RunningProgram, notes: BootLog) -> NoxPexError | None:
    """Asks for all that `http` and `tcp` demand. Returns the first demand that is not met; raises `crashed`."""
    failed: NoxPexError | None = None
    every: tuple[HttpCheck | TcpCheck, ...] = (*test.smoke.http, *test.smoke.tcp)
    for check in every:
        verdict = _asked(test, check, program) if isinstance(check, HttpCheck) else _connected(test, check, program)
        notes.verdicts.append(verdict)
        if not verdict.passed:
            check_alive(program, f"while it was asked for {verdict.check}", within=_CRASH)
            failed = failed or _check_failed(verdict)
    return failed


def _asked(test: SmokeTest, check: HttpCheck, program: RunningProgram) -> CheckResult:
    tls = test.references.tls(check)
    answer = http_client.ask(test.endpoint, check, tls=tls, timeout=check.timeout, network=program.network)
    return verdicts.answered(check, answer, schema=test.references.schema(check))


def _connected(test: SmokeTest, check: TcpCheck, program: RunningProgram) -> CheckResult:
    host, port = test.endpoint.host, int(check.port)
    started = time.monotonic()
    problem = http_client.connect(host, port, timeout=_TCP_TIMEOUT, network=program.network)
    owner = program.owner(host, port) if problem is None else "nobody"
    if owner == "nobody" and program.owns_port:
        problem = problem or "a port that nothing in it listens on"
    if owner == "foreign":
        problem = f"{ports.listening_process(port)}, which is not the program under test"
    return CheckResult(
        check=f"tcp {port}",
        passed=problem is None,
        expected="an open port",
        came=problem or "an open port",
        seconds=time.monotonic() - started,
    )


def _commands(
    test: SmokeTest, boot: Boot, directory: Path, notes: BootLog, *, alongside: RunningProgram | None = None
) -> NoxPexError | None:
    """Runs all commands, `alongside` the server where there is one. Returns the first failure."""
    failed: NoxPexError | None = None
    for check in test.smoke.command:
        try:
            verdict, left = _ran(test, boot, directory, check, notes, alongside=alongside)
        except UnavailableError:
            if alongside is not None:
                check_alive(alongside, "before a command was to run beside it", within=_CRASH)
            raise
        notes.verdicts.append(verdict)
        wrong = None if verdict.passed else _check_failed(verdict)
        if left and wrong is None:
            wrong = left_processes(verdict.check, left)
        if wrong is not None and failed is None:
            wrong.log = _tail(test, notes.logs[-2:])
            failed = wrong
    return failed


def _tail(test: SmokeTest, logs: list[Path]) -> tuple[str, ...]:
    """The last lines of the last log that has any."""
    return next((lines for path in reversed(logs) if (lines := log.tail(path, test.secrets))), ())


def _ran(
    test: SmokeTest,
    boot: Boot,
    directory: Path,
    check: CommandCheck,
    notes: BootLog,
    *,
    alongside: RunningProgram | None,
) -> tuple[CheckResult, tuple[ProcessInfo, ...]]:
    stem = directory / f"command-{len(notes.verdicts)}"
    stdin, stdout, stderr = (stem.with_suffix(suffix) for suffix in (".in", ".out", ".err"))
    stdin.write_text(check.stdin, encoding="utf-8")
    for stream in (stdout, stderr):
        stream.write_bytes(b"")
        notes.logs.append(stream)
    launch = LaunchSpec(
        boot=boot,
        args=check.args,
        env={**test.smoke.env, **check.env},
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
    )
    with _started(test, launch, notes, alongside=alongside) as program:
        ended = program.exited(within=check.timeout)
        seconds = (ended.at if ended else time.monotonic()) - program.started_at
        left = left_behind(program) if ended else ()
    printed = Printed(
        status=ended.status if ended else None, stdout=_read(stdout), stderr=_read(stderr), seconds=seconds
    )
    return verdicts.ran(check, printed, name=test.name), left


def _served(test: SmokeTest, program: RunningProgram, output: Path) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        test.say(f"serving on {test.endpoint}, log in {output}; Ctrl-C stops it")
        while program.exited(within=3600.0) is None:
            pass


def _judge_logs(test: SmokeTest, notes: BootLog) -> None:
    for path in notes.logs:
        found = log.forbidden(path, test.smoke.log_forbid)
        if found is not None:
            problem = f"the log has a line that `log-forbid` {found[0]!r} matches: {verdicts.clipped(found[1])}"
            raise NoxPexError("log-forbidden", problem, "mend what it complains about, or change `log-forbid`")
    wanting = set(test.smoke.log_require)
    for path in notes.logs:
        wanting &= set(log.missing(path, test.smoke.log_require))
    for pattern in test.smoke.log_require:
        if pattern in wanting:
            problem = f"no line of the log matches `log-require` {pattern!r}"
            raise NoxPexError("log-missing", problem, "see its log, or change `log-require`")


def _check_failed(verdict: CheckResult) -> NoxPexError:
    return NoxPexError("check-failed", str(verdict), "mend the program, or what the check expects")


def _masked(verdict: CheckResult, secrets: Secrets) -> CheckResult:
    return replace(
        verdict,
        check=secrets.mask(verdict.check),
        expected=secrets.mask(verdict.expected),
        came=secrets.mask(verdict.came),
    )


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_OUTPUT_LIMIT).decode(errors="replace")
