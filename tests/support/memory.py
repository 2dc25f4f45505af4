"""A directory in memory for temporary files, on machines that have enough of it.

Each `verify` writes some ten thousand temporary files and removes them: on ext4, four seconds of system time.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from nox_pex.system import locks, plain_paths

_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # mkdtemp is used in it
_PREFIX: Final = "npt"
_NEEDED: Final = 6 << 30
"""Bytes that have to be free: many times more than the temporary files of all workers at any moment."""


@contextmanager
def temporary_directory() -> Iterator[Path]:
    """Yield a directory with a short path for temporary files: in memory, or the usual one."""
    if not _roomy():
        yield Path(tempfile.gettempdir())
        return
    with locks.scratch(_PREFIX, parent=_SHARED_MEMORY) as directory:
        yield directory


def _roomy() -> bool:
    """Whether programs can be run in the shared memory, and whether it and the machine have enough room."""
    if not os.access(_SHARED_MEMORY, os.W_OK) or not plain_paths.allows_programs(_SHARED_MEMORY):
        return False
    system = os.statvfs(_SHARED_MEMORY)
    return min(system.f_bavail * system.f_frsize, psutil.virtual_memory().available) > _NEEDED
