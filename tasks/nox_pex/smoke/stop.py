"""Stop a program as an operator does, and check how it stopped."""

from __future__ import annotations

import signal
import time
from typing import Final

from msgspec import Struct

from nox_pex.errors import Code, NoxPexError
from nox_pex.settings.values import signal_number
from nox_pex.smoke.checks.results import exit_allowed
from nox_pex.smoke.process.program import Exit, ProcessInfo, RunningProgram, describe_processes

_CHILDREN_TIMEOUT: Final = 1.0
"""Seconds in which the children must end after the program has ended. A process pool ends like that."""


_BY_HAND: Final = "see its log, or run the binary by hand"


_CRASHES: Final = frozenset({signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV})
"""The signals that end a program that crashes."""


class Stop(Struct, frozen=True, kw_only=True):
    """The stop of a program: the signal, the exit status (None if it was killed), and the seconds until the end."""

    signal: str
    status: int | None
    seconds: float

    @property
    def killed_by_signal(self) -> bool:
        """Whether a signal ended the program, so that it could not write what it had in its buffers."""
        return self.status is None or self.status < 0

    def __str__(self) -> str:
        if self.status is None:
            return f"killed: still running {self.seconds:.1f} s after SIG{self.signal}"
        return f"stopped by SIG{self.signal} in {self.seconds:.1f} s"


def stop(
    program: RunningProgram, *, with_signal: str, timeout: float, exit_codes: tuple[int | str, ...]
) -> tuple[Stop, NoxPexError | None]:
    """Send the program a signal and wait up to `timeout` seconds. Return how it stopped, and the failure or None.

    The failure is `stop-timeout`, `stop-exit-code`, `left-processes`, or `crashed` if it crashed instead of stopping.
    Raises `NoxPexError`: `crashed` if the program had ended before.
    """
    check_alive(program, "before the stop signal")
    sent = time.monotonic()
    program.signal(signal_number(with_signal))
    ended = program.exited(within=timeout)
    result = Stop(
        signal=with_signal.removeprefix("SIG"),
        status=ended.status if ended else None,
        seconds=(ended.at if ended else time.monotonic()) - sent,
    )
    if ended is None:
        problem = f"the program was still running {timeout:g} s after SIG{result.signal} (`stop-timeout`), "
        problem += "so it was killed"
        remedy = "make it end on that signal, or set `stop-signal` or `stop-timeout`"
        expected = f"it ends within {timeout:g} s after SIG{result.signal} (`stop-timeout`)"
        rows = (("expected", expected), ("got", "it was still running, so it was killed"))
        return result, NoxPexError("stop-timeout", problem, remedy, subject="stop", rows=rows)
    if not exit_allowed(ended.status, exit_codes):
        allowed = ", ".join(str(code) for code in exit_codes)
        rows = (("expected", f"it stops with one of {allowed} (`stop-exit-codes`)"), ("got", str(ended)))
        if -ended.status in _CRASHES:
            problem = f"the program crashed ({ended}) at the stop signal, or just before"
            return result, NoxPexError("crashed", problem, _BY_HAND, subject="stop", rows=rows)
        problem = f"the program stopped with {ended}, which is not among `stop-exit-codes` ({allowed})"
        remedy = "see its log, or add the status to `stop-exit-codes`"
        return result, NoxPexError("stop-exit-code", problem, remedy, subject="stop", rows=rows)
    remaining = remaining_processes(program)
    return result, left_processes("the program", remaining) if remaining else None


def check_alive(program: RunningProgram, when: str, *, within: float = 0.0) -> None:
    """Raise `NoxPexError` `crashed` if the program has ended, or ends within `within` seconds.

    `when` ends the sentence, as in `after the checks`.
    """
    ended = program.exited(within=within)
    if ended is not None:
        raise ended_by_itself("crashed", program, ended, when)


def ended_by_itself(code: Code, program: RunningProgram, ended: Exit, when: str) -> NoxPexError:
    """Return the error for a program that ended without a stop signal."""
    problem, remedy = f"the program ended ({ended}) {when}", _BY_HAND
    rows = [("expected", "it keeps running"), ("got", f"{ended}, {when}")]
    remaining = program.tree()
    if remaining:
        problem += f", and left {describe_processes(remaining)} running"
        rows.append(("left", describe_processes(remaining)))
        remedy = "make it stay in the foreground, and end its children before it ends"
    return NoxPexError(code, problem, remedy, rows=tuple(rows))


def remaining_processes(program: RunningProgram) -> tuple[ProcessInfo, ...]:
    """Return the processes that still run a second after the program has ended."""
    deadline = time.monotonic() + _CHILDREN_TIMEOUT
    while (members := program.tree()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return members


def left_processes(who: str, remaining: tuple[ProcessInfo, ...]) -> NoxPexError:
    """Return the error for processes that outlive `who`, which started them."""
    count = "a process" if len(remaining) == 1 else f"{len(remaining)} processes"
    problem = f"{who} left {count} behind: {describe_processes(remaining)}"
    rows = (("expected", "no process is left"), ("got", describe_processes(remaining)))
    return NoxPexError("left-processes", problem, "make it end its children before it ends", rows=rows)
