"""Errors of the operating system, each as one line with a code.

`disk-full` means that the disk is full, or that nox-pex cannot write to a place. Everything else is `os-error`: a file
that cannot be read, a name that is too long, too many open files.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from nox_pex.errors import NoxPexError

_SHOWN: Final = 200
"""Characters of a path that are shown in a message."""


_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


_REFUSED: Final = (errno.EACCES, errno.EPERM)
"""The system refuses to read or to write: the path says which."""


_IN_THE_WAY: Final = (errno.ENOTDIR, errno.EEXIST)


_REMEDIES: Final = {
    errno.ENOENT: "if another process removed it, run it again",
    errno.EACCES: "give this user the permission, or remove the file",
    errno.EPERM: "give this user the permission, or remove the file",
    errno.ENAMETOOLONG: "use a shorter name, or a directory with a shorter path",
    errno.ELOOP: "remove the link that leads to itself",
    errno.ENOTDIR: "move away the file that is in the place of a directory",
    errno.EISDIR: "move away the directory that is in the place of a file",
    errno.EEXIST: "move it away",
    errno.ENOTEMPTY: "if another process writes there, wait until it has ended",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`)",
    errno.ENFILE: "end processes that have many files open",
    errno.ETXTBSY: "wait until the program in that file has ended",
    errno.EIO: "check the disk",
    errno.ENOMEM: "free memory",
    errno.EAGAIN: "end other processes (`ulimit -u`)",
}
_OTHERWISE: Final = "check that file, and run it again"


def described(error: OSError) -> str:
    """Return the reason of an error and its path, which is shortened if it is long."""
    name = str(_path_of(error) or "")
    shown = name if len(name) <= _SHOWN else f"{name[: _SHOWN // 2]}…{name[-_SHOWN // 2 :]}"
    return f"{error.strerror or error}{f' ({shown})' if shown else ''}"


@contextlib.contextmanager
def writing(what: str, *, place: Path) -> Iterator[None]:
    """Raise `NoxPexError` `disk-full` about `what` if the block finds the disk full, or a place not writable.

    `place` is the directory that the block writes to. Only there, a file may be in the place of a directory. Any other
    `OSError` is passed on.
    """
    try:
        yield
    except OSError as error:
        remedy = _remedy_for_writing(error, place)
        if remedy is None:
            raise
        raise NoxPexError("disk-full", f"cannot write {what}: {described(error)}", remedy) from error


@contextlib.contextmanager
def one_line(what: str, *, place: Path) -> Iterator[None]:
    """Raise `NoxPexError` `disk-full`, as `writing` does, or `os-error` for any other error of the system.

    `what` is the step that runs. A closed pipe, and an `OSError` without an error number, are passed on.
    """
    try:
        with writing(f"in {place}", place=place):
            yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno is None:
            raise
        remedy = _REMEDIES.get(error.errno, _OTHERWISE)
        raise NoxPexError("os-error", f"{what} cannot go on: {described(error)}", remedy) from error


def _remedy_for_writing(error: OSError, place: Path) -> str | None:
    """Return the remedy if an error is about writing, otherwise None."""
    if error.errno in _FULL:
        return "make room, then run it again"
    if error.errno == errno.EROFS or (error.errno in _REFUSED and _refuses_writing(error)):
        return "make it writable, or choose another place (tool.nox-pex.output-dir, Nox's --envdir, NOX_PEX_CACHE_DIR)"
    if error.errno in _IN_THE_WAY and _is_at(place, error):
        return "move away the file that is in the place of a directory"
    return None


def _path_of(error: OSError) -> Path | None:
    """Return the path of an error: the target, if there are two."""
    found = error.filename2 or error.filename
    return Path(os.fsdecode(found)) if isinstance(found, str | bytes | os.PathLike) else None


def _refuses_writing(error: OSError) -> bool:
    """Whether the path of an error can be read, or could be if it existed, and so could not be written."""
    path = _path_of(error)
    if path is None:
        return True
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0))


def _is_at(place: Path, error: OSError) -> bool:
    """Whether the path of an error is the directory `place`, something in it, or a directory above it."""
    path = _path_of(error)
    if path is None:
        return False
    inner, outer = path.absolute(), place.absolute()
    return inner.is_relative_to(outer) or outer.is_relative_to(inner)
