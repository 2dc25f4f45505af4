"""A table in columns, such as the one that ends a run of several binaries. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Final

from msgspec import Struct

from nox_pex.screen.form import Form
from nox_pex.screen.lines import INDENT, STYLES, painted
from nox_pex.system.messages import Meaning

_GAP: Final = "   "


_NARROWEST: Final = 12
"""The columns that are left to the flexible column at least."""


class Cell(Struct, frozen=True):
    """A cell: its text, and the meaning that colours it. A number is on the right of its column."""

    text: str
    meaning: Meaning = "plain"
    number: bool = False


def table(
    header: Sequence[str], rows: Sequence[Sequence[Cell]], form: Form, *, flexible: str, width: int | None
) -> Iterator[str]:
    """Yield the lines of a table. Each of the `rows` has a cell for each name in `header`.

    The column `flexible` is broken between words, so that a line has at most `width` columns; None breaks none.
    """
    head = [Cell(name, "program") for name in header]
    widths = [max(len(row[number].text) for row in (head, *rows)) for number in range(len(header))]
    if width is not None:
        excess = len(INDENT) + sum(widths) + len(_GAP) * (len(widths) - 1) - (width - 1)
        column = header.index(flexible)
        widths[column] = max(widths[column] - max(excess, 0), min(widths[column], _NARROWEST))
    for row in (head, *rows):
        broken = [
            textwrap.wrap(cell.text, size, break_on_hyphens=False) or [""]
            for cell, size in zip(row, widths, strict=True)
        ]
        for texts in zip_longest(*broken, fillvalue=""):
            cells = zip(row, texts, widths, strict=True)
            yield INDENT + _GAP.join(_shown(cell, text, size, form) for cell, text, size in cells).rstrip()


def _shown(cell: Cell, text: str, width: int, form: Form) -> str:
    padding = " " * (width - len(text))
    shown = painted(text, STYLES.get(cell.meaning, ""), form)
    return f"{padding}{shown}" if cell.number else f"{shown}{padding}"
