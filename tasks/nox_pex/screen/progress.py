"""The progress of work as a line: in a log now and then, on a terminal the live line, which Rich measures. Pure."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from nox_pex.screen.form import Form
from nox_pex.screen.lines import INDENT
from nox_pex.system.lazy import lazy
from nox_pex.system.messages import Progress
from nox_pex.system.wording import megabytes

if TYPE_CHECKING:
    from rich import console, progress_bar, table
else:  # they take 50 ms to load, and only a terminal with long work needs them
    console, progress_bar, table = lazy("rich.console"), lazy("rich.progress_bar"), lazy("rich.table")


_BAR_WIDTH: Final = 30


_WIDTH_WITH_BAR: Final = 72
"""The columns that a terminal needs for a bar next to the texts."""


_WIDEST: Final = 160
"""The columns that the line uses at most: the variable `COLUMNS` may say anything."""


_RATE_AFTER: Final = 1.0
"""Seconds after which a rate says something."""


def of_log(progress: Progress, *, seconds: float) -> str:
    """Return the line of a log for work that has taken `seconds` until now."""
    parts = [progress.work, _amount(progress), progress.current]
    return f"{', '.join(part for part in parts if part)} … {seconds:.0f} s"


def of_terminal(progress: Progress, form: Form, *, seconds: float, width: int) -> str:
    """Return the live line of a terminal of `width` columns, without the line's end; it has at most that width."""
    label, colon, what = progress.work.partition(": ")
    label, what = (label, what) if colon else ("", progress.work)
    grid = table.Table.grid(padding=(0, 1))
    grid.add_column(min_width=9 if label else None, no_wrap=True)
    grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    cells: list[console.RenderableType] = [label, f"{what} {progress.current}".rstrip()]
    if amount := _amount(progress):
        grid.add_column(no_wrap=True)
        cells.append(amount)
    if progress.total and width >= _WIDTH_WITH_BAR:
        grid.add_column(no_wrap=True)
        bar = progress_bar.ProgressBar(
            *(progress.total, min(progress.done, progress.total)),
            width=_BAR_WIDTH,
            style="bright_black",
            complete_style="cyan",
            finished_style="cyan",
        )
        cells.append(bar)
    if progress.unit == "B" and seconds > _RATE_AFTER:
        grid.add_column(no_wrap=True)
        cells.append(f"{megabytes(round(progress.done / seconds))}/s")
    grid.add_column(no_wrap=True, justify="right")
    cells.append(_duration(seconds))
    grid.add_row(*cells)
    grid.expand = bool(progress.total)
    out = io.StringIO()
    screen = console.Console(
        file=out,
        width=max(min(width, _WIDEST) - len(INDENT) - 1, 8),  # to fill the last column may begin the next line
        force_terminal=form.colour,
        no_color=not form.colour,
        color_system="standard" if form.colour else None,
        legacy_windows=False,
    )
    screen.print(grid, end="", highlight=False, markup=False)
    return INDENT + out.getvalue().split("\n", 1)[0].rstrip()


def _amount(progress: Progress) -> str:
    """Return how much is finished: `61 of 82`, `12.3 of 79.0 MB`; empty if nothing is counted."""
    if progress.unit == "B":
        if progress.total is None:
            return megabytes(progress.done) if progress.done else ""
        return f"{progress.done / 1e6:.1f} of {megabytes(progress.total)}"
    if progress.total is None:
        return str(progress.done) if progress.done else ""
    return f"{progress.done} of {progress.total}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"
