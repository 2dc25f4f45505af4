"""A PEX of any layout, opened: its members, and those of the wheels in it, uncompressed and in bounded memory.

Nothing here trusts pex or our own build: what is inside is what the archive's directory, or the file system, says.
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
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, Protocol

from nox_pex.errors import NoxPexError

INFO: Final = "PEX-INFO"


DEPENDENCIES: Final = ".deps/"


BOOTSTRAP: Final = ".bootstrap"


CHUNK: Final = 1 << 20
"""Bytes that are read at a time."""


_HEAD: Final = 1 << 20
"""Bytes of a zipapp's head (shebang, and the shell script of `--sh-boot`) that are looked at; it has some kilobytes."""


_DAMAGES: Final = (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError)


_COMPRESSIONS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


_ENCRYPTED: Final = 0x1
"""The bit of a member's flags that says so."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file in a container: its POSIX path there, its size in bytes uncompressed, its permissions, its date.

    `date` is None where the container keeps none that means anything (a directory).
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
        """The names that it holds more than once: which of them counts depends on the reader."""

    def open(self, name: str) -> IO[bytes]:
        """The uncompressed content of a member."""


def chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """The content of `stream` in pieces, so that no member is ever whole in memory."""
    while piece := stream.read(CHUNK):
        yield piece


def read_text(container: Container, name: str, *, limit: int = 16 * CHUNK) -> str:
    """A small text member, at most `limit` bytes of it; empty where there is none."""
    if name not in container.members:
        return ""
    with container.open(name) as stream:
        return stream.read(limit).decode("utf-8", "surrogateescape")


@contextlib.contextmanager
def reporting_damage(what: str) -> Iterator[None]:
    """Turn damage that shows while an archive is read into `error[integrity]` about `what`."""
    try:
        yield
    except _DAMAGES as error:
        problem = f"{what} is damaged: {str(error) or type(error).__name__}"
        raise NoxPexError("integrity", problem, _BUILD_AGAIN) from error


_BUILD_AGAIN: Final = "build it again with `nox -s pex -- --force`"


class Zip:
    """A ZIP archive, from a file that can seek."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(file)
        self._infos = [info for info in self._zip.infolist() if not info.is_dir()]
        for info in self._infos:
            if info.compress_type not in _COMPRESSIONS or info.flag_bits & _ENCRYPTED:
                msg = f"{info.filename} is encrypted, or compressed in a way that Python cannot import from"
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
        """The names that stand in its directory more than once."""
        return tuple(name for name, times in Counter(info.filename for info in self._infos).items() if times > 1)

    @property
    def head(self) -> int:
        """How many bytes stand before the first member: a shebang, a shell script."""
        return min((info.header_offset for info in self._zip.infolist()), default=0)

    def open(self, name: str) -> IO[bytes]:
        """The uncompressed content of a member; its CRC is checked when the end is read."""
        return self._zip.open(name)


class Directory:
    """A directory on disk. A link in it is a member whose content is where it leads to: it is never followed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def members(self) -> Mapping[str, Member]:
        """Its files by name, sorted."""
        found = []
        for top, directories, files in os.walk(self._path):
            links = [name for name in directories if os.path.islink(f"{top}/{name}")]  # noqa: PTH114  # many
            for file in (*files, *links):
                path = Path(top, file)
                status = path.lstat()
                name = path.relative_to(self._path).as_posix()
                found.append(Member(name=name, size=status.st_size, mode=status.st_mode))
        return {member.name: member for member in sorted(found, key=lambda member: member.name)}

    @property
    def duplicates(self) -> Sequence[str]:
        """None: a file system has none."""
        return ()

    def open(self, name: str) -> IO[bytes]:
        """The content of a member."""
        path = self._path / name
        if path.is_symlink():
            return io.BytesIO(os.fsencode(path.readlink()))
        return path.open("rb")


@dataclass(frozen=True)
class Part:
    """What lies under a prefix (with a final slash) in another container."""

    whole: Container
    prefix: str

    @cached_property
    def members(self) -> Mapping[str, Member]:
        """Its files by name, without the prefix."""
        return {
            name[len(self.prefix) :]: member
            for name, member in self.whole.members.items()
            if name.startswith(self.prefix)
        }

    @property
    def duplicates(self) -> Sequence[str]:
        """The names that it holds more than once, without the prefix."""
        return tuple(name[len(self.prefix) :] for name in self.whole.duplicates if name.startswith(self.prefix))

    def open(self, name: str) -> IO[bytes]:
        """The uncompressed content of a member."""
        return self.whole.open(self.prefix + name)


@dataclass(frozen=True, kw_only=True)
class PexWheel:
    """One entry of a PEX's `.deps`: its name there (that of a wheel), and what is in it.

    `installed` is whether pex has installed it already (`pre-install-wheels`); else it is a wheel as it came.
    """

    name: str
    content: Container
    installed: bool


@dataclass(frozen=True, kw_only=True)
class Pex:
    """An open PEX: `path`, its outermost container, `info` from its PEX-INFO, the entries of its `.deps`.

    `bootstrap` is pex's own code, which layout `packed` keeps in an archive of its own.
    """

    path: Path
    container: Container
    info: Mapping[str, Any]
    wheels: tuple[PexWheel, ...]
    bootstrap: Container

    def project_members(self) -> Iterator[Member]:
        """The members in no distribution, nor in pex's bootstrap: the project's loose files, PEX-INFO, the launcher."""
        for name, member in self.container.members.items():
            if not name.startswith((DEPENDENCIES, f"{BOOTSTRAP}/")) and name != BOOTSTRAP:
                yield member

    def head(self) -> bytes:
        """What stands before the archive in a zipapp: shebang and shell script; empty for a directory."""
        if not isinstance(self.container, Zip):
            return b""
        with self.path.open("rb") as file:
            return file.read(min(self.container.head, _HEAD))


@contextlib.contextmanager
def open_pex(path: Path) -> Iterator[Pex]:
    """Open the PEX at `path`, of whatever layout; nothing of it is run.

    Raises `NoxPexError`: `usage` where there is none, `integrity` where it is no PEX, or is truncated or damaged.
    """
    if not path.exists():
        raise NoxPexError("usage", f"there is no {path}", "build it with `nox -s pex`, or give the path of one")
    with ExitStack() as stack:
        with reporting_damage(str(path)):
            container = _outermost(path, stack)
            info = _info(path, container)
            wheels = tuple(_wheels(container, stack, installed=not info.get("deps_are_wheel_files", False)))
            is_archive = BOOTSTRAP in container.members
            bootstrap = open_nested(container, BOOTSTRAP, stack) if is_archive else Part(container, f"{BOOTSTRAP}/")
        yield Pex(path=path, container=container, info=info, wheels=wheels, bootstrap=bootstrap)


def open_nested(container: Container, name: str, stack: ExitStack) -> Zip:
    """The archive that is the member `name` of `container`, open until `stack` ends.

    From an archive it is copied to a temporary file: what is compressed once more cannot be sought in.
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
        problem = f"{path} is no PEX, or its end is missing ({error})"
        raise NoxPexError("integrity", problem, _BUILD_AGAIN) from error


def _info(path: Path, container: Container) -> Mapping[str, Any]:
    text = read_text(container, INFO)
    try:
        info = json.loads(text)
    except ValueError:
        info = None
    if not isinstance(info, dict):
        what = "has no PEX-INFO" if not text else "has a PEX-INFO that is no JSON object"
        raise NoxPexError("integrity", f"{path} is no PEX: it {what}", _BUILD_AGAIN)
    return info


def _wheels(container: Container, stack: ExitStack, *, installed: bool) -> Iterator[PexWheel]:
    names = [name for name in container.members if name.startswith(DEPENDENCIES)]
    for entry in dict.fromkeys(PurePosixPath(name).parts[1] for name in names):
        whole = DEPENDENCIES + entry
        content = open_nested(container, whole, stack) if whole in container.members else Part(container, f"{whole}/")
        yield PexWheel(name=entry, content=content, installed=installed)
