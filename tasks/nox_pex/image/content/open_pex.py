"""An open PEX file: its distributions as pex installs them, the project's loose files, its PEX-INFO."""

from __future__ import annotations

import functools
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import IO, Final

from msgspec import Struct

from nox_pex.distributions import pex_info, wheel_layout
from nox_pex.distributions.installed_wheel import LAYOUT, InstalledWheel, UnsupportedDistributionError
from nox_pex.distributions.pex_file import PexError
from nox_pex.distributions.pex_info import PexInfo
from nox_pex.errors import NoxPexError
from nox_pex.image import scanner_files
from nox_pex.oci.layer_writer import Stream
from nox_pex.system import files

INFO: Final = "PEX-INFO"


RUNTIME: Final = (".bootstrap/", "__pex__/", "__main__.py")
"""Pex's own files."""


_DISTRIBUTIONS: Final = ".deps/"


_NOT_INSTALLED: Final = frozenset(
    {"__main__.py", "__pex__", "__pycache__", "pex", ".bootstrap", ".deps", INFO, "PEX-LAYOUT", ".last-access"}
)
"""Names at the top of a PEX that are not the project's (`pex.venv.installer.PEXSources`)."""


_PIECE: Final = 1 << 20
"""Bytes that are copied at a time."""


class Member(Struct, frozen=True, kw_only=True):
    """A file: its content, whether it is executable, and a checksum, which is the same for the same content."""

    content: Stream
    executable: bool
    checksum: str

    def read(self) -> bytes:
        """Return the content."""
        with self.content.open() as file:
            return file.read()


Members = Mapping[str, Member]
"""The files of an installed wheel, by their path in it."""


class OpenPex(Struct, frozen=True, kw_only=True, dict=True):
    """The open PEX file `archive`. Wheels that are stored in it, and not installed, are unpacked into `scratch`."""

    archive: zipfile.ZipFile
    scratch: Path

    @cached_property
    def info_text(self) -> bytes:
        """The text of its PEX-INFO."""
        return self.archive.read(INFO)

    @cached_property
    def info(self) -> PexInfo:
        """Its PEX-INFO. Raises `ValueError` if it is not valid."""
        return pex_info.parse(self.info_text)

    @cached_property
    def sources(self) -> Mapping[str, Member | None]:
        """The project's loose files by path, and None for a directory."""
        found: dict[str, Member | None] = {}
        for member in self.archive.infolist():
            if member.filename.partition("/")[0] not in _NOT_INSTALLED:
                found[member.filename.rstrip("/")] = None if member.is_dir() else _member(self.archive, member)
        return found

    @cached_property
    def wheels(self) -> Mapping[str, Members]:
        """The distributions that are installed in it, by the names of their wheels."""
        found: dict[str, dict[str, Member]] = {}
        for member in self.archive.infolist():
            name = member.filename
            if name.startswith(_DISTRIBUTIONS) and not name.endswith("/"):
                wheel, slash, path = name[len(_DISTRIBUTIONS) :].partition("/")
                if slash:
                    found.setdefault(wheel, {})[path] = _member(self.archive, member)
        return found

    def installed(self, wheel: str) -> Members:
        """Return the files of a distribution as pex installs it.

        Raises `PexError` if it is not there, and `NoxPexError` `image-build` if only pex itself can install it.
        """
        if wheel in self.wheels:
            return self.wheels[wheel]
        if wheel not in self._unpacked:
            self._unpacked[wheel] = dict(_laid_out(self._unpack(wheel)))
        return self._unpacked[wheel]

    def metadata(self, wheel: str) -> bytes:
        """Return the METADATA of a distribution. Raises `PexError` if it is not there."""
        if wheel in self.wheels:
            members = self.wheels[wheel]
            name = next((path for path in members if path.endswith(".dist-info/METADATA")), None)
            return members[name].read() if name is not None else b""
        with self.archive.open(self._stored(wheel)) as file, zipfile.ZipFile(file) as packed:
            return next(iter(scanner_files.of_archive(packed).values()), b"")

    def identity(self, wheel: str) -> list[object]:
        """Return JSON values that decide the files of a distribution; none of them is read."""
        members = self.wheels.get(wheel, {})
        executable = sorted(path for path, member in members.items() if member.executable)
        return [wheel, self.info.distributions[wheel], executable]

    def size(self, wheel: str) -> int:
        """Return the bytes of a distribution's files, or of its wheel if that is stored."""
        members = self.wheels.get(wheel)
        if members is None:
            return self._stored(wheel).file_size
        return sum(member.content.size for member in members.values())

    @cached_property
    def _unpacked(self) -> dict[str, Members]:
        return {}

    def _stored(self, wheel: str) -> zipfile.ZipInfo:
        try:
            return self.archive.getinfo(_DISTRIBUTIONS + wheel)
        except KeyError as error:
            msg = f"it has no {wheel}, which its PEX-INFO names"
            raise PexError(msg) from error

    def _unpack(self, wheel: str) -> InstalledWheel:
        stored = self._stored(wheel)
        file, into = self.scratch / f"wheel{len(self._unpacked)}" / wheel, self.scratch / f"files{len(self._unpacked)}"
        file.parent.mkdir()
        into.mkdir()
        with self.archive.open(stored) as packed, file.open("wb") as copy:
            while piece := packed.read(_PIECE):
                copy.write(piece)
        try:
            return wheel_layout.from_wheel(file, into)
        except UnsupportedDistributionError as error:
            problem = f"the image cannot get a wheel in the binary: {error}"
            remedy = 'use form = "file", pre-install-wheels = true, or an engine'
            raise NoxPexError("image-build", problem, remedy) from error


def _laid_out(wheel: InstalledWheel) -> Iterator[tuple[str, Member]]:
    yield LAYOUT, _of_bytes(wheel.layout(""))
    for file in wheel.files:
        if isinstance(file.content, bytes):
            yield file.path, _of_bytes(file.content, executable=file.executable)
        else:
            size = file.content.stat().st_size
            stream = Stream(size=size, open=functools.partial(files.open_regular, file.content))
            yield file.path, Member(content=stream, executable=file.executable, checksum=file.digest)


def _of_bytes(content: bytes, *, executable: bool = False) -> Member:
    return Member(
        content=Stream(size=len(content), open=functools.partial(io.BytesIO, content)),
        executable=executable,
        checksum=hashlib.sha256(content).hexdigest(),
    )


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    opener: Callable[[], IO[bytes]] = functools.partial(archive.open, info)
    return Member(
        content=Stream(size=info.file_size, open=opener),
        executable=bool((info.external_attr >> 16) & 0o111),
        checksum=f"{info.CRC:08x} {info.file_size}",
    )
