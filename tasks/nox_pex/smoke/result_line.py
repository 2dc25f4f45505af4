"""The lines with which a smoke test tells the result of each condition. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from nox_pex.smoke.report import AFTER_FAILURE, BootResult
from nox_pex.smoke.stop import Stop
from nox_pex.system.messages import Line

_WIDTHS: Final = (7, 16, 14, 28)
"""The widths of the columns, so that the lines of one run are a table: the state, ready, the checks, the stop."""


_LABEL: Final = 9
"""The width of the condition, with its colon, as a terminal has it."""


def of_boot(boot: BootResult) -> Line:
    """Return the line for the boot under one condition."""
    label = f"{boot.label}:"
    if boot.state == "skipped":
        return Line(text=f"{label:<{_LABEL}} skipped {boot.reason}", meaning="skipped")
    if boot.served is not None and boot.state == "passed":  # nothing was checked
        return Line(
            text=f"{label:<{_LABEL}} served  {_ready(boot)}, for {boot.served:.0f} s, {boot.stop or ''}".rstrip(", ")
        )
    cells = (boot.state, _ready(boot), _checked(boot), _stopped(boot.stop), _memory(boot))
    padded = [f"{cell:<{width}}" for cell, width in zip(cells, (*_WIDTHS, 0), strict=True)]
    return Line(text=f"{label:<{_LABEL}} {' '.join(padded)}".rstrip(), meaning=boot.state)


def of_rest(boots: Sequence[BootResult]) -> Line | None:
    """Return the line for the conditions that were skipped because an earlier step failed; None if there are none."""
    labels = [boot.label for boot in boots if boot.state == "skipped" and boot.reason == AFTER_FAILURE]
    if not labels:
        return None
    label = f"{', '.join(labels)}:"
    return Line(text=f"{label:<{_LABEL}} skipped {AFTER_FAILURE}", meaning="skipped")


def _ready(boot: BootResult) -> str:
    return "not ready" if boot.ready_after is None else f"ready in {boot.ready_after:.1f} s"


def _checked(boot: BootResult) -> str:
    return f"{boot.passed_checks} of {boot.check_count} checks" if boot.check_count else ""


def _stopped(stop: Stop | None) -> str:
    return "" if stop is None else str(stop)


def _memory(boot: BootResult) -> str:
    return "" if boot.memory is None else f"{boot.memory / 1e6:.0f} MB"
