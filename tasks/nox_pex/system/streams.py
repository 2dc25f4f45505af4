"""Lines for the user and for scripts, on a stream that may be closed, full, or unable to write a character."""

from __future__ import annotations

import contextlib
import os
from typing import TextIO

from nox_pex.errors import NoxPexError


def write_line(line: str, stream: TextIO | None) -> None:
    """Write a line to the standard output, of which a script may read only the beginning (`| head -1`).

    If nobody reads any more, or the stream is closed (None), nothing is written, and that is no failure. Raises
    `NoxPexError` `disk-full` if the stream cannot be written to for another reason.
    """
    try:
        _print(line, stream)
    except BrokenPipeError:
        _silence(stream)
    except OSError as error:
        _silence(stream)
        problem = f"cannot write to the standard output: {error.strerror}"
        raise NoxPexError("disk-full", problem, "send it to a file on another disk, or to a terminal") from error


def show_line(line: str, stream: TextIO | None) -> None:
    """Write a line to the standard error, and ignore every failure, because no other place could show it."""
    try:
        _print(line, stream)
    except OSError:
        _silence(stream)


def _print(line: str, stream: TextIO | None) -> None:
    if stream is None:
        return
    try:
        print(line, file=stream, flush=True)
    except UnicodeEncodeError:
        shown = line.encode(stream.encoding, "backslashreplace").decode(stream.encoding)
        print(shown, file=stream, flush=True)


def _silence(stream: TextIO | None) -> None:
    """Send what is still in the buffer of `stream` nowhere, or Python would fail once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        if stream is not None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
