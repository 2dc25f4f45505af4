"""Run one boot of the program under a condition: start, wait, check, soak, stop."""

from __future__ import annotations

import contextlib
import errno
import time
from pathlib import Path

from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.smoke import plan, python_options
from nox_pex.smoke.checking import run_checks, run_commands
from nox_pex.smoke.checks import results
from nox_pex.smoke.checks.conversation import Conversation
from nox_pex.smoke.checks.results import CheckResult
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
from nox_pex.system.messages import prefixed
from nox_pex.system.secrets import Secrets


def run_boot(test: SmokeTest, boot: Boot) -> tuple[BootResult, NoxPexError | None]:
    """Run one boot. Return its result, and its failure or None. Raises `UnavailableError` if this machine cannot."""
    progress = BootProgress(conversation=Conversation(test.endpoint, test.secrets))
    try:
        return _run_and_report(test, boot, progress)
    finally:
        progress.close()


def _run_and_report(test: SmokeTest, boot: Boot, progress: BootProgress) -> tuple[BootResult, NoxPexError | None]:
    failure: NoxPexError | None = None
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
    secrets = progress.conversation.secrets
    if error is not None:
        problem, remedy = (secrets.mask(text) for text in (f"{boot.condition}: {error.problem}", error.remedy))
        failure = NoxPexError(error.code, problem, remedy, log=error.log or progress.log_tail())
        failure = test.interrupts.interruptible(test.explain, failure, progress.logs)
        failure.by_hand = _by_hand(test, progress)
    result = BootResult(
        condition=boot.condition,
        state="passed" if failure is None else "failed",
        reason=None if failure is None else failure.problem,
        check_count=test.check_count,
        ready_after=progress.ready_after,
        check_results=tuple(_mask(result, secrets) for result in progress.check_results),
        stop=progress.stop,
        memory=progress.memory,
        served=progress.served,
    )
    return result, failure


def _run_boot(test: SmokeTest, boot: Boot, progress: BootProgress) -> None:
    directory = test.runner.prepare(boot)
    if test.smoke.is_server:
        _boot_server(test, boot, directory, progress)
    else:
        test.say(f"{boot.condition}: {'first run, to warm up' if boot.warms_up else 'running'} {test.name}")
        failed = run_commands(test, boot, directory, progress)
        progress.ready_after = progress.check_results[0].seconds
        if failed is not None:
            raise failed
    if not test.options.serve:
        test.interrupts.interruptible(_check_logs, test, progress)


def _boot_server(test: SmokeTest, boot: Boot, directory: Path, progress: BootProgress) -> None:
    output = Log.create(test.workspace.root / f"{boot.condition}{'-seed' if boot.warms_up else ''}.log")
    progress.logs.append(output)
    address = _address(test)
    sign = _sign(test, address, output)
    if boot.condition != "offline" and address is not None:  # it gets a new network, in which every port is free
        check_free(address, test.endpoint)
    place = "" if address is None else f" on {address.address}"
    test.say(f"{boot.condition}: {'first start, to warm up' if boot.warms_up else 'starting'} {test.name}{place}")
    launch = LaunchSpec(boot=boot, args=test.smoke.args, env=test.smoke.env, stdout=output.path)
    with started(test, launch, progress) as program:
        progress.ready_after = _await_ready(test, boot, program, sign)
        if address is not None and sign is not address:
            test.interrupts.interruptible(require_own_listener, program, address)
        failed = None
        if test.options.serve:
            progress.served = _serve(test, program, f"{place}, log in {output.path}")
        elif not boot.warms_up:
            failed = test.interrupts.interruptible(run_checks, test, program, progress)
            failed_command = run_commands(test, boot, directory, progress, alongside=program)
            if failed is not None:  # the first failure is the server's, so the server is what to run by hand
                progress.failed_launch = None
            failed = failed or failed_command
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


def _await_ready(test: SmokeTest, boot: Boot, program: RunningProgram, sign: Sign) -> float:
    """Wait for the sign. Return the seconds until then. Raises the errors of `await_ready`, explained."""
    timeout = test.options.timeout or test.smoke.startup_timeout
    try:
        return test.interrupts.interruptible(
            await_ready, program, sign, timeout=timeout, say=prefixed(test.say, f"{boot.condition}: ")
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


def _by_hand(test: SmokeTest, progress: BootProgress) -> str:
    """Return the line that repeats the launch which failed: the server's, or that of the command that failed."""
    if not progress.launches:
        return ""
    launch = progress.failed_launch or progress.launches[0 if test.smoke.is_server else -1]
    return test.runner.by_hand(launch, progress.conversation.secrets)


def _check_logs(test: SmokeTest, progress: BootProgress) -> None:
    """Raise `NoxPexError` `log-forbidden` or `log-missing` if the logs do not match the settings."""
    try:
        for each in progress.logs:
            found = each.forbidden_line(test.smoke.log_forbid, progress.conversation.secrets)
            if found is not None:
                problem = f"a line of the log matches `log-forbid` {found[0]!r}: {results.shorten(found[1])}"
                raise NoxPexError("log-forbidden", problem, "fix the cause, or change `log-forbid`")
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
            raise NoxPexError("log-missing", problem, remedy)


def _with_buffer_remedy(test: SmokeTest, remedy: str) -> str:
    """Return the remedy for a line that is not in the log, if the program's Python may have it in a buffer."""
    options = python_options.of_binary(test.workspace.binary)
    unbuffered = options and python_options.buffer_remedy(options, test.smoke.env)
    return f"if the program printed it, Python has it in a buffer: {unbuffered}; or {remedy}" if unbuffered else remedy


def _mask(result: CheckResult, secrets: Secrets) -> CheckResult:
    return replace(
        result,
        check=secrets.mask(result.check),
        expected=secrets.mask(result.expected),
        actual=secrets.mask(result.actual),
        problem=None if result.problem is None else secrets.mask(result.problem),
    )
