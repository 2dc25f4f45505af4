"""Run a step's work for each binary, several at a time, and report every failure."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from nox_pex.errors import NoxPexError
from nox_pex.pex.target import Target
from nox_pex.screen import failure
from nox_pex.steps.context import Context, wording
from nox_pex.system import files
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    from concurrent import futures
else:
    futures = lazy("concurrent.futures")  # most projects have one binary


def each_binary(context: Context, work: Callable[[Target], None], *, at_once: int = 1) -> None:
    """Call `work` for each selected binary, `at_once` at a time, and report the outcome of each to the journal.

    A `NoxPexError` does not stop the other binaries. At the end, every failure but the first is shown, and the first is
    raised. After an interruption, no further binary is started.
    """

    def attempt(target: Target) -> NoxPexError | None:
        found, started = None, time.monotonic()
        try:
            work(target)
        except NoxPexError as error:
            found = error if error.subject else error.replaced(subject=target.name)
        seconds = time.monotonic() - started
        context.journal.ended(target.stem, error=found, mask=wording(context), seconds=seconds)
        return found

    failures = [error for error in _map(attempt, context.targets, at_once=at_once) if error is not None]
    for error in failures[1:]:
        masked = error.masked(wording(context))  # before it is escaped
        for message in failure.messages(masked, subject=masked.subject):
            context.say(message)
    if failures:
        raise failures[0]


def remove_results(*results: Path) -> None:
    """Remove the result files of an earlier run: if this run is interrupted, none must be left.

    Raises `NoxPexError` `os-error` if a directory is in the place of one.
    """
    for result in results:
        files.require_replaceable(result)
        result.unlink(missing_ok=True)


def _map(
    attempt: Callable[[Target], NoxPexError | None], targets: tuple[Target, ...], *, at_once: int
) -> list[NoxPexError | None]:
    """The results of `attempt` in the order of `targets`, whichever ends first."""
    if at_once <= 1:
        return [attempt(target) for target in targets]
    with futures.ThreadPoolExecutor(at_once) as pool:
        try:
            return list(pool.map(attempt, targets))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
