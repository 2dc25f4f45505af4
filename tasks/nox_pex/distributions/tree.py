"""A directory as one value: every path in it, its kind, link target, executable bit and content.

The digest of a directory is the SHA-256 of its Nix archive (NAR), so other programs compute it too, for example
`nix-hash --type sha256 DIRECTORY`. A NAR is a sequence of strings. Each is its length in bytes as a 64-bit
little-endian number, its bytes, and zero bytes up to a multiple of eight:

    archive:   "nix-archive-1" node
    node:      "(" "type" "regular" ["executable" ""] "contents" CONTENT ")"
             | "(" "type" "symlink" "target" TARGET ")"
             | "(" "type" "directory" {"entry" "(" "name" NAME "node" node ")"} ")"

Names are bytes, and entries are sorted by them. A file is executable if its owner may execute it. Dates, owners and all
other permissions do not count. A FIFO, a socket or a device, which a NAR cannot have, is a node of the type `fifo`,
`socket` or `device`, so a directory with one has a digest that no other directory has.

Fact source: E. Dolstra, "The Purely Functional Software Deployment Model", figure 5.2, and the Nix manual ("Nix Archive
(NAR) format").
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol

from msgspec import Struct

from nox_pex.system import quick_hash
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import blake3
else:
    blake3 = lazy("blake3")  # only needed for a directory that was built

_CHUNK: Final = 1 << 18
"""Bytes that are read at a time."""


_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


_OTHER_KINDS: Final = {stat.S_IFIFO: b"fifo", stat.S_IFSOCK: b"socket"}


class Step(Struct, frozen=True):
    """A step of the walk through a directory: into a directory, past another entry, or out of a directory.

    `name` is the name of the entry, `status` its lstat(2), and `parent` an open descriptor of the directory that it is
    in. They are None when the walk leaves a directory.
    """

    kind: Literal["enter", "entry", "leave"]
    name: bytes = b""
    status: os.stat_result | None = None
    parent: int = -1


def digest(directory: int) -> str:
    """Return the SHA-256 of the Nix archive of an open directory, in hexadecimal. No link is followed.

    Raises `OSError` if something in it cannot be read, or is changed meanwhile.
    """
    return _digest(directory, hashlib.sha256(), _add_content)


def quick_digest(directory: int) -> str:
    """Return a digest of the same paths and contents for `quick_hash`, in hexadecimal. No other program computes it.

    In the archive, each file has its quick digest in place of its content, and the digest of the archive is a BLAKE3.
    Raises `OSError` if something in the directory cannot be read.
    """
    return _digest(directory, blake3.blake3(), _add_content_digest)


class _Hasher(Protocol):
    """A hash of a sequence of bytes."""

    def update(self, data: bytes, /) -> object: ...

    def hexdigest(self) -> str: ...


def _digest(directory: int, hasher: _Hasher, add_content: Callable[[_Hasher, int], None]) -> str:
    """Return the digest of an archive. `add_content` adds the content of an open file to a hash."""
    hasher.update(_strings(b"nix-archive-1", b"(", b"type", b"directory"))
    for step in _walk(directory):
        if step.status is None:
            hasher.update(_strings(b")", b")"))
            continue
        hasher.update(_strings(b"entry", b"(", b"name", step.name, b"node", b"("))
        if step.kind == "enter":
            hasher.update(_strings(b"type", b"directory"))
        else:
            _add_entry(hasher, step.name, step.status, step.parent, add_content)
            hasher.update(_strings(b")", b")"))
    hasher.update(_strings(b")"))
    return hasher.hexdigest()


class Entry(Struct, frozen=True):
    """Anything in a directory: its bytes if it is a regular file, and the levels of directories above it."""

    size: int
    depth: int


def entries(directory: int) -> Iterator[Entry]:
    """Yield everything in an open directory, in the order of the walk. Raises `OSError`."""
    depth = 0
    for step in _walk(directory):
        if step.status is None:
            depth -= 1
            continue
        yield Entry(step.status.st_size if stat.S_ISREG(step.status.st_mode) else 0, depth)
        depth += step.kind == "enter"


def size(directory: int) -> int:
    """Return the bytes of all regular files in an open directory. Raises `OSError`."""
    return sum(entry.size for entry in entries(directory))


def files(directory: int) -> Iterator[str]:
    """Yield the POSIX paths of all regular files in an open directory, as Python has file names. Raises `OSError`."""
    above: list[str] = []
    for step in _walk(directory):
        if step.status is None:
            above.pop()
        elif step.kind == "enter":
            above.append(os.fsdecode(step.name))
        elif stat.S_ISREG(step.status.st_mode):
            yield "/".join((*above, os.fsdecode(step.name)))


def copy(directory: int, into: str | os.PathLike[str], *, date: int | None = None) -> None:
    """Copy an open directory to `into`, which must not exist. Links stay links, and modes and dates are kept.

    With `date`, seconds since 1970, the copy does not depend on this machine: every file and directory has that date,
    and the mode 0644, or 0755 if it is executable. Raises `OSError`, also for a FIFO, a socket or a device.
    """
    Path(into).mkdir(mode=0o700)
    here = os.open(into, _DIRECTORY)
    try:
        statuses = [os.fstat(directory)]
        for step in _walk(directory):
            if step.status is None:
                above = os.open("..", _DIRECTORY, dir_fd=here)
                _finish(here, statuses.pop(), date)
                here = _replace(here, above)
            elif step.kind == "enter":
                os.mkdir(step.name, mode=0o700, dir_fd=here)
                here = _replace(here, os.open(step.name, _DIRECTORY, dir_fd=here))
                statuses.append(step.status)
            else:
                _copy_entry(step.name, step.status, step.parent, here, date)
        _finish(here, statuses.pop(), date)
    finally:
        os.close(here)


def _copy_entry(name: bytes, status: os.stat_result, parent: int, into: int, date: int | None) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFLNK:
        os.symlink(os.readlink(name, dir_fd=parent), name, dir_fd=into)
        if date is not None:
            os.utime(name, (date, date), dir_fd=into, follow_symlinks=False)
        return
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, f"{os.fsdecode(name)} in it is neither a file, nor a directory, nor a link")
    original = os.open(name, _FILE, dir_fd=parent)
    try:
        new = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=into)
        try:
            copy_file(original, new, date=date)
        finally:
            os.close(new)
    finally:
        os.close(original)


def copy_file(original: int, new: int, *, date: int | None = None) -> None:
    """Copy an open regular file to an empty one, with its mode and dates, or with `date` as for `copy`.

    The holes of a sparse file stay holes. Raises `OSError`, also if the file is changed meanwhile.
    """
    status = os.fstat(original)
    if not stat.S_ISREG(status.st_mode):
        raise _changed()
    remaining = status.st_size
    while piece := os.read(original, min(_CHUNK, remaining + 1)):
        remaining -= len(piece)
        if remaining < 0:
            break
        if piece.count(0) == len(piece):
            os.lseek(new, len(piece), os.SEEK_CUR)
            continue
        view = memoryview(piece)
        while view:
            view = view[os.write(new, view) :]
    if remaining != 0:
        raise _changed()
    os.ftruncate(new, status.st_size)
    _finish(new, status, date)


def _finish(descriptor: int, status: os.stat_result, date: int | None) -> None:
    """Set the mode and the dates of a copy whose original has this status."""
    mode, dates = stat.S_IMODE(status.st_mode), (status.st_atime_ns, status.st_mtime_ns)
    if date is not None:
        executable = stat.S_ISDIR(status.st_mode) or mode & stat.S_IXUSR
        mode, dates = 0o755 if executable else 0o644, (date * 10**9, date * 10**9)
    os.fchmod(descriptor, mode)
    os.utime(descriptor, ns=dates)


def _walk(top: int) -> Iterator[Step]:
    """Walk through an open directory, depth first, in the order of the names, with one descriptor at a time.

    So neither the depth, nor the length of a path, nor the number of open files is limited.
    """
    here = os.dup(top)
    try:
        levels = [(_identity(here), _names(here))]
        while True:
            name = next(levels[-1][1], None)
            if name is None:
                levels.pop()
                if not levels:
                    return
                yield Step("leave")
                here = _replace(here, os.open("..", _DIRECTORY, dir_fd=here))
                if _identity(here) != levels[-1][0]:
                    raise _changed()
                continue
            status = os.stat(name, dir_fd=here, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                yield Step("entry", name, status, here)
                continue
            yield Step("enter", name, status, here)
            here = _replace(here, os.open(name, _DIRECTORY, dir_fd=here))
            levels.append((_identity(here), _names(here)))
    finally:
        os.close(here)


def _replace(descriptor: int, new: int) -> int:
    os.close(descriptor)
    return new


def _identity(directory: int) -> tuple[int, int]:
    status = os.fstat(directory)
    return status.st_dev, status.st_ino


def _names(directory: int) -> Iterator[bytes]:
    return iter(sorted(map(os.fsencode, os.listdir(directory))))


def _add_entry(
    hasher: _Hasher, name: bytes, status: os.stat_result, parent: int, add_content: Callable[[_Hasher, int], None]
) -> None:
    """Add the node of anything but a directory, without its parentheses."""
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFREG:
        _add_file(hasher, name, parent, add_content)
    elif kind == stat.S_IFLNK:
        hasher.update(_strings(b"type", b"symlink", b"target", os.readlink(name, dir_fd=parent)))
    else:
        hasher.update(_strings(b"type", _OTHER_KINDS.get(kind, b"device")))


def _add_file(hasher: _Hasher, name: bytes, parent: int, add_content: Callable[[_Hasher, int], None]) -> None:
    descriptor = os.open(name, _FILE, dir_fd=parent)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _changed()
        executable = (b"executable", b"") if status.st_mode & stat.S_IXUSR else ()
        hasher.update(_strings(b"type", b"regular", *executable, b"contents"))
        add_content(hasher, descriptor)
    finally:
        os.close(descriptor)


def _add_content(hasher: _Hasher, descriptor: int) -> None:
    remaining = size = os.fstat(descriptor).st_size
    hasher.update(size.to_bytes(8, "little"))
    while piece := os.read(descriptor, min(_CHUNK, remaining + 1)):
        hasher.update(piece)
        remaining -= len(piece)
        if remaining < 0:
            break
    if remaining != 0:
        raise _changed()
    hasher.update(bytes(-size % 8))


def _add_content_digest(hasher: _Hasher, descriptor: int) -> None:
    hasher.update(quick_hash.of_file(descriptor))


def _changed() -> OSError:
    return OSError(errno.ESTALE, "it was changed while it was read")


def _strings(*values: bytes) -> bytes:
    """Return strings as a Nix archive has them."""
    return b"".join(len(value).to_bytes(8, "little") + value + bytes(-len(value) % 8) for value in values)
