"""The failure of a boot as people see it: what failed, what was expected, what came, and what the log says."""

from __future__ import annotations

from pathlib import Path

from nox_pex.errors import NoxPexError
from nox_pex.pex import build_record
from nox_pex.smoke import whole_log
from nox_pex.smoke.checks.results import CheckResult
from nox_pex.smoke.log import Log
from nox_pex.smoke.plan import Boot
from nox_pex.smoke.runner import LaunchSpec
from nox_pex.smoke.smoke_test import Blame, BootProgress, SmokeTest
from nox_pex.system import log_excerpt


def of_boot(test: SmokeTest, boot: Boot, error: NoxPexError, progress: BootProgress) -> NoxPexError:
    """Return the failure of a boot, without secrets, with its rows, its log and the line to repeat it by hand."""
    secrets, blame = progress.conversation.secrets, progress.blame_of(error)
    log = _telling(test, blame, progress)
    problem, rows = error.problem, error.rows
    if blame.check is not None:
        check = blame.check.masked(secrets)  # before it is cut: a part of a secret is not masked
        problem, rows = check.essence, rows_of_check(check)
    if progress.launches and not any(each.size() for each in progress.logs):
        rows += (("its log", "is empty"),)
    end = () if log is None else log.end(secrets, size=blame.written if log is progress.logs[0] else None)
    failure = error.replaced(
        problem=f"{boot.condition}: {problem}",
        subject=f"{test.name}, {boot.condition}{f': {error.subject}' if error.subject else ''}",
        rows=rows,
        log=error.log or (() if log is None else log.tail(secrets)),
        cause=log_excerpt.excerpt(error.log or end, own=_own_modules(test.workspace.binary)),
    ).masked(secrets.mask)
    whole = "" if test.options.serve else whole_log.text(progress.logs, secrets)
    failure = failure.replaced(whole_log=whole, log_count=whole_log.count(whole))
    failure = test.interrupts.interruptible(test.explain, failure, progress.logs)
    return failure.replaced(by_hand=_by_hand(test, progress, blame.launch))


def rows_of_check(result: CheckResult) -> tuple[tuple[str, str], ...]:
    """Return the rows of a failed check: what was expected, what came, and the answer if that says more."""
    answer = () if result.answer is None else (("answer", str(result.answer)),)
    if result.problem is not None:
        return (("got", result.problem), *answer)
    if result.answer is not None and result.answer.says(result.actual):
        return ("expected", result.expected), ("got", str(result.answer))
    return ("expected", result.expected), ("got", result.actual), *answer


def _telling(test: SmokeTest, blame: Blame, progress: BootProgress) -> Log | None:
    """Return the log that says why the boot failed: that of the command, or of the server; None if all are empty."""
    if blame.logs:
        return next((each for each in reversed(blame.logs) if each.size()), None)
    server = progress.logs[:1] if test.smoke.is_server else []
    return next((each for each in [*server, *reversed(progress.logs)] if each.size()), None)


def _own_modules(binary: Path) -> frozenset[str]:
    """Return the names that the project's own modules may have at the top level, as the build record has their paths.

    The first name of a path may be the directory that holds the sources, such as `src`.
    """
    sources = build_record.of_file(binary).get("sources")
    taken = sources.get("taken") if isinstance(sources, dict) else None
    paths = [str(path).split("/") for path in taken] if isinstance(taken, list) else []
    return frozenset(name.removesuffix(".py") for path in paths for name in path[:2])


def _by_hand(test: SmokeTest, progress: BootProgress, failed: LaunchSpec | None) -> str:
    """Return the line that repeats the launch which failed: the server's, or that of the command that failed."""
    if not progress.launches:
        return ""
    launch = failed or progress.launches[0 if test.smoke.is_server else -1]
    return test.runner.by_hand(launch, progress.conversation.secrets)
