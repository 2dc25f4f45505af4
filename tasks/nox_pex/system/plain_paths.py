"""Paths that every tool reads as they are.

Some tools read a path as something else: pex reads a wheel's path as a URL (`%2F`, `#`, `?`) and as a requirement (`;`,
`[`), a variable such as PATH is divided at `:`, a configuration file ends a value at the end of the line. Such a tool
gets a path in a temporary directory instead.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from nox_pex.errors import NoxPexError
from nox_pex.system import files

_PLAIN: Final = re.compile(r"[A-Za-z0-9/._+-]*")


_CANDIDATES: Final = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  # mkdtemp is used in them


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


@contextlib.contextmanager
def plain_directory() -> Iterator[Path]:
    """Yield a temporary directory with a plain path: in TMPDIR if that is plain, otherwise in a common directory.

    Raises `NoxPexError` `usage` if there is none.
    """
    for parent in temporary_parents():
        if not is_plain(parent.resolve()):
            continue
        with contextlib.ExitStack() as stack:
            try:
                directory = stack.enter_context(files.temporary_directory(prefix="nox-pex-", parent=parent))
            except OSError:  # it does not exist, or is not writable
                continue
            yield directory.resolve()
            return
    problem = f"no temporary directory has a path of plain characters, as in {tempfile.gettempdir()}"
    raise NoxPexError("usage", problem, "set TMPDIR to a directory whose path has letters, digits, `.`, `_`, `-` only")
