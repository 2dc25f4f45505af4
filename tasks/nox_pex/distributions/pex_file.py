"""A PEX, as a file or as a directory: its PEX-INFO, its distributions, its digest and its size."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from packaging.utils import NormalizedName, canonicalize_name

from nox_pex.system import files, os_errors, quick_hash
from nox_pex.system.lazy import lazy, pattern

if TYPE_CHECKING:
    from nox_pex.distributions import entry_points, pex_info, tree
    from nox_pex.distributions.pex_info import PexInfo
else:
    entry_points = lazy("nox_pex.distributions.entry_points")  # not needed if nothing changed
    pex_info = lazy("nox_pex.distributions.pex_info")  # only needed after a build, and for a binary for other platforms
    tree = lazy("nox_pex.distributions.tree")  # only needed if the PEX is a directory


_DAMAGE: Final = (
    ValueError,
    ArithmeticError,
    LookupError,
    RuntimeError,
    EOFError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""The errors of reading a damaged archive: `RuntimeError` if a member is encrypted, or compressed by an unknown method,
`ValueError` if a name or a PEX-INFO is not valid, the others for offsets and sizes that make no sense."""


_LARGEST: Final = 16 << 30
"""Bytes of the largest PEX file that is read. Some files of the kernel claim to have far more."""


_LARGEST_INFO: Final = 16 << 20
"""Bytes of a PEX-INFO, or of an `entry_points.txt`, that are read. They have a few kilobytes."""


class PexError(Exception):
    """A file is not a PEX, or cannot be read. The text says why, and does not name the file."""


@contextlib.contextmanager
def opened(binary: Path) -> Iterator[int]:
    """Open a binary, a regular file or a directory, and yield the descriptor. Links to it are followed.

    Raises `PexError` if it is something else, such as a FIFO, or cannot be read, also by the block. Opening it never
    blocks, and a device is not opened.
    """
    with reporting_damage():
        _require_readable(binary.stat())
        descriptor = os.open(binary, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            _require_readable(os.fstat(descriptor))
            yield descriptor
        finally:
            os.close(descriptor)


def copy(binary: Path, into: Path, *, date: int | None = None) -> None:
    """Copy a binary, a file or a directory, to `into`, which must not exist.

    Modes and dates are kept, or with `date` are as for `tree.copy`. Raises `PexError` if it cannot be read, or has a
    FIFO, a socket or a device in it, and `NoxPexError` `disk-full` if there is no room.
    """
    with os_errors.writing(f"a copy of {binary}", place=into.parent), opened(binary) as descriptor:
        if _is_directory(descriptor):
            tree.copy(descriptor, into, date=date)
            return
        with into.open("xb", buffering=0) as file:
            tree.copy_file(descriptor, file.fileno(), date=date)


@contextlib.contextmanager
def reporting_damage() -> Iterator[None]:
    """Raise `PexError` if the block meets damage in a PEX, or cannot read it. The error of a full disk stays."""
    try:
        yield
    except KeyError as error:
        msg = "it is not a PEX: it has no PEX-INFO"
        raise PexError(msg) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        msg = f"it cannot be read: {error.strerror or error}"
        raise PexError(msg) from error
    except _DAMAGE as error:
        msg = f"it is not a PEX, or damaged: {str(error) or type(error).__name__}"
        raise PexError(msg) from error


def require_startable(binary: Path) -> None:
    """Raise `PexError` unless the kernel could start the file, or `__main__.py` in the directory.

    Such a file begins with `#!`, or as a program of Linux or macOS does. Nothing else is worth a copy.
    """
    with opened(binary) as descriptor:
        if _is_directory(descriptor):
            with files.open_regular(binary / "__main__.py"):
                return
        if not os.read(descriptor, 4).startswith(_MAGIC):
            msg = "it is not a program: it does not begin with `#!`"
            raise PexError(msg)


_MAGIC: Final = (b"#!", b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
"""The first bytes of a script, of a program of Linux, and of one of macOS (elf(5), mach-o/loader.h, mach-o/fat.h)."""


def distribution_names(binary: Path) -> frozenset[NormalizedName]:
    """Return the normalized names of the distributions in a PEX; those that `exclude` removed are not among them.

    Raises `PexError`.
    """
    return frozenset(distribution_name(wheel) for wheel in info(binary).distributions)


def distribution_name(wheel: str) -> NormalizedName:
    """Return the normalized name of the distribution that PEX-INFO lists by the name of its wheel."""
    # Older build backends leave hyphens in the names of wheels: the version begins after the first one before a digit.
    return canonicalize_name(re.split(r"-(?=\d)", wheel, maxsplit=1)[0])


def distribution_version(wheel: str) -> str:
    """Return the version of the distribution that PEX-INFO lists by the name of its wheel."""
    return re.split(r"-(?=\d)", wheel, maxsplit=1)[1].partition("-")[0]


def info(binary: Path) -> PexInfo:
    """Return the PEX-INFO of a PEX. Raises `PexError`, also if its PEX-INFO is not valid."""
    with opened(binary) as descriptor:
        if _is_directory(descriptor):
            return pex_info.parse(_read_file(binary, "PEX-INFO"))
        with os.fdopen(os.dup(descriptor), "rb") as file, zipfile.ZipFile(file) as archive:
            return pex_info.parse(_read_member(archive, "PEX-INFO"))


def scripts(binary: Path) -> frozenset[str]:
    """Return the names of the scripts of all distributions in a PEX: those that `PEX_SCRIPT` can start.

    Raises `PexError`.
    """
    with opened(binary) as descriptor:
        if not _is_directory(descriptor):
            with os.fdopen(os.dup(descriptor), "rb") as file, zipfile.ZipFile(file) as archive:
                return frozenset(_scripts_in_archive(archive))
        names = [name for name in tree.files(descriptor) if name.startswith(".deps/")]
        found = set(_scripts(names, partial(_read_file, binary)))
        for name in filter(_WHEEL.fullmatch, names):
            with files.open_regular(binary / name) as packed, zipfile.ZipFile(packed) as wheel:
                found.update(_scripts(wheel.namelist(), partial(_read_member, wheel)))
        return frozenset(found)


_WHEEL: Final = pattern(r"\.deps/[^/]+")


_SCRIPT: Final = pattern(r"(?:\.deps/[^/]+/)?(?:\.prefix/bin|[^/]+\.data/scripts)/(?P<name>[^/]+)")
"""The path of a script: in a wheel that pex has installed, or in one that is packed as it was."""


_ENTRY_POINTS: Final = pattern(r"(?:\.deps/[^/]+/)?[^/]+\.dist-info/entry_points\.txt")


def _read_file(directory: Path, name: str) -> bytes:
    with files.open_regular(directory / name) as file:
        return _read(file)


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as file:
        return _read(file)


def _read(file: IO[bytes]) -> bytes:
    content = b""
    while piece := file.read(_LARGEST_INFO + 1 - len(content)):
        content += piece
    if len(content) > _LARGEST_INFO:
        msg = "its metadata is too large"
        raise ValueError(msg)
    return content


def _scripts_in_archive(archive: zipfile.ZipFile) -> Iterator[str]:
    names = archive.namelist()
    yield from _scripts(names, partial(_read_member, archive))
    for name in filter(_WHEEL.fullmatch, names):
        with archive.open(name) as file, zipfile.ZipFile(file) as wheel:
            yield from _scripts(wheel.namelist(), partial(_read_member, wheel))


def _scripts(names: Iterable[str], read: Callable[[str], bytes]) -> Iterator[str]:
    """Yield the scripts of one or more wheels from their members: the `names`, and a function that reads one."""
    for name in names:
        if match := _SCRIPT.fullmatch(name):
            yield match["name"]
        elif _ENTRY_POINTS.fullmatch(name):
            yield from entry_points.generated_scripts(read(name).decode("utf-8", "replace"))


def digest(binary: Path) -> str:
    """Return the SHA-256 of a PEX file; for a PEX directory, that of its Nix archive (`nox_pex.distributions.tree`).

    It covers every path in the directory, also those of empty directories, with its kind, link target, executable bit
    and content. It is empty if there is no such file or directory, or if it cannot be read.
    """
    try:
        with opened(binary) as descriptor:
            if _is_directory(descriptor):
                return tree.digest(descriptor)
            with os.fdopen(os.dup(descriptor), "rb", buffering=0) as file:
                return files.digest_of(file)
    except PexError:
        return ""


def quick_digest(binary: Path) -> str:
    """Return the digest by which nox-pex finds a binary unchanged, a file or a directory; it takes far less time.

    It covers what `digest` covers (`nox_pex.system.quick_hash`), and is empty if that would be empty.
    """
    try:
        with opened(binary) as descriptor:
            if _is_directory(descriptor):
                return tree.quick_digest(descriptor)
            return quick_hash.of_file(descriptor).hex()
    except PexError:
        return ""


def size(binary: Path) -> int:
    """Return the bytes of a PEX file, or of all regular files in a PEX directory. Raises `PexError`."""
    with opened(binary) as descriptor:
        return tree.size(descriptor) if _is_directory(descriptor) else os.fstat(descriptor).st_size


def _require_readable(status: os.stat_result) -> None:
    """Raise `PexError` if a path with this status is not a binary."""
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        msg = f"it is a {_KINDS.get(stat.S_IFMT(status.st_mode), 'device')}, and neither a file nor a directory"
        raise PexError(msg)
    if status.st_size > _LARGEST:
        msg = f"it has {status.st_size:,} bytes, more than {_LARGEST:,}"
        raise PexError(msg)


_KINDS: Final = {stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket"}


def _is_directory(descriptor: int) -> bool:
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)
