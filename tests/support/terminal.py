"""A terminal for a program: a pseudo terminal, whose screen pyte emulates."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyte
from msgspec import Struct


class Shown(Struct, frozen=True, kw_only=True):
    """The end of a program on a terminal: its status, the last screen, every screen, and the raw output."""

    status: int
    lines: tuple[str, ...]
    screens: tuple[tuple[str, ...], ...]
    output: str

    def said(self, text: str) -> bool:
        """Whether a line of the last screen contains `text`."""
        return any(text in line for line in self.lines)

    def live(self, text: str) -> bool:
        """Whether a line of any screen contains `text`."""
        return any(text in line for screen in self.screens for line in screen)


def run(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], columns: int = 100, rows: int = 200) -> Shown:
    """Run a program on a terminal with this size until it ends."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environ = {name: value for name, value in env.items() if name not in {"COLUMNS", "LINES"}}
    process = subprocess.Popen(
        argv, cwd=cwd, env={"TERM": "xterm", **environ}, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
    )
    os.close(theirs)
    screen = pyte.Screen(columns, rows)
    stream = pyte.ByteStream(screen)
    output, screens = bytearray(), list[tuple[str, ...]]()
    try:
        while piece := _read(ours):
            output += piece
            stream.feed(piece)
            screens.append(_lines(screen))
        status = process.wait()
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return Shown(status=status, lines=_lines(screen), screens=tuple(screens), output=output.decode(errors="replace"))


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux: nobody has the other end any more
        return b""


def _lines(screen: pyte.Screen) -> tuple[str, ...]:
    return tuple(line.rstrip() for line in screen.display)
