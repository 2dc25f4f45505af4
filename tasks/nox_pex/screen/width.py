"""The columns of the terminal that a stream writes to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final, TextIO

_DEFAULT: Final = 80


_WIDEST: Final = 1000
"""The columns that are used at most. The variable `COLUMNS` may say anything."""


def of(stream: TextIO | None, environ: Mapping[str, str]) -> int:
    """Return the columns for lines on `stream`: those in `COLUMNS`, but not more than its terminal has.

    The standard output does not count: it may be a pipe, or another terminal. Without a terminal and a usable variable
    there are 80.
    """
    wanted, real = _wanted(environ.get("COLUMNS", "")), _real(stream)
    return min(wanted or real or _DEFAULT, real or _WIDEST, _WIDEST)


def _wanted(text: str) -> int:
    """Return the number in the variable; 0 if it has none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(_WIDEST)) else 0


def _real(stream: TextIO | None) -> int:
    """Return the columns of the terminal of a stream; 0 if it is none, or does not know them."""
    try:
        return 0 if stream is None else os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):  # it is no terminal, or closed
        return 0
