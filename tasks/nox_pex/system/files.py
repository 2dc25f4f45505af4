"""Files and directories: read, written and replaced as a whole, linked, measured, removed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nox_pex.system import removal
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


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, read in pieces; empty if there is no such regular file."""
    hasher, buffer = hashlib.sha256(), memoryview(bytearray(_CHUNK))
    try:
        with open(path, "rb", buffering=0, opener=_without_waiting) as file:  # `Path.open` takes no opener
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return ""
            while size := file.readinto(buffer):
                hasher.update(buffer[:size])
    except (FileNotFoundError, IsADirectoryError):
        return ""
    return hasher.hexdigest()


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a FIFO is opened at once, although nobody writes to it."""
    return os.open(path, flags | os.O_NONBLOCK)


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
    """Write `value` to `path` as indented JSON, as `write_text` writes a file."""
    write_text(path, json.dumps(value, indent=2, sort_keys=False, ensure_ascii=False) + "\n")


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
