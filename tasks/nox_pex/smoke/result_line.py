"""The lines with which a smoke test tells the result of each condition. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from nox_pex.smoke.report import AFTER_FAILURE, BootResult
from nox_pex.smoke.stop import Stop
from nox_pex.system.messages import Line

_WIDTHS: Final = (7, 15, 13, 16)
"""The widths of the columns, so that the lines of one run are a table: the state, ready, the checks, the stop."""


_LABEL: Final = 9
"""The least width of the condition with its colon."""


def of_boot(boot: BootResult, *, labels: Iterable[str] = ()) -> Line:
    """Return the line for the boot under one condition. `labels` are those of all boots, so that they form a column."""
    width = max(_LABEL, *(len(each) + 2 for each in (boot.label, *labels)))
    label = f"{boot.label}:".ljust(width)
    if boot.state == "skipped":
        return Line(text=f"{label} skipped  {boot.reason}", meaning="skipped")
    if boot.served is not None and boot.state == "passed":  # nothing was checked
        text = f"{label} served   {_ready(boot)}, for {boot.served:.0f} s"
        return Line(text=f"{text}, {boot.stop}" if boot.stop is not None else text)
    cells = (boot.state, _ready(boot), _checked(boot), _stopped(boot.stop), _memory(boot))
    padded = [f"{cell:<{width}}" for cell, width in zip(cells, (*_WIDTHS, 0), strict=True)]
    return Line(text=f"{label} {'  '.join(padded)}".rstrip(), meaning=boot.state)


def of_rest(boots: Sequence[BootResult]) -> Line | None:
    """Return the line for the conditions that were skipped because an earlier step failed; None if there are none."""
    labels = [boot.label for boot in boots if boot.state == "skipped" and boot.reason == AFTER_FAILURE]
    if not labels:
        return None
    label = f"{', '.join(labels)}:"
    return Line(text=f"{label:<{_LABEL}} skipped  {AFTER_FAILURE}", meaning="skipped")


def _ready(boot: BootResult) -> str:
    return "not ready" if boot.ready_after is None else f"ready in {boot.ready_after:.1f} s"


def _checked(boot: BootResult) -> str:
    return f"{boot.passed_checks} of {boot.check_count} checks" if boot.check_count else ""


def _stopped(stop: Stop | None) -> str:
    """Return how the program stopped. SIGTERM is the usual signal, so that only another one is named."""
    if stop is None or stop.status is None or stop.signal != "TERM":
        return "" if stop is None else str(stop)
    return f"stopped in {stop.seconds:.1f} s"


def _memory(boot: BootResult) -> str:
    return "" if boot.memory is None else f"{boot.memory / 1e6:.0f} MB RAM"
