"""Read a TOML file that a user wrote, whatever it is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from nox_pex.errors import NoxPexError
from nox_pex.system import files
from nox_pex.system.lazy import pattern

UNREADABLE: Final = (OSError, ValueError, RecursionError)
"""The exceptions of `read_text` and `tomllib.loads`: a file cannot be read, its text is not UTF-8 or not TOML, a number
has thousands of digits, a path has a null character, or arrays are too deep in one another."""


_LINE: Final = pattern(r" \(at line (?P<line>[0-9]+), column (?P<column>[0-9]+)\)$")
"""The end of a message of `tomllib`."""


def read_text(file: Path) -> str:
    """Return the text of a file, as `files.read_text` does. Raises one of `UNREADABLE`."""
    return files.read_text(file)


def refusal(file: Path, error: BaseException) -> NoxPexError:
    """Return the error `config` for a file that cannot be read because of `error`, with the line if known."""
    text = str(getattr(error, "strerror", None) or error)
    at = _LINE.search(text)
    if at is None:
        return NoxPexError("config", f"cannot read {file}: {text}", "correct the file")
    problem = f"cannot read {file}:{at['line']}: {text[: at.start()]}, in column {at['column']}"
    return NoxPexError("config", problem, "correct the file", rows=_line(file, int(at["line"])))


def _line(file: Path, number: int) -> tuple[tuple[str, str], ...]:
    """Return a row with the line `number` of a file that was read before; none if it cannot be read any more."""
    try:
        lines = read_text(file).split("\n")
    except UNREADABLE:
        return ()
    return (("line", lines[number - 1].strip()),) if number <= len(lines) and lines[number - 1].strip() else ()
