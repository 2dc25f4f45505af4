"""Read a program's log in bounded memory, even if it has no newlines, is not UTF-8 or contains escape sequences."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from msgspec import Struct

from nox_pex.system import files, limited, outside_text
from nox_pex.system.limited import LimitError
from nox_pex.system.secrets import Secrets

_Result = TypeVar("_Result")


_WINDOW: Final = 64 * 1024
"""The number of bytes at the end of a log from which its last lines are read."""


_LINES: Final = 20
"""The number of last lines that a failure has."""


_SEARCHED: Final = 1_000
"""The number of last lines in which the cause of a failure is looked for."""


_WIDTH: Final = 500
"""The number of characters of a line that are shown."""


_LONGEST_SECRET: Final = 4096
"""Characters after a cut that may be a part of a secret."""


_PIECE: Final = 1024 * 1024
"""The number of bytes that are searched at once. A longer line is cut."""


_OVERLAP: Final = 4096
"""The number of bytes that two pieces of one line share, so that no match is cut in two."""


_SECONDS: Final = 10.0
"""Seconds in which one log is searched."""


_ESCAPE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")


_CONTROL: Final = bytes({*range(9), *range(11, 32), 0x7F})
"""The control characters of ASCII, except tab and line feed."""


_C1_CONTROL: Final = re.compile(r"[\x80-\x9f]")


class Log(Struct, frozen=True, kw_only=True):
    """The file with the output of a program. It is read by the `descriptor` that was opened before the program started.

    The program may remove or replace the file at `path`. `title` says for people what the program is. `close` must be
    called at the end.
    """

    path: Path
    descriptor: int
    title: str = ""

    @classmethod
    def create(cls, path: Path, *, title: str = "") -> Log:
        """Create an empty file, which replaces whatever a program left there, and open it. Raises `OSError`."""
        files.remove(path)
        flags = os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return cls(path=path, descriptor=os.open(path, flags, 0o600), title=title)

    def close(self) -> None:
        """Close the descriptor. A second call has no effect."""
        with contextlib.suppress(OSError):
            os.close(self.descriptor)

    def size(self) -> int:
        """Return the number of bytes."""
        return os.fstat(self.descriptor).st_size

    def read(self, limit: int, *, start: int = 0) -> bytes:
        """Return the bytes from `start` on, at most `limit`."""
        return _read(self.descriptor, start, limit)

    def tail(self, secrets: Secrets) -> tuple[str, ...]:
        r"""Return the last lines, oldest first: at most 20, of at most 500 characters, with secrets masked.

        They are as the program wrote them, and a byte that is not UTF-8 is `\xff`. `NoxPexError` escapes the rest.
        """
        return _last_lines(self.descriptor, secrets)

    def end(self, secrets: Secrets, *, size: int | None = None) -> tuple[str, ...]:
        """Return the last lines of the first `size` bytes as `tail` does, but 1,000, and those in the last 64 KiB."""
        return _last_lines(self.descriptor, secrets, count=_SEARCHED, end=size)

    def lines(self) -> Iterator[str]:
        """Yield the lines. A long line is yielded in overlapping pieces."""
        for block in _blocks(self.descriptor):
            yield from block

    def missing_patterns(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """Return the patterns that no line matches. Raises `LimitError` if that is not known after 10 s."""
        return self._search(_missing_patterns, patterns, key="log-require") if patterns else ()

    def forbidden_line(self, patterns: Sequence[str], secrets: Secrets) -> tuple[str, str] | None:
        """Return the first match: the pattern, and the line from the match to its end. None if there is none.

        The line is masked before it is cut. If the match itself was in a secret, the whole line is returned. Raises
        `LimitError` if the result is not known after 10 s.
        """
        found = self._search(_forbidden_line, patterns, key="log-forbid") if patterns else None
        if found is None:
            return None
        pattern, line = found
        masked = secrets.mask(line)
        start = 0
        with contextlib.suppress(LimitError):  # the first search was shorter
            start = limited.call(_start_of_match, pattern, masked, seconds=_SECONDS)
        return pattern, masked[start:][:_WIDTH].strip()

    def matches(self, pattern: str, *, start: int, seconds: float) -> tuple[bool, int]:
        """Return whether a line from the byte `start` on matches, and the `start` for the next call.

        An unfinished last line is searched now, and again by the next call. Raises `LimitError`, which names the
        pattern of `ready.log`, if the result is not known after `seconds`.
        """
        if self.size() <= start:
            return False, start
        limit = f"{seconds:.1f} s, the rest of `startup-timeout`"
        return limited.call(_matches, self.descriptor, pattern, start, seconds=seconds, limit=limit)

    def _search(self, function: Callable[..., _Result], patterns: Sequence[str], *, key: str) -> _Result:
        limit = f"{_SECONDS:g} s on a log of {self.size()} bytes"
        return limited.call(function, self.descriptor, tuple(patterns), key, seconds=_SECONDS, limit=limit)


def plain_text(data: bytes) -> str:
    """Return the text of a log as patterns see it: without escape sequences and control characters.

    Undecodable bytes become U+FFFD.
    """
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\x1b" in data:
        text = _ESCAPE.sub("", data.decode(errors="replace"))
        data = text.encode()  # an escape sequence may contain other control characters
    text = data.translate(None, _CONTROL).decode(errors="replace")
    return _C1_CONTROL.sub("", text) if b"\xc2" in data else text


def tail(path: Path, secrets: Secrets) -> tuple[str, ...]:
    """Return the last lines of the log at `path` as `Log.tail` does. There are none if there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ()
    try:
        return _last_lines(descriptor, secrets)
    except OSError:  # it is a pipe or a directory
        return ()
    finally:
        os.close(descriptor)


def _last_lines(descriptor: int, secrets: Secrets, *, count: int = _LINES, end: int | None = None) -> tuple[str, ...]:
    end = os.fstat(descriptor).st_size if end is None else end
    start = max(0, end - _WINDOW)
    data = _read(descriptor, start, end - start)
    # Mask before cutting, because a part of a secret is not recognised.
    found = outside_text.log_lines(secrets.mask(data.decode(errors="backslashreplace")))
    if end > _WINDOW:  # the first line is cut, and so may be a secret in it
        first, *others = found
        found = others if any(line.strip(" \t") for line in others) else [first[_LONGEST_SECRET:]]
    last = [line.rstrip(" \t") for line in found if line.strip(" \t")][-count:]
    return tuple(line if len(line) <= _WIDTH else f"… {line[-_WIDTH:]}" for line in last)


def _missing_patterns(descriptor: int, patterns: Sequence[str], key: str) -> tuple[str, ...]:
    wanted = {pattern: re.compile(pattern) for pattern in patterns}
    for lines in _blocks(descriptor):
        for pattern, regex in [*wanted.items()]:
            limited.doing(f"`{key}` {pattern!r}")
            if any(map(regex.search, lines)):
                del wanted[pattern]
        if not wanted:
            break
    return tuple(wanted)


def _forbidden_line(descriptor: int, patterns: Sequence[str], key: str) -> tuple[str, str] | None:
    """Return the pattern that matches first, and the whole line."""
    regexes = [re.compile(pattern) for pattern in patterns]
    for lines in _blocks(descriptor):
        searched = lines
        found: tuple[str, str] | None = None
        for regex in regexes:
            limited.doing(f"`{key}` {regex.pattern!r}")
            number = next((number for number, line in enumerate(searched) if regex.search(line)), None)
            if number is not None:
                found = regex.pattern, searched[number]
                searched = searched[:number]
        if found is not None:
            return found
    return None


def _start_of_match(pattern: str, line: str) -> int:
    match = re.search(pattern, line)
    return match.start() if match else 0


def _matches(descriptor: int, pattern: str, start: int) -> tuple[bool, int]:
    limited.doing(f"`ready.log` {pattern!r}")
    end = os.fstat(descriptor).st_size
    regex = re.compile(pattern)
    if any(regex.search(line) for lines in _blocks(descriptor, start) for line in lines):
        return True, start
    begin = max(start, end - _PIECE)
    finished = _read(descriptor, begin, end - begin).rfind(b"\n") + 1
    return False, begin + finished if finished else max(start, end - _OVERLAP)


def _blocks(descriptor: int, start: int = 0) -> Iterator[list[str]]:
    """Yield all lines from the byte `start` on, many at a time. A long line is yielded in overlapping pieces.

    A hole in a sparse file is skipped: it contains no text, and may have any size.
    """
    rest = b""
    position = _next_data(descriptor, start)
    while position is not None and (block := _read(descriptor, position, _PIECE)):
        position = _next_data(descriptor, position + len(block))
        whole, newline, after = (rest + block).rpartition(b"\n")
        if newline:
            yield plain_text(whole).split("\n")
            rest = after
        elif len(after) > _PIECE:
            yield plain_text(after).split("\n")
            rest = after[-_OVERLAP:]
        else:
            rest = after
    if rest:
        yield plain_text(rest).split("\n")


def _next_data(descriptor: int, position: int) -> int | None:
    """Return the first position from `position` on at which the file has data, None if it has none."""
    if sys.platform != "linux":
        return position
    try:
        return os.lseek(descriptor, position, os.SEEK_DATA)
    except OSError as error:
        return None if error.errno == errno.ENXIO else position  # not every file system knows its holes


def _read(descriptor: int, position: int, size: int) -> bytes:
    """Return at most `size` bytes from `position` on. Fewer only at the end of the file."""
    data = bytearray()
    while len(data) < size and (piece := os.pread(descriptor, size - len(data), position + len(data))):
        data += piece
    return bytes(data)
