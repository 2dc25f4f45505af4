"""The phases of a boot, such as `unpack` and `imports`, as they are seen from outside of the program."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

PhaseName = Literal["launch", "unpack", "venv", "imports", "start", "ready", "checks", "soak", "stop"]
"""The name of a phase, in the order in which they come.

`launch`: from the start to the first file that pex writes, or to the program itself if pex writes none.
`unpack`: pex unpacks the file. `venv`: pex creates the virtual environment. `imports`: from the program's own start
to the open port. `start`: all of this, if the parts are not known. `ready`: from the open port to the first right
answer. `checks`, `soak`, `stop`: the checks, the time in which it must stay up, and its stop.
"""


class Phase(Struct, frozen=True, kw_only=True):
    """One phase of a boot. `start` and `end` are in seconds from the launch, on the monotonic clock."""

    name: PhaseName
    start: float
    end: float


def as_json(phases: tuple[Phase, ...]) -> list[dict[str, Any]]:
    """Return the phases as a result file has them."""
    return [
        {"name": each.name, "start": round(each.start, 3), "seconds": round(each.end - each.start, 3)}
        for each in phases
    ]
