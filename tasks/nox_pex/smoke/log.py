"""Reads what a program wrote, in bounded memory, whatever it wrote: no newline, no UTF-8, escape sequences."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from nox_pex.system.secrets import Secrets

_WINDOW: Final = 64 * 1024
"""Bytes of a log's end in which its last lines, and the secrets in them, are looked for."""


_LINES: Final = 20


_WIDTH: Final = 500


_PIECE: Final = 1024 * 1024
"""Bytes at which a line without an end is cut, so that it can be searched in bounded memory."""


_OVERLAP: Final = 4096
"""Bytes that two pieces of one line share, so that a match is not cut through."""


_ESCAPE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")


_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(data: bytes) -> str:
    """The text of a log: undecodable bytes as U+FFFD, without escape sequences and control characters."""
    return _CONTROL.sub("", _ESCAPE.sub("", data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")))


def tail(path: Path, secrets: Secrets) -> tuple[str, ...]:
    """The last lines of a log, oldest first, at most 20 of at most 500 characters, secrets masked."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - _WINDOW))
            data = file.read(_WINDOW)
    except FileNotFoundError:
        return ()
    # Masked before it is cut: a part of a secret is not recognised any more.
    lines = secrets.mask(plain(data)).splitlines()
    if end > _WINDOW and len(lines) > 1:
        lines = lines[1:]
    shown = [line.rstrip() for line in lines if line.strip()][-_LINES:]
    return tuple(line if len(line) <= _WIDTH else f"… {line[-_WIDTH:]}" for line in shown)


def missing(path: Path, patterns: Sequence[str]) -> tuple[str, ...]:
    """Those of the patterns that no line of the log matches."""
    wanted = {pattern: re.compile(pattern) for pattern in patterns}
    for line in _pieces(path) if wanted else ():
        wanted = {pattern: regex for pattern, regex in wanted.items() if not regex.search(line)}
        if not wanted:
            break
    return tuple(wanted)


def forbidden(path: Path, patterns: Sequence[str]) -> tuple[str, str] | None:
    """The first line of the log that a pattern matches: that pattern, and the line from the match on."""
    regexes = [re.compile(pattern) for pattern in patterns]
    for line in _pieces(path) if regexes else ():
        for regex in regexes:
            if match := regex.search(line):
                return regex.pattern, line[match.start() :][:_WIDTH].strip()
    return None


def _pieces(path: Path) -> Iterator[str]:
    before = b""
    with path.open("rb") as file:
        while piece := file.readline(_PIECE):
            yield plain(before + piece).rstrip("\n")
            before = b"" if piece.endswith(b"\n") else piece[-_OVERLAP:]
