"""Remove a file or a whole directory tree, of any depth.

Programs under test and build backends leave trees that `shutil.rmtree` cannot remove: more nested directories than
Python's recursion limit, paths longer than PATH_MAX, directories without permissions. This module uses only the
standard library and nothing of nox-pex, because the supervisor of a program imports it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


_NAMES_ONLY: Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
"""Flags for a directory in which only names are used; `O_PATH` needs no permission to read it (open(2))."""


_DEPTH: Final = 32
"""The number of nested directories that are open at the same time. Deeper ones are first moved to the top."""


_ROUNDS: Final = 3
"""How often a directory is emptied, if another process creates files in it meanwhile."""


def remove(path: Path) -> OSError | None:
    """Remove a file, a link or a directory with everything in it; nothing happens if it does not exist.

    No link is followed, and no other file system is entered: what is mounted in the tree stays. Everything that can be
    removed is removed. Returns the first error if something is left, otherwise None.
    """
    try:
        parent = os.open(path.parent, _NAMES_ONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return error
    try:
        return _Removal(path, parent).run()
    finally:
        os.close(parent)


class _Level:
    """A directory that is being emptied: its name in its parent, its open descriptor, the entries still to remove."""

    def __init__(self, name: str, descriptor: int, *, rounds: int) -> None:
        self.name = name
        self.descriptor = descriptor
        self.rounds = rounds
        self.entries: list[tuple[str, bool]] = []
        self.failed = False


class _Removal:
    """The removal of one path. `parent` is the descriptor of the directory above it."""

    def __init__(self, path: Path, parent: int) -> None:
        self._path = path
        self._parent = parent
        self._levels: list[_Level] = []
        self._device = -1
        self._moved = 0
        self._error: OSError | None = None

    def run(self) -> OSError | None:
        """Remove the path, and return the first error."""
        try:
            self._remove(self._path.name, is_directory=_is_directory(self._path.name, self._parent))
            while self._levels:
                level = self._levels[-1]
                if level.entries:
                    name, is_directory = level.entries.pop()
                    self._remove(name, is_directory=is_directory)
                else:
                    self._leave()
        finally:
            for level in self._levels:
                os.close(level.descriptor)
        return self._error

    @property
    def _here(self) -> int:
        return self._levels[-1].descriptor if self._levels else self._parent

    def _remove(self, name: str, *, is_directory: bool, rounds: int = 1) -> None:
        """Remove a file; enter a directory."""
        try:
            if not is_directory:
                os.unlink(name, dir_fd=self._here)
            elif len(self._levels) < _DEPTH or not self._move_to_top(name):
                self._enter(name, rounds=rounds)
        except FileNotFoundError:
            pass
        except OSError as error:
            self._fail(error, name)

    def _move_to_top(self, name: str) -> bool:
        """Move a directory into the first one; return False if it cannot be moved."""
        self._moved += 1
        new = f".removed-{os.getpid()}-{self._moved}"
        try:
            os.close(_open_writable(name, self._here)[0])  # to change its `..`, the system wants to write to it
            os.rename(name, new, src_dir_fd=self._here, dst_dir_fd=self._levels[0].descriptor)
        except OSError:
            return False
        self._levels[0].entries.append((new, True))
        return True

    def _enter(self, name: str, *, rounds: int) -> None:
        descriptor, device = _open_writable(name, self._here)
        if not self._levels:
            self._device = device
        level = _Level(name, descriptor, rounds=rounds)
        self._levels.append(level)
        if device == self._device:
            with os.scandir(descriptor) as entries:
                level.entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]

    def _leave(self) -> None:
        """Remove the directory that is now empty."""
        level = self._levels.pop()
        os.close(level.descriptor)
        try:
            os.rmdir(level.name, dir_fd=self._here)
        except FileNotFoundError:
            pass
        except OSError as error:
            if level.failed or level.rounds == _ROUNDS:
                self._fail(error, level.name)
            else:
                self._remove(level.name, is_directory=True, rounds=level.rounds + 1)

    def _fail(self, error: OSError, name: str) -> None:
        """Keep the first error, with the path of its file."""
        for level in self._levels:
            level.failed = True
        if self._error is None:
            inner = [*(level.name for level in self._levels), name]
            self._error = OSError(error.errno, error.strerror, str(self._path.parent.joinpath(*inner)))


def _is_directory(name: str, parent: int) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode)
    return False


def _open_writable(name: str, parent: int) -> tuple[int, int]:
    """Open a directory that its owner can read, change and enter; return the descriptor and the device."""
    try:
        descriptor = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    except PermissionError:
        _allow(name, parent)
        descriptor = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    found = os.fstat(descriptor)
    if stat.S_IMODE(found.st_mode) & stat.S_IRWXU != stat.S_IRWXU:
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, stat.S_IRWXU)
    return descriptor, found.st_dev


def _allow(name: str, parent: int) -> None:
    """Let the owner of a directory read, change and enter it, without following a link of that name."""
    if os.chmod in os.supports_follow_symlinks:
        os.chmod(name, stat.S_IRWXU, dir_fd=parent, follow_symlinks=False)
        return
    # Linux before fchmodat2(2): an `O_PATH` descriptor cannot be changed itself, but its name in /proc can.
    descriptor = os.open(name, _NAMES_ONLY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        Path(f"/proc/self/fd/{descriptor}").chmod(stat.S_IRWXU)
    finally:
        os.close(descriptor)
