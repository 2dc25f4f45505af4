"""Files and directories: read, written and replaced as a whole, linked, measured, removed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from nox_pex.errors import NoxPexError
from nox_pex.system import outside_text
from nox_pex.system.lazy import lazy, pattern

if TYPE_CHECKING:
    import ctypes

    from nox_pex.system import removal
else:
    ctypes = lazy("ctypes")  # only needed to exchange two directories
    removal = lazy("nox_pex.system.removal")  # not needed if nothing changed

_AT_FDCWD: Final = -100
"""Relative paths start at the working directory (renameat2(2))."""


_RENAME_EXCHANGE: Final = 2
"""Exchange the two paths (renameat2(2))."""


_CHUNK: Final = 1 << 18
"""Bytes that are read at a time."""


_LARGEST: Final = 64 << 20
"""Bytes of a file that are read as a whole. That is enough for the digests of half a million sources."""


_MOST_TABLES: Final = 1_000_000
"""Tables and arrays in a JSON text. Each takes far more memory than its two characters."""


_ODD_ESCAPE: Final = pattern(r"\\u(?:[dD][89a-fA-F]|0000)")
"""Matches the escape of a surrogate or of NUL in JSON. nox-pex writes neither."""


_NOT_THERE: Final = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.ELOOP)
"""The errors of opening a path that holds no file."""


def remove(path: Path) -> OSError | None:
    """Remove a file, or a directory with everything in it, of any depth; it may not exist.

    Everything that can be removed is removed. Returns the first error if something is left, otherwise None.
    """
    return removal.remove(path)


@contextlib.contextmanager
def temporary_directory(*, prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Create a directory in `parent`, or in the directory for temporary files, and remove it after the block.

    What cannot be removed stays. That is no failure of the block.
    """
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        yield path
    finally:
        remove(path)


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


def entries(directory: Path | str) -> Iterator[os.DirEntry[str]]:
    """Yield everything below a directory, at any depth; a link is not followed. What cannot be listed is skipped.

    A directory comes before its entries. `os.walk` and `Path.rglob` end with a `RecursionError` in a deep tree.
    """
    waiting: list[Path | str] = [directory]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as found:
                for entry in found:
                    yield entry
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:  # removed meanwhile, not readable, or too long for a path
            continue


def paths(directory: Path) -> Iterator[Path]:
    """Yield the paths of everything below a directory, as `entries` does."""
    return (Path(entry.path) for entry in entries(directory))


def size(path: Path) -> int:
    """Return the bytes of a file, or of all regular files below a directory; links below it do not count."""
    if not path.is_dir() or path.is_symlink():
        return path.lstat().st_size
    total = 0
    for entry in entries(path):
        if entry.is_file(follow_symlinks=False):
            with contextlib.suppress(FileNotFoundError):  # another process may remove files meanwhile
                total += entry.stat(follow_symlinks=False).st_size
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


def read_bytes(path: Path, *, most: int = _LARGEST) -> bytes:
    """Return the content of a regular file that a user may have put there; never waits for another process.

    Raises `OSError` if it is something else, such as a FIFO, if it cannot be read, or if it has more than `most` bytes,
    64 MiB if nothing else is said.
    """
    pieces, size = [], 0
    with open_regular(path) as file:
        while piece := file.read(_CHUNK):
            pieces.append(piece)
            size += len(piece)
            if size > most:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return b"".join(pieces)


def read_text(path: Path, *, errors: str = "strict") -> str:
    """Return the UTF-8 text of a file, as `read_bytes` reads it. `errors` is as in `bytes.decode`.

    Raises `OSError`, and `UnicodeDecodeError` if the text is not UTF-8.
    """
    return read_bytes(path).decode("utf-8", errors).replace("\r\n", "\n")


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
    """Raise `NoxPexError` `os-error` if a directory is in the place of a file that is to be written."""
    if path.is_dir() and not path.is_symlink():
        problem = f"cannot write {path}: a directory with this name exists"
        raise NoxPexError("os-error", problem, "move the directory away")


def copy_tree(
    source: Path, into: Path, *, skip: Collection[str] = (), copy: Callable[[str, str], object] = shutil.copy2
) -> None:
    """Copy a directory, of any depth, to the new directory `into`; links stay links.

    Entries with a name in `skip` are left out. `copy` copies a file. Modes and times of directories are kept.
    Raises `OSError` for what cannot be copied.
    """
    into.mkdir()
    copied = [(source, into)]
    for original, target in copied:
        with os.scandir(original) as found:
            for entry in found:
                if entry.name in skip:
                    continue
                new = target / entry.name
                if entry.is_symlink():
                    new.symlink_to(Path(entry.path).readlink())
                elif entry.is_dir():
                    new.mkdir()
                    copied.append((Path(entry.path), new))
                elif entry.is_file():
                    copy(entry.path, str(new))
    for original, target in reversed(copied):
        shutil.copystat(original, target)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, as `write_bytes` writes a file.

    A file name in `text` that is not UTF-8 (PEP 383) is written as its bytes.
    """
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, with mode 0644: at every moment, `path` is the old file or the complete new one.

    Missing parent directories are made.
    """
    write_pieces(path, (data,))


def write_pieces(path: Path, pieces: Iterable[bytes]) -> None:
    """Write `pieces`, one after another, to `path`, as `write_bytes` writes a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(pieces)
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
    thousands of digits, more levels than Python reads, or a million tables and arrays.
    """
    try:
        text = read_text(path, errors="surrogateescape")
        if text.count("[") + text.count("{") > _MOST_TABLES:
            return {}
        value = json.loads(text, parse_constant=_refuse_constant)
        if _ODD_ESCAPE.search(text):
            json.dumps(value, ensure_ascii=False).replace("\\u0000", "\ud800").encode("utf-8", "surrogateescape")
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is no number of JSON"
    raise ValueError(msg)


def move_into_place(new: Path, target: Path) -> None:
    """Rename `new` to `target`; each is a file or a directory, and an existing `target` is replaced.

    At every moment, `target` is the complete old one or the complete new one, except if one of the two is a directory
    and the system cannot exchange them (renameat2(2), Linux): then there is none for a moment.
    """
    if not (new.is_dir() or (target.is_dir() and not target.is_symlink())):
        new.replace(target)
        return
    if _exchange(new, target):
        remove(new)
        return
    with contextlib.ExitStack() as stack:
        if os.path.lexists(target):
            scratch = stack.enter_context(temporary_directory(prefix=f".{target.name}.old.", parent=target.parent))
            target.rename(scratch / target.name)
        new.rename(target)


def _exchange(new: Path, target: Path) -> bool:
    """Exchange two files or directories in one step; return False if the system cannot, or if there is no `target`."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    paths = os.fsencode(new), os.fsencode(target)
    return bool(libc.renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0)
