"""Reads a PEX of any layout: its members, and those of the wheels in it, uncompressed and in bounded memory.

This module trusts neither pex nor our own build: it reports what the archive's directory, or the file system, says.
Fact sources: pex's `layout.py` and `installed_wheel.py`; APPNOTE.TXT of the ZIP format.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, Protocol

from msgspec import Struct

from nox_pex.errors import NoxPexError

INFO: Final = "PEX-INFO"


DEPENDENCIES: Final = ".deps/"


BOOTSTRAP: Final = ".bootstrap"


CHUNK: Final = 1 << 20
"""Bytes that are read at a time."""


_LONGEST_HEAD: Final = 1 << 20
"""Bytes that are read of a zipapp's head (shebang, and the shell script of `--sh-boot`); it has a few kilobytes."""


_DAMAGE: Final = (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError)


_COMPRESSIONS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


_ENCRYPTED: Final = 0x1
"""The bit of a member's general purpose flags that marks it as encrypted (APPNOTE.TXT 4.4.4)."""


_REMEDY: Final = "build it again with `nox -s pex -- --force`"


class Member(Struct, frozen=True, kw_only=True):
    """A file in a container: its POSIX path there, its size in bytes uncompressed, its permissions, its date.

    `date` is None if the container records no date that means anything (a directory).
    """

    name: str
    size: int
    mode: int
    date: tuple[int, ...] | None = None


class Container(Protocol):
    """Something that holds files: a ZIP archive, a directory, or a part of either."""

    @property
    def members(self) -> Mapping[str, Member]:
        """Its files by name, in the order in which they are stored."""

    @property
    def duplicates(self) -> Sequence[str]:
        """The names that it holds more than once; which of the copies counts depends on the reader."""

    def open(self, name: str) -> IO[bytes]:
        """Open the uncompressed content of a member."""


def chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of `stream` in pieces, so that no member is ever complete in memory."""
    while piece := stream.read(CHUNK):
        yield piece


def read_text(container: Container, name: str, *, limit: int = 16 * CHUNK) -> str:
    """Return the text of a small member, at most its first `limit` bytes; empty if there is no such member."""
    if name not in container.members:
        return ""
    with container.open(name) as stream:
        return stream.read(limit).decode("utf-8", "surrogateescape")


@contextlib.contextmanager
def reporting_damage(what: str) -> Iterator[None]:
    """Raise `NoxPexError` `integrity` about `what` if the block meets damage while it reads an archive."""
    try:
        yield
    except _DAMAGE as error:
        problem = f"{what} is damaged: {str(error) or type(error).__name__}"
        raise NoxPexError("integrity", problem, _REMEDY) from error


class Zip:
    """A ZIP archive in a seekable file. Raises `zipfile.BadZipFile` if Python could not import from it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file)
        self._infos = [info for info in self._zip.infolist() if not info.is_dir()]
        for info in self._infos:
            if info.compress_type not in _COMPRESSIONS or info.flag_bits & _ENCRYPTED:
                msg = f"{info.filename} is encrypted, or compressed by a method that Python cannot import from"
                raise zipfile.BadZipFile(msg)

    @cached_property
    def members(self) -> Mapping[str, Member]:
        """Its files by name, in the order in which they are stored."""
        ordered = sorted(self._infos, key=lambda info: info.header_offset)
        return {
            info.filename: Member(
                name=info.filename, size=info.file_size, mode=info.external_attr >> 16, date=info.date_time
            )
            for info in ordered
        }

    @property
    def duplicates(self) -> Sequence[str]:
        """The names that its central directory lists more than once."""
        return tuple(name for name, times in Counter(info.filename for info in self._infos).items() if times > 1)

    @property
    def head_size(self) -> int:
        """The number of bytes before the first member: a shebang, a shell script."""
        return min((info.header_offset for info in self._zip.infolist()), default=0)

    def open(self, name: str) -> IO[bytes]:
        """Open the uncompressed content of a member; its CRC is checked when the end is read."""
        return self._zip.open(name)


class Directory:
    """A directory on disk. Symbolic links in it are not followed: the content of such a member is the link's target."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def members(self) -> Mapping[str, Member]:
        """Its files by name, sorted."""
        found = []
        for top, directories, files in os.walk(self._path):
            links = [name for name in directories if os.path.islink(f"{top}/{name}")]  # noqa: PTH114  # a Path for each directory is slow
            for file in (*files, *links):
                path = Path(top, file)
                status = path.lstat()
                name = path.relative_to(self._path).as_posix()
                found.append(Member(name=name, size=status.st_size, mode=status.st_mode))
        return {member.name: member for member in sorted(found, key=lambda member: member.name)}

    @property
    def duplicates(self) -> Sequence[str]:
        """Empty: a file system has no duplicates."""
        return ()

    def open(self, name: str) -> IO[bytes]:
        """Open the content of a member."""
        path = self._path / name
        if path.is_symlink():
            return io.BytesIO(os.fsencode(path.readlink()))
        return path.open("rb")


class Part(Struct, frozen=True, kw_only=True, dict=True):
    """The members of another container whose names begin with `prefix`, which ends in a slash."""

    container: Container
    prefix: str

    @cached_property
    def members(self) -> Mapping[str, Member]:
        """Its files by name, without the prefix."""
        return {
            name[len(self.prefix) :]: member
            for name, member in self.container.members.items()
            if name.startswith(self.prefix)
        }

    @property
    def duplicates(self) -> Sequence[str]:
        """The names that it holds more than once, without the prefix."""
        return tuple(name[len(self.prefix) :] for name in self.container.duplicates if name.startswith(self.prefix))

    def open(self, name: str) -> IO[bytes]:
        """Open the uncompressed content of a member."""
        return self.container.open(self.prefix + name)


class PexWheel(Struct, frozen=True, kw_only=True):
    """One entry of a PEX's `.deps`: its name there (a wheel's file name), and its content.

    `installed` is True if pex has installed it already (`pre-install-wheels`), False if it is an unchanged wheel.
    """

    name: str
    content: Container
    installed: bool


class Pex(Struct, frozen=True, kw_only=True):
    """An open PEX: its path, its outermost container, its parsed PEX-INFO, and the entries of its `.deps`.

    `bootstrap` is pex's own code, which layout `packed` stores in a separate archive.
    """

    path: Path
    container: Container
    info: Mapping[str, Any]
    wheels: tuple[PexWheel, ...]
    bootstrap: Container

    def project_members(self) -> Iterator[Member]:
        """Yield the members outside all distributions and the bootstrap: loose files, PEX-INFO, the launcher."""
        for name, member in self.container.members.items():
            if not name.startswith((DEPENDENCIES, f"{BOOTSTRAP}/")) and name != BOOTSTRAP:
                yield member

    def head(self) -> bytes:
        """Return what precedes the archive in a zipapp: shebang and shell script; empty for a directory."""
        if not isinstance(self.container, Zip):
            return b""
        with self.path.open("rb") as file:
            return file.read(min(self.container.head_size, _LONGEST_HEAD))


@contextlib.contextmanager
def open_pex(path: Path) -> Iterator[Pex]:
    """Open the PEX at `path`, of any layout, without running any of its code.

    Raises `NoxPexError`: `usage` if it does not exist, `integrity` if it is not a PEX, or is truncated or damaged.
    """
    if not path.exists():
        raise NoxPexError("usage", f"there is no {path}", "build it with `nox -s pex`, or give the path of one")
    with ExitStack() as stack:
        with reporting_damage(str(path)):
            container = _outermost(path, stack)
            info = _info(path, container)
            wheels = tuple(_wheels(container, stack, installed=not info.get("deps_are_wheel_files", False)))
            is_archive = BOOTSTRAP in container.members
            bootstrap = open_nested(container, BOOTSTRAP, stack) if is_archive else _directory_in(container, BOOTSTRAP)
        yield Pex(path=path, container=container, info=info, wheels=wheels, bootstrap=bootstrap)


def open_nested(container: Container, name: str, stack: ExitStack) -> Zip:
    """Open the archive that is the member `name` of `container`; it stays open until `stack` ends.

    A member of an archive is first copied to a temporary file, because a compressed member is not seekable.
    """
    if isinstance(container, Directory):
        return Zip(stack.enter_context(container.open(name)))
    file = stack.enter_context(tempfile.TemporaryFile(prefix="nox-pex-"))  # noqa: SIM115  # the stack closes it
    with container.open(name) as stream:
        shutil.copyfileobj(stream, file, CHUNK)
    return Zip(file)


def _outermost(path: Path, stack: ExitStack) -> Container:
    if path.is_dir():
        return Directory(path)
    file = stack.enter_context(path.open("rb"))
    try:
        return Zip(file)
    except zipfile.BadZipFile as error:
        problem = f"{path} is not a PEX, or is truncated ({error})"
        raise NoxPexError("integrity", problem, _REMEDY) from error


def _info(path: Path, container: Container) -> Mapping[str, Any]:
    text = read_text(container, INFO)
    try:
        info = json.loads(text)
    except ValueError:
        info = None
    if not isinstance(info, dict):
        reason = "its PEX-INFO is not a JSON object" if text else "it has no PEX-INFO"
        raise NoxPexError("integrity", f"{path} is not a PEX: {reason}", _REMEDY)
    return info


def _wheels(container: Container, stack: ExitStack, *, installed: bool) -> Iterator[PexWheel]:
    names = [name for name in container.members if name.startswith(DEPENDENCIES)]
    for entry in dict.fromkeys(PurePosixPath(name).parts[1] for name in names):
        path = DEPENDENCIES + entry
        content = open_nested(container, path, stack) if path in container.members else _directory_in(container, path)
        yield PexWheel(name=entry, content=content, installed=installed)


def _directory_in(container: Container, path: str) -> Part:
    return Part(container=container, prefix=f"{path}/")
