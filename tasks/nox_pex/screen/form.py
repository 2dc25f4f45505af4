"""The form of the lines: that of a log, or that of a terminal, with colours and a live line if it can have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TextIO

from msgspec import Struct

_OFF: Final = frozenset({"", "0", "false", "no", "off"})
"""The values of `FORCE_COLOR` that force nothing, in lower case, as Nox reads them."""


class Form(Struct, frozen=True, kw_only=True):
    """How lines look. The defaults are those of a log.

    `columns`: a line begins with its step in a column, instead of what the front end puts before every line. `colour`:
    its meaning is a colour too. `live`: the last line shows the progress of work, and is replaced all the time.
    """

    columns: bool = False
    colour: bool = False
    live: bool = False


LOG: Final = Form()
"""Plain lines."""


def choose(stream: TextIO | None, *, colour: bool, forced: bool, environ: Mapping[str, str], alone: bool) -> Form:
    """Return the form for lines on `stream`.

    `colour` and `forced` are what the front end says of colours: they are wanted if the stream is a terminal, and even
    if it is none. A terminal that is `dumb` (`TERM`) has neither colours nor a live line. `alone`: no other process
    writes to the stream meanwhile, so that a live line can be replaced.
    """
    is_terminal = _is_terminal(stream) and environ.get("TERM") not in ("dumb", "unknown")
    if not is_terminal:
        return Form(columns=forced, colour=forced)
    return Form(columns=True, colour=colour, live=alone)


def colour_of(environ: Mapping[str, str]) -> tuple[bool, bool]:
    """Return whether the variables want colours on a terminal, and whether they force them: as Nox reads them.

    Fact sources: no-color.org and force-color.org.
    """
    forced = environ.get("FORCE_COLOR", "").lower() not in _OFF
    return (forced or "NO_COLOR" not in environ), forced


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # it is closed
        return False
