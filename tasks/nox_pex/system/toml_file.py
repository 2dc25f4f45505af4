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


_LINE: Final = pattern(r" \(at line (?P<line>[0-9]+), column [0-9]+\)$")
"""The end of a message of `tomllib`."""


def read_text(file: Path) -> str:
    """Return the text of a file, as `files.read_text` does. Raises one of `UNREADABLE`."""
    return files.read_text(file)


def refusal(file: Path, error: BaseException) -> NoxPexError:
    """Return the error `config` for a file that cannot be read because of `error`, with the line if known."""
    text = str(getattr(error, "strerror", None) or error)
    at = _LINE.search(text)
    place = f"{file}:{at['line']}" if at else str(file)
    return NoxPexError("config", f"cannot read {place}: {text}", "correct the file")
