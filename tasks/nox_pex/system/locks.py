"""Locks between processes: flock(2) on files and on directories."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from nox_pex.system.files import remove


@contextlib.contextmanager
def locked(path: Path, *, waiting: Callable[[], None]) -> Iterator[int]:
    """Hold the lock file `path` exclusively, and yield its file descriptor. The file is made if it does not exist.

    If another process holds the lock, call `waiting` once, then wait. A child that inherits the descriptor keeps the
    lock until it ends (flock(2)): a tool that outlives its killed parent still keeps others from what it writes to.
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
def try_lock(path: Path, *, shared: bool = False) -> Iterator[bool]:
    """Lock a directory or a file, exclusively or `shared`, without waiting; yield whether that succeeded.

    It fails if another lock conflicts with it, if `path` does not exist or cannot be opened, and if another process
    removed or replaced `path` before the lock was taken.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            acquired = os.path.samestat(os.fstat(descriptor), path.stat())
        except OSError:
            acquired = False
        yield acquired
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked_tempdir(directory: Path, prefix: str) -> Iterator[Path]:
    """Make a directory in `directory`, and lock it until the block is left. The caller removes it.

    A concurrent `remove_abandoned` may remove the new directory before it is locked. Then another one is made.
    """
    while True:
        path = Path(tempfile.mkdtemp(prefix=prefix, dir=directory))
        with try_lock(path) as acquired:
            if acquired:
                yield path
                return


@contextlib.contextmanager
def scratch(prefix: str, *, parent: Path | None = None) -> Iterator[Path]:
    """Make a directory in `parent`, or in the directory for temporary files, and remove it after the block.

    `prefix` begins its name. Those that killed processes left there are removed first. What cannot be removed stays.
    """
    directory = parent or Path(tempfile.gettempdir())
    remove_abandoned(directory, prefix)
    with locked_tempdir(directory, prefix) as path:
        try:
            yield path
        finally:
            remove(path)


def remove_abandoned(directory: Path, prefix: str) -> None:
    """Remove the directories that killed processes left: `locked_tempdir` made them, and no process locks them.

    Only those of this user are removed.
    """
    names: list[str] = []
    with contextlib.suppress(OSError):  # there is no such directory
        names = os.listdir(directory)  # noqa: PTH208  # names, not paths
    for path in (directory / name for name in names if name.startswith(prefix)):
        with contextlib.suppress(OSError):
            if path.lstat().st_uid != os.geteuid():
                continue
            with try_lock(path) as abandoned:
                if abandoned:
                    remove(path)


@contextlib.contextmanager
def shared_lock(directory: Path, *, waiting: Callable[[], None]) -> Iterator[None]:
    """Lock a directory together with others; it is made if it does not exist.

    If another process holds an exclusive lock, call `waiting` once, then wait.
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


_LOCKED_UNTIL_EXIT: Final[dict[Path, int]] = {}
"""The directories that this process has locked until it ends, with the file descriptors of the locks."""


def lock_until_exit(directory: Path) -> None:
    """Lock an existing directory together with others, until this process ends."""
    if (descriptor := _LOCKED_UNTIL_EXIT.get(directory)) is not None:
        if os.path.samestat(os.fstat(descriptor), directory.stat()):
            return
        os.close(descriptor)  # the directory was removed and created again
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    _LOCKED_UNTIL_EXIT[directory] = descriptor
