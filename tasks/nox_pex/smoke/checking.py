"""Run the checks of one boot, in this order: `http`, `tcp`, `command`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from nox_pex.errors import NoxPexError
from nox_pex.settings.checks import CommandCheck, HttpCheck, TcpCheck
from nox_pex.smoke import plan
from nox_pex.smoke.checks import http_client, results
from nox_pex.smoke.checks.results import CheckResult, CommandOutput
from nox_pex.smoke.plan import Boot
from nox_pex.smoke.process import ports
from nox_pex.smoke.process.program import ProcessInfo, RunningProgram, UnavailableError
from nox_pex.smoke.runner import LaunchSpec
from nox_pex.smoke.smoke_test import BootProgress, SmokeTest, log_tail, started
from nox_pex.smoke.stop import check_alive, left_processes, remaining_processes

_CRASH_TIMEOUT: Final = 0.3
"""Seconds to wait after a failed check. A program that has crashed ends within them."""


_TCP_TIMEOUT: Final = 5.0
"""Seconds that a TCP check may take."""


_OUTPUT_LIMIT: Final = 16 * 2**20
"""The number of bytes of a command's output that are checked."""


def run_checks(test: SmokeTest, program: RunningProgram, progress: BootProgress) -> NoxPexError | None:
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


def run_commands(
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
            failure.log = log_tail(test, progress.log_files[-2:])
            failed = failure
    return failed


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
    with started(test, launch, progress, alongside=alongside) as program:
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


def _check_failed(result: CheckResult) -> NoxPexError:
    return NoxPexError("check-failed", str(result), "fix the program or the check")


def _read_output(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_OUTPUT_LIMIT).decode(errors="replace")
