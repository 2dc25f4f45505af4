"""Files and directories: read, written and replaced as a whole, linked, measured, removed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

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


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, read in pieces; empty if there is no such file."""
    hasher, buffer = hashlib.sha256(), memoryview(bytearray(_CHUNK))
    try:
        with path.open("rb", buffering=0) as file:
            while size := file.readinto(buffer):
                hasher.update(buffer[:size])
    except (FileNotFoundError, IsADirectoryError):
        return ""
    return hasher.hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, with mode 0644: at every moment, `path` is the old file or the complete new one.

    Missing parent directories are made. A file name in `text` that is not UTF-8 (PEP 383) is written as its bytes.
    """
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
    """Return the JSON object in `path`; empty if there is no such file, or if it holds no JSON object.

    Such a file only records an earlier run. Without it, the work is done again.
    """
    try:
        value = json.loads(path.read_text("utf-8", "surrogateescape"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


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
