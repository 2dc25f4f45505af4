"""The directories from which this process imports modules.

`python -m nox` and Invoke put the project's directory on `sys.path`, before everything else. A `packaging.py` or a
`secrets.py` in it would then be imported instead of the library or the module of the standard library.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*directories: str | os.PathLike[str]) -> Iterator[None]:
    """Import nothing from `directories`, nor from the working directory, while the block runs.

    A module that was imported before the block stays imported. What is inside a package is found as before.
    """
    ignored = {os.path.realpath(directory) for directory in (os.curdir, *directories)}
    before = sys.path[:]
    sys.path[:] = [entry for entry in before if os.path.realpath(entry) not in ignored]
    try:
        yield
    finally:
        sys.path[:] = before
