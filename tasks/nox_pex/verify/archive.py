"""Reads a PEX of any layout: its members, and those of the wheels in it, uncompressed and in bounded memory.

This module trusts neither pex nor our own build: it reports what the archive's directory, or the file system, says.
Fact sources: pex's `layout.py` and `installed_wheel.py`.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import IO, Final

from msgspec import Struct

from nox_pex.distributions import pex_info
from nox_pex.distributions.pex_info import PexInfo
from nox_pex.errors import NoxPexError
from nox_pex.verify import snapshot
from nox_pex.verify.container import CHUNK, Allowance, Container, DamageError, Member
from nox_pex.verify.snapshot import Snapshot
from nox_pex.verify.zip_file import Zip

INFO: Final = "PEX-INFO"


DEPENDENCIES: Final = ".deps/"


BOOTSTRAP: Final = ".bootstrap"


_LARGEST_INFO: Final = 16 << 20
"""Bytes of a PEX-INFO."""


_REMEDY: Final = "build it again with `nox -s pex -- --force`"


@contextlib.contextmanager
def reporting_damage(what: str) -> Iterator[None]:
    """Raise `NoxPexError` `integrity` about `what` if the block meets damage while it reads an archive."""
    try:
        yield
    except DamageError as error:
        raise NoxPexError("integrity", f"{what} is damaged: {error}", _REMEDY) from error


class Directory:
    """A directory on disk, which must not change. Symbolic links in it are members: their content is their target."""

    def __init__(self, path: Path, *, allowance: Allowance | None = None) -> None:
        self._path = path
        found: list[Member] = []
        self.directories: dict[str, int] = {}
        waiting = [""]
        while waiting:
            below = waiting.pop()
            with os.scandir(path / below) as entries:
                for entry in entries:
                    name = f"{below}/{entry.name}" if below else entry.name
                    status = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        self.directories[name] = _mode(status)
                        waiting.append(name)
                    else:
                        found.append(Member(name=name, size=status.st_size, mode=_mode(status)))
        self.members: dict[str, Member] = {
            member.name: member for member in sorted(found, key=lambda member: member.name)
        }
        size = sum(member.size for member in found)
        self.allowance: Allowance = Allowance.of(size) if allowance is None else allowance

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


def _mode(status: os.stat_result) -> int:
    """Return the permissions of a file on disk that matter: whether it is executable, and any that is unusual.

    What the umask takes away from a copy does not matter.
    """
    executable = not stat.S_ISREG(status.st_mode) or status.st_mode & stat.S_IXUSR
    return stat.S_IFMT(status.st_mode) | status.st_mode & _UNUSUAL | (0o755 if executable else 0o644)


_UNUSUAL: Final = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX | stat.S_IWGRP | stat.S_IWOTH


class Part(Struct, frozen=True, kw_only=True):
    """The members of another container whose names begin with `prefix`, which ends in a slash.

    `members` and `directories` are without the prefix.
    """

    container: Container
    prefix: str
    members: Mapping[str, Member]
    directories: Mapping[str, int]

    @property
    def allowance(self) -> Allowance:
        """That of the other container."""
        return self.container.allowance

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


class Pex(Struct, frozen=True, kw_only=True, dict=True):
    """An open PEX: its outermost container, its parsed PEX-INFO, and the entries of its `.deps`.

    `path` is where it was found, for messages; `sha256` and `size` are those of the content that was opened.
    `bootstrap` is pex's own code, which layout `packed` stores in a separate archive.
    """

    path: Path
    sha256: str
    size: int
    container: Container
    info: PexInfo
    wheels: tuple[PexWheel, ...]
    bootstrap: Container

    def project_members(self) -> Iterator[Member]:
        """Yield the members outside all distributions and the bootstrap: loose files, PEX-INFO, the launcher."""
        for name, member in self.container.members.items():
            if not name.startswith((DEPENDENCIES, f"{BOOTSTRAP}/")) and name != BOOTSTRAP:
                yield member

    @cached_property
    def archives(self) -> Mapping[str, Zip]:
        """The archives that pex wrote: the file itself, or those in layout `packed`, by their names in the PEX."""
        found = {"": self.container, BOOTSTRAP: self.bootstrap}
        found |= {DEPENDENCIES + wheel.name: wheel.content for wheel in self.wheels if wheel.installed}
        return {name: container for name, container in found.items() if isinstance(container, Zip)}

    @property
    def modes(self) -> Mapping[str, int]:
        """The permissions of its files and directories, which are not a part of the digest of a directory, by name."""
        files = {name: member.mode for name, member in self.container.members.items()}
        return {**files, **self.container.directories}

    def head(self) -> bytes:
        """Return what precedes the archive in a zipapp: shebang and shell script; empty for a directory."""
        return self.container.head() if isinstance(self.container, Zip) else b""


@contextlib.contextmanager
def open_pex(path: Path) -> Iterator[Pex]:
    """Open the PEX at `path`, of any layout, without running any of its code.

    It is read once, into a private copy.
    Raises `NoxPexError`: as `snapshot.taken`, `integrity` if it is not a PEX, or is truncated or damaged.
    """
    with ExitStack() as stack:
        with refusing(path):
            pex = opened(path, stack.enter_context(snapshot.taken(path)), stack)
        yield pex


@contextlib.contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Raise `NoxPexError` `integrity` about the file at `path` if the block finds that it is not a PEX."""
    try:
        yield
    except DamageError as error:
        raise NoxPexError("integrity", f"{path} is not a PEX, or is damaged: {error}", _REMEDY) from error


def opened(path: Path, taken: Snapshot, stack: ExitStack) -> Pex:
    """Return the PEX in a copy of the file at `path`; it stays open until `stack` ends. Raises `DamageError`."""
    if taken.file is not None:
        container: Container = Zip(taken.file, what="it")
    else:
        assert taken.directory is not None  # noqa: S101  # for the type checker: a snapshot has one of them
        container = Directory(taken.directory)
    info = _info(container)
    wheels = tuple(_wheels(container, stack, installed=not info.deps_are_wheel_files))
    if BOOTSTRAP in container.members:
        bootstrap: Container = open_nested(container, BOOTSTRAP, stack)
    else:
        bootstrap = _part(container, f"{BOOTSTRAP}/")
    return Pex(
        path=path,
        sha256=taken.sha256,
        size=taken.size,
        container=container,
        info=info,
        wheels=wheels,
        bootstrap=bootstrap,
    )


def open_nested(container: Container, name: str, stack: ExitStack) -> Zip:
    """Open the archive that is the member `name` of `container`; it stays open until `stack` ends.

    A member of an archive is first copied to a temporary file, because a compressed member is not seekable. Raises
    `DamageError` if it is none.
    """
    if isinstance(container, Directory):
        file = container.open(name)
        stack.callback(file.close)
        if isinstance(file, io.BytesIO):
            msg = f"{name} is a link"
            raise DamageError(msg)
        return Zip(file, allowance=container.allowance, what=name)
    file = stack.enter_context(tempfile.TemporaryFile(prefix="nox-pex-verify-"))  # noqa: SIM115  # the stack closes it
    with container.open(name) as stream:
        shutil.copyfileobj(stream, file, CHUNK)
    file.flush()
    return Zip(file, allowance=container.allowance, what=name)


def _info(container: Container) -> PexInfo:
    if INFO not in container.members:
        msg = "it has no PEX-INFO"
        raise DamageError(msg)
    with container.open(INFO) as stream:
        text = stream.read(_LARGEST_INFO)
    try:
        return pex_info.parse(text)
    except ValueError as error:
        msg = f"its PEX-INFO cannot be read: {error}"
        raise DamageError(msg) from error


def _wheels(container: Container, stack: ExitStack, *, installed: bool) -> Iterator[PexWheel]:
    for entry, part in _parts(container, DEPENDENCIES).items():
        path = DEPENDENCIES + entry
        content = open_nested(container, path, stack) if path in container.members else part
        yield PexWheel(name=entry, content=content, installed=installed)


def _parts(container: Container, directory: str) -> Mapping[str, Part]:
    """Return what is directly in a `directory` (its name ends in a slash) as parts of `container`, by name."""
    members: dict[str, dict[str, Member]] = {}
    directories: dict[str, dict[str, int]] = {}
    for name, member in container.members.items():
        if name.startswith(directory):
            entry, _, rest = name.removeprefix(directory).partition("/")
            found = members.setdefault(entry, {})
            if rest:
                found[rest] = member
    for name, mode in container.directories.items():
        if name.startswith(directory):
            entry, _, rest = name.removeprefix(directory).partition("/")
            directories.setdefault(entry, {}).update({rest: mode} if rest else {})
            members.setdefault(entry, {})
    return {
        entry: Part(
            container=container,
            prefix=f"{directory}{entry}/",
            members=found,
            directories=directories.get(entry, {}),
        )
        for entry, found in members.items()
    }


def _part(container: Container, prefix: str) -> Part:
    return Part(
        container=container,
        prefix=prefix,
        members={n.removeprefix(prefix): m for n, m in container.members.items() if n.startswith(prefix)},
        directories={n.removeprefix(prefix): m for n, m in container.directories.items() if n.startswith(prefix)},
    )
