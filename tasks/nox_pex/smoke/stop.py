"""Stops a program as an operator would, and judges how it went."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import Final

from nox_pex.errors import Code, NoxPexError
from nox_pex.settings.smoke import signal_number
from nox_pex.smoke.checks.verdicts import exit_allowed
from nox_pex.smoke.process.program import Exit, ProcessInfo, RunningProgram, describe_processes

_CHILDREN_END: Final = 1.0
"""Seconds in which children end by themselves after the program did, as those of a process pool do."""


_CRASHES: Final = frozenset({signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV})
"""Signals of which a program dies by its own fault."""


@dataclass(frozen=True, kw_only=True)
class Stop:
    """How the program stopped: after which signal, with which exit status (None: killed), after how many seconds."""

    signal: str
    status: int | None
    seconds: float

    def __str__(self) -> str:
        if self.status is None:
            return f"killed: still running {self.seconds:.1f} s after SIG{self.signal}"
        return f"stopped by SIG{self.signal} in {self.seconds:.1f} s"


def stop(
    program: RunningProgram, *, with_signal: str, timeout: float, exit_codes: tuple[int | str, ...]
) -> tuple[Stop, NoxPexError | None]:
    """Sends the program the signal and waits `timeout` seconds: how it stopped, and what was wrong with that.

    Wrong is `stop-timeout`, `stop-exit-code` or `left-processes`. Raises `NoxPexError` with `crashed` for a program
    that has ended before.
    """
    check_alive(program, "before it was told to stop")
    sent = time.monotonic()
    program.signal(signal_number(with_signal))
    ended = program.exited(within=timeout)
    done = Stop(
        signal=with_signal.removeprefix("SIG"),
        status=ended.status if ended else None,
        seconds=(ended.at if ended else time.monotonic()) - sent,
    )
    if ended is None:
        problem = f"the program still ran {timeout:g} s after SIG{done.signal}, and was killed"
        remedy = "make it end on that signal, or set `stop-signal` or `stop-timeout`"
        return done, NoxPexError("stop-timeout", problem, remedy)
    if not exit_allowed(ended.status, exit_codes):
        allowed = ", ".join(str(code) for code in exit_codes)
        if -ended.status in _CRASHES:
            problem = f"the program crashed ({ended}) when it was told to stop, or just before"
            return done, NoxPexError("crashed", problem, "see its log, or run the binary by hand")
        problem = f"the program stopped with {ended}, which is not among `stop-exit-codes` ({allowed})"
        return done, NoxPexError("stop-exit-code", problem, "see its log, or add the status to `stop-exit-codes`")
    left = left_behind(program)
    return done, left_processes("the program", left) if left else None


def check_alive(program: RunningProgram, when: str, *, within: float = 0.0) -> None:
    """Raises `NoxPexError` with `crashed` if the program has ended, or does so `within` so many seconds."""
    ended = program.exited(within=within)
    if ended is not None:
        raise ended_by_itself("crashed", program, ended, when)


def ended_by_itself(code: Code, program: RunningProgram, ended: Exit, when: str) -> NoxPexError:
    """The error for a program that ended though nobody told it to."""
    problem, remedy = f"the program ended ({ended}) {when}", "see its log, or run the binary by hand"
    left = program.tree()
    if left:
        problem += f", and left {describe_processes(left)} running"
        remedy = "make it stay in the foreground, and end its children before itself"
    return NoxPexError(code, problem, remedy)


def left_behind(program: RunningProgram) -> tuple[ProcessInfo, ...]:
    """What still runs a moment after the program has ended."""
    deadline = time.monotonic() + _CHILDREN_END
    while (members := program.tree()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return members


def left_processes(who: str, left: tuple[ProcessInfo, ...]) -> NoxPexError:
    """The error for processes that should have ended with `who` started them."""
    count = "a process" if len(left) == 1 else f"{len(left)} processes"
    problem = f"{who} left {count} behind: {describe_processes(left)}"
    return NoxPexError("left-processes", problem, "make it end its children before itself")
