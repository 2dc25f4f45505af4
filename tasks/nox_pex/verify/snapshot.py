"""A private copy of a binary, read once: the content that `verify` judges, whatever happens to the file meanwhile."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from msgspec import Struct

from nox_pex.distributions import pex_file
from nox_pex.errors import NoxPexError
from nox_pex.system import files
from nox_pex.system.wording import megabytes
from nox_pex.verify.container import CHUNK, MOST_FILES, DamageError

LARGEST: Final = 16 << 30
"""Bytes of the largest binary that is judged. A copy of it is on disk meanwhile."""


_DEEPEST: Final = 100
"""Levels of directories in a binary. Those of packages have about ten."""


_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
"""A FIFO without a writer does not block with these."""


class Snapshot(Struct, frozen=True, kw_only=True):
    """The copy of a binary: an open `file` without a name, or a `directory`; its SHA-256 and its size in bytes."""

    sha256: str
    size: int
    file: IO[bytes] | None = None
    directory: Path | None = None


@contextlib.contextmanager
def taken(path: Path) -> Iterator[Snapshot]:
    """Copy the file or directory at `path`, and yield the copy.

    Raises `DamageError` if it cannot be read, if it is neither, or if it is larger than `LARGEST`; `NoxPexError`:
    `usage` if it does not exist, `disk-full` if there is no room.
    """
    with contextlib.ExitStack() as stack:
        with files.writing(f"a copy of {path}"):
            if os.path.isdir(path):  # noqa: PTH112  # `Path.is_dir` raises an error for a name that is too long
                if not os.path.lexists(path / "PEX-INFO"):
                    msg = "it is a directory without a PEX-INFO"
                    raise DamageError(msg)
                directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nox-pex-verify-")), "binary")
                size = _copy_tree(path, directory)
                snapshot = Snapshot(sha256=pex_file.digest(directory), size=size, directory=directory)
            else:
                file = stack.enter_context(tempfile.TemporaryFile(prefix="nox-pex-verify-"))
                hasher = hashlib.sha256()
                with _opened(path) as original:
                    size = _copy(original, file, hasher)
                snapshot = Snapshot(sha256=hasher.hexdigest(), size=size, file=file)
        yield snapshot


@contextlib.contextmanager
def _opened(path: Path, *, what: str = "it", flags: int = 0) -> Iterator[int]:
    """Open a regular file, which `what` names in messages, and yield its descriptor."""
    try:
        descriptor = os.open(path, _FLAGS | flags)
    except (FileNotFoundError, ValueError) as error:  # a path cannot have a null byte
        remedy = "build it with `nox -s pex`, or give the path of one"
        raise NoxPexError("usage", f"there is no {path}", remedy) from error
    except OSError as error:
        msg = f"{what} cannot be opened: {error.strerror}"
        raise DamageError(msg) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            msg = f"{what} is neither a file nor a directory"
            raise DamageError(msg)
        yield descriptor
    finally:
        os.close(descriptor)


def _copy(original: int, copy: IO[bytes], hasher: hashlib._Hash | None = None, *, most: int = LARGEST) -> int:
    """Copy an open file, and return its size in bytes. Raises `DamageError` if it has more than `most`."""
    size = 0
    if os.fstat(original).st_size <= most:
        while piece := _read(original):
            size += len(piece)
            if size > most:
                break
            copy.write(piece)
            if hasher is not None:
                hasher.update(piece)
        else:
            copy.flush()
            return size
    msg = f"it has more than {megabytes(LARGEST)}"
    raise DamageError(msg)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, CHUNK)
    except OSError as error:
        msg = f"it cannot be read: {error.strerror}"
        raise DamageError(msg) from error


def _copy_tree(path: Path, copy: Path) -> int:
    """Copy a directory with its links, its empty directories and its modes; return the bytes of its files."""
    size = number = 0
    waiting = [""]
    while waiting:
        below = waiting.pop()
        (copy / below).mkdir()
        for entry in _entries(path, below):
            number += 1
            if number > MOST_FILES:
                msg = f"it has more than {MOST_FILES:,} files and directories"
                raise DamageError(msg)
            name = f"{below}/{entry.name}" if below else entry.name
            if entry.is_symlink():
                (copy / name).symlink_to((path / name).readlink())
            elif entry.is_dir(follow_symlinks=False):
                if name.count("/") > _DEEPEST:
                    msg = f"it has directories that are nested deeper than {_DEEPEST} levels"
                    raise DamageError(msg)
                waiting.append(name)
            else:
                with _opened(path / name, what=name, flags=os.O_NOFOLLOW) as original, (copy / name).open("xb") as file:
                    size += _copy(original, file, most=LARGEST - size)
                    os.fchmod(file.fileno(), stat.S_IMODE(os.fstat(original).st_mode))
    return size


def _entries(path: Path, below: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path / below) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        msg = f"{below or 'it'} cannot be read: {error.strerror}"
        raise DamageError(msg) from error
