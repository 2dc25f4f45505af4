"""Run one boot of the program under a condition: start, wait, check, soak, stop."""

from __future__ import annotations

import contextlib
from pathlib import Path

from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.smoke import log
from nox_pex.smoke.checking import run_checks, run_commands
from nox_pex.smoke.checks import results
from nox_pex.smoke.checks.results import CheckResult
from nox_pex.smoke.plan import Boot
from nox_pex.smoke.process.program import RunningProgram, UnavailableError
from nox_pex.smoke.ready import Server, await_ready, check_free
from nox_pex.smoke.report import BootResult
from nox_pex.smoke.runner import LaunchSpec
from nox_pex.smoke.smoke_test import BootProgress, SmokeTest, log_tail, started
from nox_pex.smoke.stop import check_alive, stop
from nox_pex.system.secrets import Secrets


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
        failure = NoxPexError(error.code, problem, remedy, log=error.log or log_tail(test, progress.log_files))
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
        failed = run_commands(test, boot, directory, progress)
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
    with started(test, launch, progress) as program:
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
            failed = test.interrupts.interruptible(run_checks, test, program, progress)
            failed = failed or run_commands(test, boot, directory, progress, alongside=program)
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


def _mask(result: CheckResult, secrets: Secrets) -> CheckResult:
    return replace(
        result,
        check=secrets.mask(result.check),
        expected=secrets.mask(result.expected),
        actual=secrets.mask(result.actual),
        problem=None if result.problem is None else secrets.mask(result.problem),
    )
