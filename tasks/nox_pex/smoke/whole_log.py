"""The whole log of a failed boot as the text of a file: masked, escaped, and of a bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from nox_pex.smoke.log import Log
from nox_pex.system import outside_text
from nox_pex.system.secrets import Secrets
from nox_pex.system.wording import megabytes

MOST: Final = 1_000_000
"""The number of bytes of the text. The middle of a longer log is left out."""


_WIDTH: Final = 10_000
"""Characters of a line. The rest of a longer one is left out."""


_LONGEST_SECRET: Final = 4096
"""Characters at a cut that may be a part of a secret, if there is no end of a line there."""


def text(logs: Sequence[Log], secrets: Secrets) -> str:
    """Return everything that the programs of a boot printed, each line as `outside_text.log_line` has it.

    It ends with a line break, unless it is empty. If several programs printed something, each part begins with a line
    that names the program.
    """
    parts = [each for each in logs if each.size()]
    lines: list[str] = []
    for each in parts:
        lines += [f"# {outside_text.shown(secrets.mask(each.title))}"] if len(parts) > 1 else []
        lines += _lines(each, secrets, most=MOST // len(parts))
    return "".join(f"{line}\n" for line in lines)


def count(whole: str) -> int:
    """Return the number of lines of a text that ends with a line break."""
    return whole.count("\n")


def _lines(log: Log, secrets: Secrets, *, most: int) -> list[str]:
    size, half = log.size(), most // 2
    if size <= most:
        lines = _shown(secrets.mask(_decoded(log.read(most))))
        return lines if _size(lines) <= most else _without_middle(lines, lines, size=size, most=most)
    head, tail = secrets.mask(_decoded(log.read(half))), secrets.mask(_decoded(log.read(half, start=size - half)))
    # A secret that is cut is not masked.
    head = head.rpartition("\n")[0] or head[:-_LONGEST_SECRET]
    tail = tail.partition("\n")[2] or tail[_LONGEST_SECRET:]
    return _without_middle(_shown(head), _shown(tail), size=size, most=most)


def _decoded(data: bytes) -> str:
    return data.decode(errors="backslashreplace")


def _shown(masked: str) -> list[str]:
    lines = [_line(line) for line in outside_text.log_lines(masked)]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _line(line: str) -> str:
    shown = outside_text.log_line(line[: _WIDTH + 1]).rstrip()
    return shown if len(shown) <= _WIDTH else f"{shown[:_WIDTH]} …"


def _without_middle(first: Sequence[str], last: Sequence[str], *, size: int, most: int) -> list[str]:
    """Return the beginning of `first`, a note, and the end of `last`, together at most `most` bytes."""
    note = f"… the middle of this log of {megabytes(size)} is left out …"
    half = (most - _size([note])) // 2
    return [*_fitting(first, half), note, *reversed(_fitting(reversed(last), half))]


def _fitting(lines: Iterable[str], most: int) -> list[str]:
    found: list[str] = []
    for line in lines:
        most -= _size([line])
        if most < 0:
            break
        found.append(line)
    return found


def _size(lines: Iterable[str]) -> int:
    return sum(len(line.encode(errors="replace")) + 1 for line in lines)
