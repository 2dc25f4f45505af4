"""The members of a PEX file, grouped: its distributions, its runtime, the project's loose files."""

from __future__ import annotations

import functools
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Final

from msgspec import Struct

from nox_pex.distributions import wheel_layout
from nox_pex.distributions.installed_wheel import LAYOUT, InstalledWheel, UnsupportedDistributionError
from nox_pex.distributions.pex_file import PexError
from nox_pex.oci.layer_writer import Stream

DISTRIBUTIONS: Final = ".deps/"


INFO: Final = "PEX-INFO"


RUNTIME: Final = (".bootstrap/", "__pex__/", "__main__.py")
"""Pex's own files."""


_NOT_INSTALLED: Final = ("__main__.py", "__pex__", "__pycache__", "pex", ".bootstrap", ".deps", INFO, "PEX-LAYOUT")
"""Names at the top of a PEX that are not the project's (`pex.venv.installer.PEXSources`)."""


_LAST_ACCESS: Final = ".last-access"


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


class PexMembers(Struct, frozen=True, kw_only=True):
    """The members of the open PEX file `archive`.

    `wheels` are the members of each distribution, by the name of its wheel and their path in it. `stored` are the
    wheels that are not installed, by name. `sources` are the project's loose files by path, and None for a directory.
    """

    archive: zipfile.ZipFile
    wheels: Mapping[str, Members]
    stored: Mapping[str, zipfile.ZipInfo]
    sources: Mapping[str, Member | None]


def read(archive: zipfile.ZipFile) -> PexMembers:
    """Return the members of a PEX file."""
    wheels: dict[str, dict[str, Member]] = {}
    stored: dict[str, zipfile.ZipInfo] = {}
    sources: dict[str, Member | None] = {}
    for info in archive.infolist():
        name = info.filename
        if name.startswith(DISTRIBUTIONS):
            wheel, slash, path = name[len(DISTRIBUTIONS) :].partition("/")
            if path and not path.endswith("/"):
                wheels.setdefault(wheel, {})[path] = _member(archive, info)
            elif wheel and not slash:
                stored[wheel] = info
        elif name.partition("/")[0] not in (*_NOT_INSTALLED, _LAST_ACCESS):
            sources[name.rstrip("/")] = None if info.is_dir() else _member(archive, info)
    return PexMembers(archive=archive, wheels=wheels, stored=stored, sources=sources)


def installed(members: PexMembers, wheel: str, scratch: Path) -> Members:
    """Return the members of a distribution as pex installs it; a stored wheel is unpacked into `scratch`.

    Raises `PexError` if nox-pex cannot lay it out.
    """
    if wheel in members.wheels:
        return members.wheels[wheel]
    if wheel not in members.stored:
        msg = f"it has no {wheel}, which its PEX-INFO names"
        raise PexError(msg)
    file, into = scratch / wheel, scratch / f"{wheel}.unpacked"
    scratch.mkdir(exist_ok=True)
    with members.archive.open(members.stored[wheel]) as packed, file.open("wb") as copy:
        while piece := packed.read(1 << 20):
            copy.write(piece)
    into.mkdir()
    try:
        laid_out = wheel_layout.from_wheel(file, into)
    except UnsupportedDistributionError as error:
        msg = f"it has a wheel that only pex itself can install: {error}"
        raise PexError(msg) from error
    return dict(_laid_out(laid_out))


def _laid_out(wheel: InstalledWheel) -> Iterator[tuple[str, Member]]:
    yield LAYOUT, _of_bytes(wheel.layout(""))
    for file in wheel.files:
        if isinstance(file.content, bytes):
            yield file.path, _of_bytes(file.content, executable=file.executable)
        else:
            size = file.content.stat().st_size
            stream = Stream(size=size, open=functools.partial(file.content.open, "rb"))
            yield file.path, Member(content=stream, executable=file.executable, checksum=file.digest)


def _of_bytes(content: bytes, *, executable: bool = False) -> Member:
    return Member(
        content=Stream(size=len(content), open=functools.partial(io.BytesIO, content)),
        executable=executable,
        checksum=hashlib.sha256(content).hexdigest(),
    )


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    opener: Callable[[], IO[bytes]] = functools.partial(archive.open, info)
    executable = bool((info.external_attr >> 16) & 0o111)
    return Member(
        content=Stream(size=info.file_size, open=opener),
        executable=executable,
        checksum=f"{info.CRC:08x} {info.file_size}",
    )
