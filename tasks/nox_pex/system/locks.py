"""Locks between processes: files and directories (flock(2))."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from nox_pex.system.files import remove


@contextlib.contextmanager
def locked(path: Path, *, waiting: Callable[[], None]) -> Iterator[int]:
    """Hold the lock `path` alone; yields its file descriptor.

    `waiting` is called once where another process holds it. A child that inherits the descriptor keeps the lock until
    it ends too (flock(2)), so a tool that survives its killed parent still keeps others out of what it writes to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def try_lock_directory(directory: Path, *, shared: bool = False) -> Iterator[bool]:
    """Claim a directory, alone or `shared`; yields False where a living process has a claim against it (flock(2)).

    False also where there is none, or one that somebody removed, or replaced, before the claim had it.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            ours = os.path.samestat(os.fstat(descriptor), directory.stat())
        except OSError:
            ours = False
        yield ours
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked_tempdir(directory: Path, prefix: str) -> Iterator[Path]:
    """Make a directory in `directory`, and claim it until it is left; who has no use for it then removes it.

    A `sweep` may be faster than the claim, and takes the directory for a left one: then another is made.
    """
    while True:
        made = Path(tempfile.mkdtemp(prefix=prefix, dir=directory))
        with try_lock_directory(made) as ours:
            if ours:
                yield made
                return


def remove_abandoned(directory: Path, prefix: str) -> None:
    """Remove what processes that were killed have left of `fresh`: this user's directories that nobody claims."""
    for left in directory.glob(f"{glob.escape(prefix)}*"):
        with contextlib.suppress(OSError):
            if left.lstat().st_uid != os.geteuid():
                continue
            with try_lock_directory(left) as abandoned:
                if abandoned:
                    remove(left)


@contextlib.contextmanager
def shared_lock(directory: Path, *, waiting: Callable[[], None]) -> Iterator[None]:
    """Claim a directory together with others; it is made where it is not there.

    `waiting` is called once where another process has it alone.
    """
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


_HELD: Final[dict[Path, int]] = {}
"""What this process holds until its end: directories, and the descriptors of the claims."""


def lock_until_exit(directory: Path) -> None:
    """Claim a directory together with others, until this process ends."""
    if (held := _HELD.get(directory)) is not None:
        if os.path.samestat(os.fstat(held), directory.stat()):
            return
        os.close(held)  # it was made anew
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    _HELD[directory] = descriptor
