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
    show_text(f"{line}\n", stream)


def show_text(text: str, stream: TextIO | None) -> None:
    """Write `text`, which may be a part of a line, to the standard error, as `show_line` does."""
    try:
        _print(text, stream, end="")
    except OSError:
        _silence(stream)


def _print(text: str, stream: TextIO | None, *, end: str = "\n") -> None:
    if stream is None:
        return
    try:
        print(text, file=stream, end=end, flush=True)
    except UnicodeEncodeError:
        shown = text.encode(stream.encoding, "backslashreplace").decode(stream.encoding)
        print(shown, file=stream, end=end, flush=True)


def _silence(stream: TextIO | None) -> None:
    """Send what is still in the buffer of `stream` nowhere, or Python would fail once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        if stream is not None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
