"""Run the boots under one condition: `before`, then one boot or two, and `after`.

What a boot creates in `{tmp}`, or in what `before` prepares, does not exist in the next condition.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.smoke import result_line
from nox_pex.smoke.boot import run_boot
from nox_pex.smoke.plan import Boot
from nox_pex.smoke.process.program import UnavailableError
from nox_pex.smoke.report import BootResult
from nox_pex.smoke.smoke_test import SmokeTest


def skipped_boot(test: SmokeTest, boot: Boot, reason: str) -> BootResult:
    """Return the result of a boot that is not run, because of `reason`."""
    return BootResult(
        condition=boot.condition,
        platform=test.platform,
        state="skipped",
        reason=reason,
        check_count=test.check_count,
    )


def run_condition(test: SmokeTest, boots: Sequence[Boot]) -> tuple[BootResult, list[NoxPexError]]:
    """Run `before`, the boots of one condition, and `after`. Return the result of the last boot, and all failures.

    `after` runs even if `before` or a boot failed. If this machine cannot provide the condition, the result is a skip,
    which is a failure too if `skips` is `fail`.
    """
    condition = boots[0].condition
    if test.unavailable_reason is not None:
        result, failures = _unavailable(test, boots[0], test.unavailable_reason)
        test.say(result_line.of_boot(result, labels=test.labels))
        return result, failures
    try:
        failure = _prepare(test, condition)
        if failure is None:
            result, failures = _run_boots(test, boots)
        else:
            result, failures = _failed(test, boots[0], failure), [failure]
    finally:
        after_failure = test.own_commands.run("after", test.smoke.after, code="check-failed", name=condition)
    if after_failure is not None:
        failures.append(after_failure)
        if result.state == "passed":
            result = replace(result, state="failed", reason=after_failure.problem)
    test.say(result_line.of_boot(result, labels=test.labels))
    return result, failures


def _prepare(test: SmokeTest, condition: str) -> NoxPexError | None:
    """Empty the directories of the condition, and run `before`. Return the failure."""
    try:
        test.workspace.clear()
    except NoxPexError as error:
        return NoxPexError(error.code, f"{condition}: {error.problem}", error.remedy)
    return test.own_commands.run("before", test.smoke.before, code="launch-failed", name=condition)


def _run_boots(test: SmokeTest, boots: Sequence[Boot]) -> tuple[BootResult, list[NoxPexError]]:
    """Run the boots up to the first that does not pass. Return its result or that of the last one, and the failure."""
    for boot in boots:
        try:
            result, failure = run_boot(test, boot)
        except UnavailableError as unavailable:
            return _unavailable(test, boot, str(unavailable))
        if failure is not None:
            break
    return result, [] if failure is None else [failure]


def _unavailable(test: SmokeTest, boot: Boot, reason: str) -> tuple[BootResult, list[NoxPexError]]:
    result = skipped_boot(test, boot, reason)
    if test.smoke.skips == "report":
        return result, []
    remedy = 'run it on a machine that supports the condition, or set `skips = "report"`'
    rows = (("expected", 'no skipped condition (`skips = "fail"`)'), ("got", f"skipped: {reason}"))
    subject = f"{test.name}, {result.label}"
    return result, [NoxPexError("check-failed", result.skip, remedy, subject=subject, rows=rows)]


def _failed(test: SmokeTest, boot: Boot, failure: NoxPexError) -> BootResult:
    """Return the result of a boot that was not started because of `failure`."""
    return BootResult(
        condition=boot.condition,
        platform=test.platform,
        state="failed",
        reason=failure.problem,
        check_count=test.check_count,
    )
