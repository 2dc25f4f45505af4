"""The directories from which this process imports modules.

`python -m nox` and Invoke put the project's directory on `sys.path`, before everything else. A `packaging.py` or a
`secrets.py` in it would then be imported instead of the library or the module of the standard library.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_STANDARD_LIBRARY: Final = Path(os.__file__).resolve().parent


_NEEDED: Final = frozenset(
    map(str, (Path(__file__).resolve().parents[2], _STANDARD_LIBRARY, _STANDARD_LIBRARY / "lib-dynload"))
)
"""The directory that nox-pex is installed in, where what it needs may be too, and those of the standard library."""


@contextmanager
def without(*directories: str | os.PathLike[str]) -> Iterator[None]:
    """Import nothing from `directories`, the working directory and those above it, while the block runs.

    `tasks.py` of Invoke may be above the working directory. A module that was imported before the block stays imported.
    What is inside a package is found as before. A working directory that was removed has no modules.
    """
    try:
        here = Path.cwd()
    except OSError:
        here = Path("/")
    ignored = {_real(os.fspath(directory), here) for directory in (here, *here.parents, *directories)} - _NEEDED
    before = sys.path[:]
    sys.path[:] = [entry for entry in before if _real(entry, here) not in ignored]
    try:
        yield
    finally:
        sys.path[:] = before


@functools.cache  # each session of a run asks for the same directories
def _real(path: str, here: Path) -> str:  # noqa: ARG001  # a relative path depends on it
    """Return `path` without links; `here` is the working directory."""
    return os.path.realpath(path)
