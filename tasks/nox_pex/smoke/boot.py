"""Run one boot of the program under a condition: start, wait, check, soak, stop."""

from __future__ import annotations

import contextlib
import errno
import time
from pathlib import Path

from nox_pex.errors import NoxPexError
from nox_pex.smoke import failure as failures
from nox_pex.smoke import phases, plan, python_options
from nox_pex.smoke.checking import run_checks, run_commands
from nox_pex.smoke.checks.conversation import Conversation
from nox_pex.smoke.checks.texts import shorten
from nox_pex.smoke.log import Log
from nox_pex.smoke.plan import Boot
from nox_pex.smoke.process.program import RunningProgram
from nox_pex.smoke.ready import await_ready, check_free, require_own_listener
from nox_pex.smoke.report import BootResult
from nox_pex.smoke.runner import LaunchSpec
from nox_pex.smoke.signs import AnswerSign, LineSign, PortSign, Sign
from nox_pex.smoke.smoke_test import BootProgress, SmokeTest, started
from nox_pex.smoke.stop import check_alive, stop
from nox_pex.system.limited import LimitError
from nox_pex.system.messages import prefixed, working


def run_boot(test: SmokeTest, boot: Boot) -> tuple[BootResult, NoxPexError | None]:
    """Run one boot. Return its result, and its failure or None. Raises `UnavailableError` if this machine cannot."""
    doing = "starting" if test.smoke.is_server else "running"
    if boot.warms_up:
        doing = "first start, to warm up," if test.smoke.is_server else "first run, to warm up,"
    address = _address(test) if test.smoke.is_server else None
    place = "" if address is None else f" on {address.address}"
    with working(test.say, f"{boot.condition}: {doing} {test.name}{place}") as work:
        progress = BootProgress(conversation=Conversation(test.endpoint, test.secrets), work=work)
        try:
            return _run_and_report(test, boot, progress)
        finally:
            progress.close()


def _run_and_report(test: SmokeTest, boot: Boot, progress: BootProgress) -> tuple[BootResult, NoxPexError | None]:
    error: NoxPexError | None = None
    try:
        _run_boot(test, boot, progress)
    except NoxPexError as caught:
        error = caught
    except OSError as caught:
        if caught.errno != errno.EAGAIN:
            raise
        problem = "no process or thread can be started: this user has reached the limit (`ulimit -u`)"
        error = NoxPexError("os-error", problem, "make the program start fewer processes, or raise the limit")
    progress.watch.note("ended")
    failure = None if error is None else failures.of_boot(test, boot, error, progress)
    secrets = progress.conversation.secrets
    result = BootResult(
        condition=boot.condition,
        platform=test.platform,
        state="passed" if failure is None else "failed",
        reason=None if failure is None else failure.problem,
        check_count=test.check_count,
        ready_after=progress.ready_after,
        check_results=tuple(result.masked(secrets) for result in progress.check_results),
        stop=progress.stop,
        memory=progress.memory,
        served=progress.served,
        phases=phases.of_boot(progress.watch.marks, is_server=test.smoke.is_server),
    )
    return result, failure


def _run_boot(test: SmokeTest, boot: Boot, progress: BootProgress) -> None:
    directory = test.runner.prepare(boot)
    if test.smoke.is_server:
        _boot_server(test, boot, directory, progress)
    else:
        failed = run_commands(test, boot, directory, progress)
        progress.watch.note("ended")
        progress.ready_after = progress.check_results[0].seconds
        if failed is not None:
            raise failed
    if not test.options.serve:
        test.interrupts.interruptible(_check_logs, test, progress)


def _boot_server(test: SmokeTest, boot: Boot, directory: Path, progress: BootProgress) -> None:
    file = test.workspace.root / f"{boot.condition}{'-seed' if boot.warms_up else ''}.log"
    output = Log.create(file, title=" ".join((test.name, *test.smoke.args)))
    progress.logs.append(output)
    address = _address(test)
    sign = _sign(test, address, output)
    if boot.condition != "offline" and address is not None:  # it gets a new network, in which every port is free
        check_free(address, test.endpoint)
    launch = LaunchSpec(boot=boot, args=test.smoke.args, env=test.smoke.env, stdout=output.path)
    with started(test, launch, progress) as program:
        progress.ready_after = _await_ready(test, boot, program, sign, progress)
        if address is not None and sign is not address:
            test.interrupts.interruptible(require_own_listener, program, address)
        failed = None
        if test.options.serve:
            place = "" if address is None else f" on {address.address}"
            progress.served = _serve(test, program, f"{place}, log in {output.path}")
        elif not boot.warms_up:
            failed = test.interrupts.interruptible(run_checks, test, program, progress)
            failed_command = run_commands(test, boot, directory, progress, alongside=program)
            failed = failed or failed_command
            progress.watch.note("checked")
            soak = test.smoke.soak if failed is None else 0.0
            test.interrupts.interruptible(check_alive, program, "after the checks", within=soak)
        progress.watch.note("signalled")
        progress.stop, stop_failure = test.interrupts.interruptible(
            stop,
            program,
            with_signal=test.smoke.stop_signal,
            timeout=test.smoke.stop_timeout,
            exit_codes=test.smoke.stop_exit_codes,
        )
        progress.watch.stopped(progress.stop.seconds)
        first = failed or stop_failure
        if first is not None:
            raise first


def _await_ready(test: SmokeTest, boot: Boot, program: RunningProgram, sign: Sign, progress: BootProgress) -> float:
    """Wait for the sign. Return the seconds until then. Raises the errors of `await_ready`, explained."""
    timeout = test.options.timeout or test.smoke.startup_timeout
    try:
        return test.interrupts.interruptible(
            await_ready,
            program,
            sign,
            timeout=timeout,
            say=prefixed(test.say, f"{boot.condition}: "),
            work=progress.work,
            watch=progress.watch,
        )
    except NoxPexError as error:
        if isinstance(sign, LineSign) and error.code == "startup-timeout":
            error.remedy = _with_buffer_remedy(test, error.remedy)
        raise test.interrupts.interruptible(test.runner.explain, error, program) from error


def _sign(test: SmokeTest, address: Sign | None, output: Log) -> Sign:
    """Return the sign that the program, which writes its log to `output`, is ready."""
    ready = test.smoke.ready
    if ready is not None and ready.log is not None:
        return LineSign(output, ready.log)
    assert address is not None  # noqa: S101  # tells mypy: a server has a check, or one of the two keys of `ready`
    return address


def _address(test: SmokeTest) -> Sign | None:
    """Return the sign at the address of the server; None if the program is asked nothing, because it has no port."""
    check = plan.answer_check(test.smoke)
    if check is not None:
        tls = test.check_files.tls(check)
        return AnswerSign(endpoint=test.endpoint, check=check, explicit=test.smoke.ready is not None, tls=tls)
    if test.smoke.http:
        return PortSign(endpoint=test.endpoint, port=test.endpoint.port if test.endpoint.unix_socket is None else None)
    return PortSign(endpoint=test.endpoint, port=int(test.smoke.tcp[0].port)) if test.smoke.tcp else None


def _serve(test: SmokeTest, program: RunningProgram, where: str) -> float:
    """Leave the program running until Ctrl-C, or until it ends. Return the seconds until then."""
    started_at = time.monotonic()
    with contextlib.suppress(KeyboardInterrupt):
        test.say(f"serving{where}; Ctrl-C stops it")
        while test.interrupts.interruptible(program.exited, within=3600.0) is None:
            pass
    return time.monotonic() - started_at


def _check_logs(test: SmokeTest, progress: BootProgress) -> None:
    """Raise `NoxPexError` `log-forbidden` or `log-missing` if the logs do not match the settings."""
    try:
        for each in progress.logs:
            found = each.forbidden_line(test.smoke.log_forbid, progress.conversation.secrets)
            if found is not None:
                problem = f"a line of the log matches `log-forbid` {found[0]!r}: {shorten(found[1])}"
                rows = (("expected", f"no line matches {found[0]!r} (`log-forbid`)"), ("got", shorten(found[1])))
                failure = NoxPexError("log-forbidden", problem, "fix the cause, or change `log-forbid`", rows=rows)
                raise progress.blame(failure, logs=[each])
    except LimitError as error:
        raise NoxPexError("log-forbidden", f"the log cannot be searched: {error}", "simplify the pattern") from None
    missing = set(test.smoke.log_require)
    try:
        for each in progress.logs:
            missing &= set(each.missing_patterns(test.smoke.log_require))
    except LimitError as error:
        raise NoxPexError("log-missing", f"the log cannot be searched: {error}", "simplify the pattern") from None
    for pattern in test.smoke.log_require:
        if pattern in missing:
            problem = f"no line of the log matches `log-require` {pattern!r}"
            remedy = "see its log, or change `log-require`"
            if progress.stop is not None and progress.stop.killed_by_signal:
                remedy = _with_buffer_remedy(test, remedy)
            rows = (("expected", f"a line matches {pattern!r} (`log-require`)"), ("got", "no such line"))
            raise NoxPexError("log-missing", problem, remedy, rows=rows)


def _with_buffer_remedy(test: SmokeTest, remedy: str) -> str:
    """Return the remedy for a line that is not in the log, if the program's Python may have it in a buffer."""
    options = python_options.of_binary(test.workspace.binary)
    unbuffered = options and python_options.buffer_remedy(options, test.smoke.env)
    return f"if the program printed it, Python has it in a buffer: {unbuffered}; or {remedy}" if unbuffered else remedy
