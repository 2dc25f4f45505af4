"""Paths that every tool reads as they are.

Some tools read a path as something else: pex reads a wheel's path as a URL (`%2F`, `#`, `?`) and as a requirement (`;`,
`[`), a variable such as PATH is divided at `:`, a configuration file ends a value at the end of the line. Such a tool
gets a path in a temporary directory instead.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NoReturn

from nox_pex.errors import NoxPexError
from nox_pex.system import locks, memory
from nox_pex.system.lazy import pattern

_PLAIN: Final = pattern(r"[A-Za-z0-9/._+-]*")


_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # mkdtemp is used in it
"""The directory whose files are in memory only."""


_CANDIDATES: Final = ("/tmp", "/var/tmp", _MEMORY)  # noqa: S108  # mkdtemp is used in them


_NOEXEC: Final = getattr(os, "ST_NOEXEC", 0)
"""The flag of a file system on which no program can be run (statvfs(3)); only Linux has it."""


def is_plain(path: Path) -> bool:
    """Whether a path has only characters that have no meaning to any tool."""
    return _PLAIN.fullmatch(str(path)) is not None


def check_utf_8(path: Path, *, what: str) -> None:
    """Raise `NoxPexError` `usage` if the name of `path`, which `what` names, is not UTF-8: uv and Poetry refuse it."""
    try:
        os.fsencode(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoxPexError("usage", f"the path of {what} is not UTF-8: {path}", "rename the directory") from error


def temporary_parents() -> tuple[Path, ...]:
    """Return the directories in which a temporary directory may be made, the user's choice (TMPDIR) first."""
    return tuple(dict.fromkeys(Path(parent) for parent in (tempfile.gettempdir(), *_CANDIDATES)))


def allows_programs(directory: Path) -> bool:
    """Whether programs and shared libraries in `directory` can be run: its file system is not mounted `noexec`."""
    try:
        return not os.statvfs(directory).f_flag & _NOEXEC
    except OSError:
        return False


def plain_parent(*others: Path) -> Path:
    """Return a directory for temporary files with a plain path, in which programs can be run.

    It is TMPDIR if that is such a directory, otherwise a common directory, otherwise the first of `others` that is one.
    Raises `NoxPexError` `usage` if there is none.
    """
    return next(filter(allows_programs, _plain_parents(others)), None) or _no_parent()


def memory_parent(room: int) -> Path | None:
    """Return a directory in memory with at least `room` bytes free, in which programs can be run; None without one.

    Linux has it (shm_overview(7)), in containers often with 64 MB only. Processes need memory too, so it may take half
    of what is available at most.
    """
    try:
        found = os.statvfs(_MEMORY)
    except OSError:
        return None
    usable = os.access(_MEMORY, os.W_OK | os.X_OK) and allows_programs(_MEMORY)
    return _MEMORY if usable and found.f_bavail * found.f_frsize >= room and memory.available() >= 2 * room else None


@contextlib.contextmanager
def plain_directory(*others: Path) -> Iterator[Path]:
    """Yield a temporary directory with a plain path: in TMPDIR if that is plain, otherwise in a common directory.

    If possible, programs can be run in it. `others` are directories to try last.
    Raises `NoxPexError` `usage` if there is none.
    """
    for parent in sorted(_plain_parents(others), key=lambda path: not allows_programs(path)):
        with contextlib.ExitStack() as stack:
            try:
                directory = stack.enter_context(locks.scratch("nox-pex-plain-", parent=parent))
            except OSError:  # it is full, for example
                continue
            yield directory
            return
    _no_parent()


def _plain_parents(others: Sequence[Path]) -> Iterator[Path]:
    """Yield the directories with plain paths in which files can be made."""
    for parent in (*temporary_parents(), *others):
        path = parent.resolve()
        if is_plain(path) and os.access(path, os.W_OK | os.X_OK):
            yield path


def _no_parent() -> NoReturn:
    problem = (
        f"no temporary directory lets programs run and has a path of plain characters, as in {tempfile.gettempdir()}"
    )
    remedy = (
        "set TMPDIR to a directory that is not mounted `noexec`, with a path of letters, digits, `.`, `_`, `-` only"
    )
    raise NoxPexError("usage", problem, remedy)
