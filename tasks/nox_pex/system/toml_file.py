"""Read a TOML file that a user wrote, whatever it is."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

from nox_pex.errors import NoxPexError

UNREADABLE: Final = (OSError, ValueError, RecursionError)
"""The exceptions of `read_text` and `tomllib.loads`: a file cannot be read, its text is not UTF-8 or not TOML, a number
has thousands of digits, a path has a null character, or arrays are too deep in one another."""


_LINE: Final = re.compile(r" \(at line (?P<line>[0-9]+), column [0-9]+\)$")
"""The end of a message of `tomllib`."""


def read_text(file: Path) -> str:
    """Return the text of a file. Raises `OSError` if it is not a regular file; it never waits for another process."""
    descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, encoding="utf-8") as stream:  # noqa: PTH123  # of a descriptor
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            msg = "it is not a file"
            raise OSError(msg)
        return stream.read()


def refusal(file: Path, error: BaseException) -> NoxPexError:
    """Return the error `config` for a file that cannot be read because of `error`, with the line if known."""
    text = str(getattr(error, "strerror", None) or error)
    at = _LINE.search(text)
    place = f"{file}:{at['line']}" if at else str(file)
    return NoxPexError("config", f"cannot read {place}: {text}", "correct the file")
