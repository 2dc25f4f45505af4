"""The phases of a boot, from what was seen of it from outside of the program. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

PhaseName = Literal["launch", "unpack", "venv", "imports", "ready", "checks", "soak", "stop"]
"""The name of a phase. They come in this order, and a boot has those that can be told apart.

- `launch`: from the start until pex unpacks the file or runs the program. All of the start, if no more is known of it.
- `unpack`: pex, or a scie, unpacks itself.
- `venv`: pex starts again from what it unpacked, and creates the virtual environment.
- `imports`: from the start of the program's own Python to the open port. With `execution-mode = "zipapp"`, pex
  activates the distributions in the same process first.
- `ready`: from the open port to the sign that the program is ready. Without a port, from the start of its Python.
- `checks`: the checks. Of a command-line program also its imports.
- `soak`: the time in which it must stay up.
- `stop`: from the stop signal to its end.
"""


_LATER: Final = frozenset({"checks", "soak", "stop"})
"""The phases of a program that is ready."""


_SHORTEST: Final = 0.0005
"""Seconds below which a phase was not there."""


class Phase(Struct, frozen=True, kw_only=True):
    """One phase of a boot. `start` and `end` are in seconds from the launch, on the monotonic clock."""

    name: PhaseName
    start: float
    end: float


class Marks(Struct, kw_only=True):
    """The moments that were seen of a boot so far, in seconds from the launch; None if a moment was not seen.

    `writes`: pex, or a scie, has begun to unpack itself. `unpacked`: Python runs what pex unpacked. `makes_venv`: pex
    has begun to create the virtual environment. `program`: the Python of that environment runs. `listening`: the port,
    or the Unix socket, is open. `ready`: the sign was seen. `checked`, `soaked`: the checks, and the time after them,
    are over. `signalled`: the stop signal was sent. `ended`: the program has ended, or the boot has failed.
    """

    writes: float | None = None
    unpacked: float | None = None
    makes_venv: float | None = None
    program: float | None = None
    listening: float | None = None
    ready: float | None = None
    checked: float | None = None
    soaked: float | None = None
    signalled: float | None = None
    ended: float | None = None


def of_boot(marks: Marks, *, is_server: bool) -> tuple[Phase, ...]:
    """Return the phases of a boot, the last one up to the end of the program. A command-line program is no server.

    No phase begins before the one before it, although a program may look as if it did: its command line can be
    anything.
    """
    begun = list(_begun(marks, is_server=is_server))
    starts = list(itertools.accumulate((start for _, start in begun), max))
    found = []
    for (name, _), start, end in zip(begun, starts, [*starts[1:], marks.ended], strict=True):
        if end is not None and end - start >= _SHORTEST:
            found.append(Phase(name=name, start=start, end=end))
    return tuple(found)


def start_of(phases: Sequence[Phase]) -> str:
    """Return the phases up to the sign that the program is ready, for people; empty if they cannot be told apart."""
    found = [each for each in phases if each.name not in _LATER]
    return ", ".join(f"{each.name} {each.end - each.start:.1f} s" for each in found) if len(found) > 1 else ""


def as_json(phases: tuple[Phase, ...]) -> list[dict[str, Any]]:
    """Return the phases as a result file has them."""
    return [
        {"name": each.name, "start": round(each.start, 3), "seconds": round(each.end - each.start, 3)}
        for each in phases
    ]


def _begun(marks: Marks, *, is_server: bool) -> Iterator[tuple[PhaseName, float]]:
    """Yield each phase that has begun, and its start. A phase ends when the next one begins."""
    program = marks.program
    if program is None and marks.makes_venv is None:
        program = marks.unpacked
    if is_server or program is not None or marks.writes is not None:
        yield "launch", 0.0
    if marks.writes is not None:
        yield "unpack", marks.writes
    if marks.makes_venv is not None:
        yield "venv", marks.makes_venv if marks.unpacked is None else marks.unpacked
    if is_server:
        yield from _of_server(marks, program)
    else:
        yield "checks", program or 0.0


def _of_server(marks: Marks, program: float | None) -> Iterator[tuple[PhaseName, float]]:
    """Yield the phases of a server whose own Python runs since `program`; None if that is not known."""
    waits_for: PhaseName = "ready" if marks.listening is None and marks.ready is not None else "imports"
    begun: tuple[tuple[PhaseName, float | None], ...] = (
        (waits_for, program),
        ("ready", marks.listening),
        ("checks", marks.ready),
        ("soak", marks.checked),
        ("stop", marks.signalled),
    )
    yield from ((name, start) for name, start in begun if start is not None)
