"""Read a program's log in bounded memory, even if it has no newlines, is not UTF-8 or contains escape sequences."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from nox_pex.system import outside_text
from nox_pex.system.secrets import Secrets

_WINDOW: Final = 64 * 1024
"""The number of bytes at the end of a log from which its last lines are read."""


_LINES: Final = 20
"""The number of last lines that are shown."""


_WIDTH: Final = 500
"""The number of characters of a line that are shown."""


_PIECE: Final = 1024 * 1024
"""The number of bytes after which a line is cut, so that it can be searched in bounded memory."""


_NO_SECRETS: Final = Secrets()


_OVERLAP: Final = 4096
"""The number of bytes that two pieces of one line share, so that no match is cut in two."""


_ESCAPE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")


_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain_text(data: bytes) -> str:
    """Return the text of a log as patterns see it: without escape sequences and control characters.

    Undecodable bytes become U+FFFD.
    """
    return _CONTROL.sub("", _ESCAPE.sub("", data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")))


def tail(path: Path, secrets: Secrets) -> tuple[str, ...]:
    r"""Return the last lines of a log, oldest first: at most 20, of at most 500 characters, with secrets masked.

    They are as the program wrote them, and a byte that is not UTF-8 is `\xff`. `NoxPexError` escapes the rest.
    """
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - _WINDOW))
            data = file.read(_WINDOW)
    except FileNotFoundError:
        return ()
    # Mask before cutting, because a part of a secret is not recognised.
    found = outside_text.log_lines(secrets.mask(data.decode(errors="backslashreplace")))
    if end > _WINDOW and len(found) > 1:
        found = found[1:]
    last = [line.rstrip(" \t") for line in found if line.strip(" \t")][-_LINES:]
    return tuple(line if len(line) <= _WIDTH else f"… {line[-_WIDTH:]}" for line in last)


def lines(path: Path) -> Iterator[str]:
    """Yield the lines of a log, without a file none. A long line is yielded in overlapping pieces."""
    if path.is_file():
        yield from _pieces(path)


def missing_patterns(path: Path, patterns: Sequence[str]) -> tuple[str, ...]:
    """Return the patterns that no line of the log matches."""
    wanted = {pattern: re.compile(pattern) for pattern in patterns}
    for line in _pieces(path) if wanted else ():
        wanted = {pattern: regex for pattern, regex in wanted.items() if not regex.search(line)}
        if not wanted:
            break
    return tuple(wanted)


def forbidden_line(path: Path, patterns: Sequence[str], secrets: Secrets = _NO_SECRETS) -> tuple[str, str] | None:
    """Return the first match in the log: the pattern, and the line from the match to its end. None if there is none.

    The line is masked before it is cut. If the match itself was in a secret, the whole line is returned.
    """
    regexes = [re.compile(pattern) for pattern in patterns]
    for line in _pieces(path) if regexes else ():
        for regex in regexes:
            if match := regex.search(line):
                masked = secrets.mask(line)
                shown = match if masked == line else regex.search(masked)
                return regex.pattern, masked[shown.start() if shown else 0 :][:_WIDTH].strip()
    return None


def _pieces(path: Path) -> Iterator[str]:
    """Yield the lines of a log. A long line is yielded in overlapping pieces."""
    before = b""
    with path.open("rb") as file:
        while piece := file.readline(_PIECE):
            yield plain_text(before + piece).rstrip("\n")
            before = b"" if piece.endswith(b"\n") else piece[-_OVERLAP:]
