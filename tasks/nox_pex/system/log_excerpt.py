"""Choose the few lines of a log that say why a program or a tool failed. Pure.

The lines stay as they are, in their order: nothing is added but a `…` for what is left out between two of them. A line
is matched without its colours. All patterns are linear in the length of a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from nox_pex.system.lazy import pattern

GAP: Final = "…"
"""Stands for lines that are left out."""


MOST: Final = 8
"""The number of lines that say a cause, without the gaps."""


_WIDTH: Final = 240
"""Characters of a line. The middle of a longer one is left out."""


_LAST: Final = 4
"""The number of last lines of a log in which no line says a cause."""


_MESSAGE_LINES: Final = 6
"""The number of lines of an exception: its message may have several. Half of them if another exception follows."""


_END: Final = 2
"""The number of last lines among which an error is the last word."""


_BEFORE: Final = 3
"""The number of lines that are shown before an error that is the last word."""


_COLOUR: Final = pattern(r"\x1b\[[0-9;]*m")


_TRACEBACK: Final = pattern(r"(?P<prefix>.*?)(?:\+ Exception Group )?Traceback \(most recent call last\):\s*\Z")


_CHAINED: Final = pattern(
    r"The above exception was the direct cause of the following exception:"
    r"|During handling of the above exception, another exception occurred:"
)


_FRAME: Final = pattern(r'[ |+]*File "(?P<path>[^"]+)", line \d+')


_PLACE: Final = pattern(r"/(?:site|dist)-packages/|\.whl/|\.deps/[^/]+/")
"""The text before the top-level name of a module that is installed, also in the directories of pex."""


_LIBRARY: Final = pattern(
    r"/lib(?:64)?/python3[^/]*/(?!(?:site|dist)-packages/)|^<frozen "
    r"|/\.bootstrap/|/venvs/.*/pex$|/unzipped_pexes/\d+/[^/]+/__main__\.py$|/s?bin/[^/.]+$"
)
"""The path of a frame in Python's own library, in pex, or in the script of a distribution."""


_SHUTDOWN: Final = pattern(r"(?:[\w.]*\.)?(?:KeyboardInterrupt|SystemExit|CancelledError|GeneratorExit)\b")
"""An exception that ends a program which was asked to end."""


_RECORD: Final = pattern(
    r"\[?\d{4}[-/]\d\d[-/]\d\d"
    r"|(?:DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL|NOTICE)\b"
    r"|\[(?:debug|info|warning|error|critical)",
    re.IGNORECASE,
)
"""The beginning of a record of a log, which ends the message of an exception."""


_STRONG: Final = pattern(
    r"^(?:[\w.$]+\.)?[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning)(?:: |\Z)"  # Python, Node
    r"|^Exception in thread |^Caused by: |^Uncaught "  # Java, Node
    r"|^panic: |^fatal error: |\bpanicked at "  # Go, Rust
    r"|\b(?:FATAL|CRITICAL|PANIC|EMERG)\b|^(?:fatal|critical)(?: error)?: "
    r'|"(?:level|severity|levelname)": ?"(?:critical|fatal)"'
    r"|\b[Aa]ddress already in use\b|\bEADDRINUSE\b|\bport is already allocated\b"
    r"|\b[Oo]ut of memory\b|\b[Cc]annot allocate memory\b|\bOOM\b|\bSegmentation fault\b"
)


_WEAK: Final = pattern(
    r"\b(?:ERROR|Error)\b|^error\b|\berror: |\[error\]|✗|❌"
    r'|"(?:level|severity|levelname)": ?"error"'
    r"|\b(?i:not found|no such file|permission denied|connection refused|not set|is required|must be set|is missing)\b"
    r"|\b(?i:could not|cannot|can't|unable to|failed to)\b"
)


_NOISE: Final = pattern(
    r"Application startup failed\. Exiting|Exception in ASGI application|Worker failed to boot|Exception in worker"
    r"|^Traceback |^During handling of |^The above exception |Worker \(pid:\d+\) (?:exited|was sent)"
    r"|HTTP/[0-9.]+\""
    r"|\b(?:INFO|DEBUG)\b"
)
"""A line around a failure that does not say why, or a line of a healthy server."""


_TRACE: Final = pattern(r"\s+at |\tat |\s+\.\.\. \d+ more|goroutine \d+ \[|\s*note: run with `RUST_BACKTRACE")
"""A line of a stack in Node, Java, Go or Rust."""


_DIGITS: Final = pattern(r"\d+")


_FOREIGN: Final = pattern(r"node:|node_modules|java\.|javax\.|jdk\.|sun\.|org\.spring|\.\.\. \d+ more|goroutine|RUST_")
"""A line of a stack that is not in the user's code."""


class _Frame(Struct, frozen=True):
    """A frame of a traceback: the numbers of its lines, and its path."""

    lines: tuple[int, ...]
    path: str


class _Traceback(Struct, frozen=True):
    """A traceback: the number of its first line, its frames, and the numbers of the lines of its exception."""

    start: int
    frames: tuple[_Frame, ...]
    message: tuple[int, ...]

    @property
    def end(self) -> int:
        """The number of the last line."""
        return max(self.message, default=self.start)


def excerpt(lines: Sequence[str], *, own: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Return the lines of a log, or of its end, that say why something failed: at most 8, and the gaps between them.

    A Python traceback gives its last frame in the user's code, and its exception, after those of the exception that
    caused it. `own` are the top-level names of the user's modules, which a PEX installs next to all others. Other
    languages give the line of the error with the first line of its stack. A log without any of this gives its last
    lines.
    """
    plain = [_COLOUR.sub("", line) for line in lines]
    chosen = list(_of_tracebacks(plain, own)) or list(_of_errors(plain))
    if not chosen:
        chosen = [number for number, line in enumerate(plain) if line.strip()][-_LAST:]
    return tuple(_with_gaps(lines, sorted(set(chosen))[-MOST:]))


def _with_gaps(lines: Sequence[str], chosen: Sequence[int]) -> Iterator[str]:
    for place, number in enumerate(chosen):
        if place and number > chosen[place - 1] + 1:
            yield GAP
        yield _shortened(lines[number])


def _shortened(line: str) -> str:
    frame = _FRAME.match(line)
    if frame is not None and (places := [*_PLACE.finditer(frame["path"])]):  # its directories do not exist any more
        line = f"{line[: frame.start('path')]}{GAP}{line[frame.start('path') + places[-1].start() :]}"
    if len(line) <= _WIDTH:
        return line
    half = (_WIDTH - 3) // 2
    return f"{line[:half]} {GAP} {line[-half:]}"


def _of_tracebacks(lines: Sequence[str], own: frozenset[str]) -> list[int]:
    """Return the numbers of the lines for the last traceback that is not of a shutdown, and its first cause."""
    every = list(_tracebacks(lines))
    told = [each for each in every if not _SHUTDOWN.match(_said(lines, each))] or every
    if not told:
        return []
    last = told[-1]
    chain = [last]
    for each in reversed(every[: every.index(last)]):
        between = lines[each.end + 1 : chain[0].start]
        if not any(map(_CHAINED.search, between)):
            break
        chain.insert(0, each)
    root = chain[0]
    if last is root:
        return [*_frame_of(root, own), *root.message]
    half = _MESSAGE_LINES // 2
    return [*_frame_of(root, own), *root.message[:half], *last.message[:half]]


def _said(lines: Sequence[str], found: _Traceback) -> str:
    return lines[found.message[0]].lstrip(" |") if found.message else ""


def _frame_of(found: _Traceback, own: frozenset[str]) -> tuple[int, ...]:
    """Return the lines of the last frame in the user's code, or else of the last one outside of Python's library."""
    outside = [frame for frame in found.frames if not _LIBRARY.search(frame.path)]
    of_user = [frame for frame in outside if _is_own(frame.path, own)]
    return next((frames[-1].lines for frames in (of_user, outside, found.frames) if frames), ())


def _is_own(path: str, own: frozenset[str]) -> bool:
    *_, last = [None, *_PLACE.finditer(path)]
    if last is None:
        return True
    top = path[last.end() :].partition("/")[0].removesuffix(".py")
    return top in own


def _tracebacks(lines: Sequence[str]) -> Iterator[_Traceback]:
    for start, line in enumerate(lines):
        header = _TRACEBACK.match(line)
        if header is not None:
            yield _traceback(lines, start, header["prefix"].replace("+ ", "  ").ljust(len(header["prefix"])))


def _traceback(lines: Sequence[str], start: int, prefix: str) -> _Traceback:
    """Return the traceback that begins on line `start`. `prefix` is what comes before it on each of its lines."""
    frames: list[_Frame] = []
    number = start + 1
    if number < len(lines) and not lines[number].startswith(prefix):
        prefix = ""  # it is the beginning of one record, as in `ERROR: Traceback`
    while number < len(lines) and (rest := lines[number].removeprefix(prefix)).startswith(" "):
        if (frame := _FRAME.match(rest)) is not None:
            frames.append(_Frame((number,), frame["path"]))
        elif frames and len(frames[-1].lines) == 1 and rest.strip(" ^~|"):
            frames[-1] = _Frame((*frames[-1].lines, number), frames[-1].path)
        number += 1
    message: list[int] = []
    while number < len(lines) and len(message) < _MESSAGE_LINES:
        rest = lines[number].removeprefix(prefix)
        if message and _ends_message(rest, after=lines[message[0]]):
            break
        message.append(number)
        number += 1
    return _Traceback(start, tuple(frames), tuple(message))


def _ends_message(line: str, *, after: str) -> bool:
    """Whether the message of an exception, which began on the line `after`, has ended before `line`.

    Some servers repeat the message without the name of the exception.
    """
    said = after.partition(": ")[2].strip()
    repeats = bool(said) and (said in line or line.strip() in said)
    return repeats or not line.strip(" |+-") or any(each.match(line) for each in (_CHAINED, _TRACEBACK, _RECORD))


def _of_errors(lines: Sequence[str]) -> Iterable[int]:
    """Return the numbers of the last lines that say an error, the strongest ones, with what belongs to them."""
    for judge, most in ((_STRONG, 3), (_WEAK, 4)):
        found = [number for number, line in enumerate(lines) if judge.search(line.strip()) and not _NOISE.search(line)]
        if found:
            distinct = {_DIGITS.sub("", lines[number]): number for number in found}  # the last of those that are alike
            last = sorted(distinct.values())[-most:]
            chosen = [each for number in last for each in (number, *_following(lines, number))]
            # A tool that ends with an error of its own, as a builder of images does, names what failed before.
            ends = judge is _WEAK and chosen[-1] >= len(lines) - _END
            return [*range(max(chosen[0] - _BEFORE, 0), chosen[0]), *chosen] if ends else chosen
    return []


def _following(lines: Sequence[str], number: int) -> Iterator[int]:
    """Yield the number of the line that belongs to an error: the user's first line of its stack, or more text."""
    stack = number + 1
    while stack < len(lines) and _TRACE.match(lines[stack]):
        if not _FOREIGN.search(lines[stack]):
            yield stack
            return
        stack += 1
    after = number + 1
    belongs = after < len(lines) and ("panicked at" in lines[number] or lines[after].startswith(("  ", "\t")))
    if belongs and lines[after].strip(" ^~|") and not _TRACE.match(lines[after]):
        yield after
