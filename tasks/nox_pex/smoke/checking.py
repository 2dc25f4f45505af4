"""Run the checks of one boot, in this order: `http`, `tcp`, `command`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.settings.checks import CommandCheck, HttpCheck, TcpCheck
from nox_pex.smoke import plan
from nox_pex.smoke.checks import answers, http_client, results
from nox_pex.smoke.checks.captures import Captured, capture
from nox_pex.smoke.checks.conversation import FillError
from nox_pex.smoke.checks.http_client import Answer
from nox_pex.smoke.checks.results import CheckResult, CommandOutput
from nox_pex.smoke.checks.until import SHORTEST_COMPARISON
from nox_pex.smoke.log import Log
from nox_pex.smoke.plan import Boot
from nox_pex.smoke.process import ports
from nox_pex.smoke.process.boot_watch import BootWatch
from nox_pex.smoke.process.program import Exit, ProcessInfo, RunningProgram, UnavailableError
from nox_pex.smoke.ready import LOOK_INTERVAL
from nox_pex.smoke.runner import LaunchSpec
from nox_pex.smoke.smoke_test import BootProgress, SmokeTest, started
from nox_pex.smoke.stop import check_alive, left_processes, remaining_processes
from nox_pex.smoke.workspace import PEX_ROOT
from nox_pex.system import files, limited
from nox_pex.system.limited import LimitError

_Result = TypeVar("_Result")


_CRASH_TIMEOUT: Final = 0.3
"""Seconds to wait after a failed check. A program that has crashed ends within them."""


_TCP_TIMEOUT: Final = 5.0
"""Seconds that a TCP check may take."""


_OUTPUT_LIMIT: Final = 16 * 2**20
"""The number of bytes of a command's output that are checked."""


_REPORT_INTERVAL: Final = 10.0
"""Seconds between two lines that say that a command is still running."""


def run_checks(test: SmokeTest, program: RunningProgram, progress: BootProgress) -> NoxPexError | None:
    """Run all checks of `http` and `tcp`. Return the first failure. Raises `NoxPexError` `crashed`."""
    failed: NoxPexError | None = None
    every: tuple[HttpCheck | TcpCheck, ...] = (*test.smoke.http, *test.smoke.tcp)
    for check in every:
        if isinstance(check, HttpCheck):
            result = _check_http(test, check, program, progress)
        else:
            result = _check_tcp(test, check, program)
        progress.check_results.append(result)
        progress.work.at(len(progress.check_results), total=test.check_count)
        if not result.passed:
            check_alive(program, f"while it was asked for {result.check}", within=_CRASH_TIMEOUT)
            failed = failed or progress.check_failed(result)
    return failed


def _check_http(test: SmokeTest, check: HttpCheck, program: RunningProgram, progress: BootProgress) -> CheckResult:
    conversation = progress.conversation
    try:
        filled = conversation.fill(check)
    except FillError as error:
        conversation.record(check, Captured(), passed=False)
        return results.not_run(results.request_line(check), str(error))
    answer = http_client.request(
        test.endpoint,
        filled,
        tls=test.check_files.tls(check),
        timeout=check.timeout,
        network=program.network,
        cookies=conversation.cookies,
    )
    try:
        schema = test.check_files.schema(check)
        result, captured = _in_time(_compare, filled, answer, schema, timeout=check.timeout, used=answer.seconds)
    except LimitError as error:
        result, captured = results.failed_http(filled, answer, str(error)), Captured()
    conversation.record(check, captured, passed=result.passed)
    return replace(result, request=answers.request_to(test.endpoint, filled), answer=answers.of_server(answer))


def _compare(check: HttpCheck, answer: Answer, schema: object) -> tuple[CheckResult, Captured]:
    """Return the result of a check, and what it captures: also if it failed, because that must be masked."""
    result = results.http_result(check, answer, schema=schema)
    captured = capture(check, answer)
    if result.passed and captured.problem is not None:
        result = results.failed_http(check, answer, captured.problem)
    return result, captured


def _in_time(function: Callable[..., _Result], *args: object, timeout: float, used: float) -> _Result:
    """Return `function(*args)`, which compares, within what is left of `timeout` after `used` seconds.

    It has at least a second. Raises `LimitError`.
    """
    left = max(timeout - used, SHORTEST_COMPARISON)
    limit = f"the {left:.1f} s that were left of `timeout`" if used > timeout / 10 else f"{timeout:g} s (`timeout`)"
    return limited.call(function, *args, seconds=left, limit=limit)


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
        request=f"{host} port {port}",
    )


def run_commands(
    test: SmokeTest, boot: Boot, directory: Path, progress: BootProgress, *, alongside: RunningProgram | None = None
) -> NoxPexError | None:
    """Run all commands, `alongside` the server if there is one. Return the first failure."""
    failed: NoxPexError | None = None
    for check in test.smoke.command:
        launched = len(progress.launches)
        try:
            result, remaining = _run_command(test, boot, directory, check, progress, alongside=alongside)
        except UnavailableError:
            if alongside is not None:
                check_alive(alongside, "before a command could run alongside it", within=_CRASH_TIMEOUT)
            raise
        progress.check_results.append(result)
        progress.work.at(len(progress.check_results), total=test.check_count)
        was_run = len(progress.launches) > launched
        launch, logs = (progress.launches[-1], progress.logs[-2:]) if was_run else (None, [])
        if not result.passed:
            failed = failed or progress.check_failed(result, launch=launch, logs=logs)
        elif remaining:
            failed = failed or progress.blame(left_processes(result.check, remaining), launch=launch, logs=logs)
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
    try:
        check = progress.conversation.fill(check)
    except FillError as error:
        return results.not_run(results.command_line(check, test.name), str(error)), ()
    stem = directory / f"command-{len(progress.check_results)}"
    stdin = stem.with_suffix(".in")
    files.remove(stdin)
    files.write_text(stdin, check.stdin)  # it opens no file of that name: a program may have put a FIFO there
    line = results.command_line(check, test.name)
    stdout = Log.create(stem.with_suffix(".out"), title=line)
    stderr = Log.create(stem.with_suffix(".err"), title=f"{line} (standard error)")
    progress.logs += (stdout, stderr)
    launch = LaunchSpec(
        boot=boot,
        args=check.args,
        env=plan.command_variables(test.smoke, check),
        stdin=stdin,
        stdout=stdout.path,
        stderr=stderr.path,
    )
    extra = 0.0
    if alongside is None and _is_empty(directory / PEX_ROOT):
        extra = test.options.timeout or test.smoke.startup_timeout
    with started(test, launch, progress, alongside=alongside) as program:
        ended = test.interrupts.interruptible(
            _wait,
            program,
            timeout=check.timeout + extra,
            report=lambda seconds: test.say(f"{boot.condition}: {line} is still running after {seconds:.0f} s"),
            watch=progress.watch if alongside is None and len(progress.launches) == 1 else None,
        )
        seconds = (ended.at if ended else time.monotonic()) - program.started_at
        remaining = test.interrupts.interruptible(remaining_processes, program) if ended else ()
    output = CommandOutput(
        status=ended.status if ended else None,
        stdout=stdout.read(_OUTPUT_LIMIT),
        stderr=stderr.read(_OUTPUT_LIMIT),
        seconds=seconds,
        extra_timeout=extra,
    )
    result = test.interrupts.interruptible(_command_result, check, output, name=test.name)
    answer = answers.of_command(
        status=output.status, stdout=output.stdout, stderr=output.stderr, seconds=output.seconds
    )
    return replace(result, request=line, answer=answer), remaining


def _is_empty(directory: Path) -> bool:
    """Whether a directory is empty. A container has its own `PEX_ROOT`, and this one does not exist."""
    try:
        return not any(directory.iterdir())
    except OSError:
        return True


def _wait(
    program: RunningProgram, *, timeout: float, report: Callable[[float], None], watch: BootWatch | None
) -> Exit | None:
    """Wait until the program ends, at most `timeout` seconds. Call `report` every 10 s with the seconds so far.

    `watch` looks at the program until its own Python runs.
    """
    deadline = program.started_at + timeout
    report_at = program.started_at + _REPORT_INTERVAL
    while True:
        now = time.monotonic()
        pause = min(deadline, report_at) - now
        if watch is not None and not watch.is_over:
            watch.look(program.pid)
            pause = min(pause, LOOK_INTERVAL)
        ended = program.exited(within=max(pause, 0.0))
        if ended is not None or time.monotonic() >= deadline:
            return ended
        if time.monotonic() >= report_at:
            report(time.monotonic() - program.started_at)
            report_at += _REPORT_INTERVAL


def _command_result(check: CommandCheck, output: CommandOutput, *, name: str) -> CheckResult:
    used = min(output.seconds, check.timeout)
    try:
        return _in_time(results.command_result, check, output, name, timeout=check.timeout, used=used)
    except LimitError as error:
        return results.failed_command(check, output, name, str(error))
