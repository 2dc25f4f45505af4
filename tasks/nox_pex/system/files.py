"""Files and directories: read, written and replaced as a whole, linked, measured, removed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from nox_pex.errors import NoxPexError
from nox_pex.system import outside_text
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import ctypes
else:
    ctypes = lazy("ctypes")  # only needed to exchange two directories

_AT_FDCWD: Final = -100
"""Relative paths start at the working directory (renameat2(2))."""


_RENAME_EXCHANGE: Final = 2
"""Exchange the two paths (renameat2(2))."""


_CHUNK: Final = 1 << 18
"""Bytes that are read at a time."""


_LARGEST_JSON: Final = 64 << 20
"""Bytes of a JSON file that are read. That is enough for the digests of half a million sources."""


_ODD_ESCAPE: Final = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")
"""Matches the escape of a surrogate or of NUL in JSON. nox-pex writes neither."""


_NOT_THERE: Final = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.ELOOP)
"""The errors of opening a path that holds no file."""


def remove(directory: Path) -> None:
    """Remove a directory with everything in it, including directories without permissions; it may not exist."""
    with contextlib.suppress(FileNotFoundError):
        try:
            shutil.rmtree(directory)
        except PermissionError:
            for parent, _, _ in os.walk(directory):
                Path(parent).chmod(stat.S_IRWXU)
                for path in Path(parent).iterdir():
                    if path.is_dir() and not path.is_symlink():
                        path.chmod(stat.S_IRWXU)
            shutil.rmtree(directory)


def link(source: str | Path, target: str | Path) -> None:
    """Make `target` a hard link to the file `source`, or a copy of it if the file system refuses the link.

    Raises `FileExistsError` if `target` exists, `FileNotFoundError` if `source` or the directory of `target` does not.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def size(path: Path) -> int:
    """Return the bytes of a file, or of all regular files below a directory; links below it do not count."""
    if not path.is_dir() or path.is_symlink():
        return path.lstat().st_size
    total = 0
    for place, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # another process may remove files meanwhile
                found = os.lstat(os.path.join(place, name))  # noqa: PTH118  # ten times as fast, for ten thousand files
                total += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return total


def open_regular(path: Path) -> io.FileIO:
    """Open a regular file for reading in binary, without a buffer.

    Raises `OSError` if it is something else. Opening a FIFO or a device must not block, and a device is not opened.
    """
    if stat.S_ISREG(path.stat().st_mode):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return os.fdopen(descriptor, "rb", buffering=0)
        os.close(descriptor)
    raise IsADirectoryError(errno.EISDIR, "it is not a regular file", str(path))


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, read in pieces; empty if there is no regular file.

    Raises `OSError` if the file cannot be read.
    """
    try:
        with open_regular(path) as file:
            return digest_of(file)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return ""
        raise


def digest_of(file: io.FileIO) -> str:
    """Return the SHA-256 of the rest of an open file, in hexadecimal. Raises `OSError` if it cannot be read."""
    hasher, buffer = hashlib.sha256(), memoryview(bytearray(_CHUNK))
    while size := file.readinto(buffer):
        hasher.update(buffer[:size])
    return hasher.hexdigest()


def require_replaceable(path: Path) -> None:
    """Raise `NoxPexError` `disk-full` if a directory is in the place of a file that is to be written."""
    if path.is_dir() and not path.is_symlink():
        problem = f"cannot write {path}: a directory with this name exists"
        raise NoxPexError("disk-full", problem, "move the directory away")


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, with mode 0644: at every moment, `path` is the old file or the complete new one.

    Missing parent directories are made. A file name in `text` that is not UTF-8 (PEP 383) is written as its bytes.
    Raises `NoxPexError` `disk-full` if a directory is in its place.
    """
    require_replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: object) -> None:
    """Write `value` to `path` as indented JSON, as `write_text` writes a file. `read_json` returns the same value."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_record(path: Path, value: object) -> None:
    """Write `value` to `path`, a file for people and for other programs, as `outside_text.json_text` has it."""
    write_text(path, outside_text.json_text(value))


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`; empty if there is none that nox-pex can have written.

    Such a file only records an earlier run. Without it, the work is done again. So this never fails, whatever is at
    `path`: a FIFO, a directory, a file of more than 64 MiB, or JSON with NaN, lone surrogates, NUL, a number of
    thousands of digits, or more levels than Python reads.
    """
    try:
        with open_regular(path) as file:
            text = _read_up_to(file, _LARGEST_JSON).decode("utf-8", "surrogateescape")
        value = json.loads(text, parse_constant=_refuse_constant)
        if _ODD_ESCAPE.search(text):
            json.dumps(value, ensure_ascii=False).replace("\\u0000", "\ud800").encode("utf-8", "surrogateescape")
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _read_up_to(file: io.FileIO, limit: int) -> bytes:
    """Return the content of a file. Raises `ValueError` if it has more than `limit` bytes."""
    pieces, size = [], 0
    while piece := file.read(_CHUNK):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            msg = "the file is too large"
            raise ValueError(msg)
    return b"".join(pieces)


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is no number of JSON"
    raise ValueError(msg)


def move_into_place(new: Path, target: Path) -> None:
    """Rename `new` to `target`; each is a file or a directory, and an existing `target` is replaced.

    At every moment, `target` is the complete old one or the complete new one, with two exceptions: for a moment there
    is none if a directory replaces a file, and, except on Linux (renameat2(2)), if the old one is a directory.
    """
    if target.is_dir() and not target.is_symlink():
        if _exchange(new, target):
            return
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
        target.rename(scratch / target.name)
        new.rename(target)
        shutil.rmtree(scratch)
        return
    if new.is_dir():
        target.unlink(missing_ok=True)
    new.replace(target)


def _exchange(new: Path, target: Path) -> bool:
    """Exchange two directories in one step and remove the old one; return False if the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    if libc.renameat2(_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(target), _RENAME_EXCHANGE) != 0:
        return False
    shutil.rmtree(new)
    return True


@contextlib.contextmanager
def writing(what: str) -> Iterator[None]:
    """Raise `NoxPexError` `disk-full` about `what` if the block finds the disk full, or a place not writable."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "make room, then run it again"
        elif error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            remedy = (
                "make it writable, or choose another place (tool.nox-pex.output-dir, Nox's --envdir, NOX_PEX_CACHE_DIR)"
            )
        elif error.errno in (errno.ENOTDIR, errno.EEXIST):
            remedy = "move away the file that is in the place of a directory"
        else:
            raise
        place = f" ({error.filename})" if error.filename else ""
        raise NoxPexError("disk-full", f"cannot write {what}: {error.strerror}{place}", remedy) from error
