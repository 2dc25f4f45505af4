"""The events that the supervisor of a program sends, checked: the program may have written to its pipe."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from nox_pex.errors import NoxPexError


class Event(Struct, frozen=True, kw_only=True):
    """An event of the supervisor. `damaged` is set for a line that the supervisor never writes."""

    started: int | None = None
    exited: int | None = None
    at: float | None = None
    uncontained: str | None = None
    refused: str | None = None
    failed: int | None = None
    reason: str = ""
    tree: tuple[tuple[int, str], ...] | None = None
    ended: tuple[int, ...] | None = None
    peak: int = 0
    damaged: bool = False

    @classmethod
    def parse(cls, line: bytes) -> Event:
        """Return the event of a line. It never fails."""
        try:
            event = msgspec.json.decode(line, type=cls)
        except (ValueError, RecursionError):  # `msgspec.DecodeError` is a `ValueError`
            return cls(damaged=True)
        has_time = event.at is not None or (event.started is None and event.exited is None)
        return event if has_time else cls(damaged=True)


def supervisor_gone() -> NoxPexError:
    """Return the error for a supervisor that has ended without an order."""
    return NoxPexError(
        "crashed",
        "the process that supervises the program was killed",
        "see whether the program kills other processes, or whether the machine ran out of memory",
    )


def damaged_events() -> NoxPexError:
    """Return the error for an event that the supervisor never sends."""
    return NoxPexError(
        "crashed",
        "another process has written to the pipe of the process that supervises the program",
        "see whether the program writes to /proc/PID/fd of other processes",
    )
