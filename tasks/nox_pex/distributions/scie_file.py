"""A scie: an executable that pex and science make of a PEX and a portable Python. It is read here, and never run.

A scie is the launcher `scie-jump`, the files, and the lift manifest, one after another. The manifest is a JSON document
after the end of the last file, which is a ZIP archive: the PEX (a-scie/jump, `docs/packaging.md` and `zip.rs`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from nox_pex.distributions import pex_file
from nox_pex.distributions.pex_file import PexError
from nox_pex.system import strict_json

_END_OF_ZIP: Final = b"PK\5\6"
"""The signature of the record at the end of a ZIP archive (APPNOTE.TXT 4.3.16)."""


_END_OF_ZIP_SIZE: Final = 22
"""Bytes of that record without its comment, whose length is the last two of them."""


_TAIL: Final = _END_OF_ZIP_SIZE + 0xFFFF
"""Bytes from the end of the file in which scie-jump searches for that record (`EOCD_MAX_SIZE` in its `zip.rs`)."""


_CHUNK: Final = 1 << 18
"""Bytes that are read at a time."""


_PLATFORM: Final = r"(?:musl-)?(?:linux|macos|windows)-[a-z0-9_]+"
"""Matches pex's name of a platform (`SysPlatform`)."""


_PYTHON: Final = re.compile(r"(?:cpython|pypy)[-0-9].*")
"""Matches the name of an archive with a portable Python."""


_ARCHITECTURES: Final = {"amd64": "x86_64", "arm64": "aarch64", "armv8l": "armv7l", "ppc64le": "powerpc64"}
"""The names of processors that pex replaces (`SysPlatform`)."""


class ScieError(Exception):
    """A file is not a scie, or is damaged. The text says why, and does not name the file."""


class Part(Struct, frozen=True, kw_only=True):
    """A file in a scie: its name, its key in the manifest, its offset and size in bytes, its SHA-256 by the manifest.

    `offset` is None for a file that the scie downloads at its first start.
    """

    name: str
    key: str | None
    offset: int | None
    size: int
    sha256: str


class Scie(Struct, frozen=True, kw_only=True):
    """The content of a scie's lift manifest: the scie's name and its files. `manifest` is the whole document."""

    name: str
    parts: tuple[Part, ...]
    manifest: Mapping[str, Any]

    @property
    def pex(self) -> Part | None:
        """The PEX in it. pex gives it the key `pex`, or the name if the application has that key as its name."""
        return next((part for part in self.parts if "pex" in (part.key, part.name)), None)

    @property
    def python(self) -> str | None:
        """The file name of its portable Python, such as `cpython-3.11.13+20250612-x86_64-….tar.gz`."""
        return next((part.name for part in self.parts if _PYTHON.fullmatch(part.name)), None)


class Digests(Struct, frozen=True, kw_only=True):
    """The SHA-256 of a scie, and those of the files in it, by name."""

    whole: str
    parts: Mapping[str, str]


def read(path: Path) -> Scie:
    """Read the lift manifest of a scie. Raises `ScieError`; also if it does not say where each byte belongs."""
    with _open(path) as file:
        return _parse_tail(_read_tail(file), size=os.fstat(file.fileno()).st_size)


def read_whole(path: Path) -> tuple[Scie, Digests]:
    """Open a scie once, read all of it in pieces, and return its manifest and its digests, which are of the same bytes.

    Raises `ScieError` if it is not a scie, or if it is changed meanwhile.
    """
    with _open(path) as file:
        size, tail = os.fstat(file.fileno()).st_size, _read_tail(file)
        scie = _parse_tail(tail, size=size)
        file.seek(0)
        whole, parts, end, position = hashlib.sha256(), {part.name: hashlib.sha256() for part in scie.parts}, b"", 0
        ends = [(p.offset, p.offset + p.size, parts[p.name]) for p in scie.parts if p.offset is not None]
        while piece := file.read(_CHUNK):
            whole.update(piece)
            for start, stop, hasher in ends:
                hasher.update(piece[max(0, start - position) : max(0, stop - position)])
            position += len(piece)
            end = (end + piece)[-_TAIL:]
            if position > size:  # it must not be read forever if it grows
                break
    if position != size or end != tail:
        msg = "it was changed while it was read"
        raise ScieError(msg)
    return scie, Digests(whole=whole.hexdigest(), parts={name: hasher.hexdigest() for name, hasher in parts.items()})


def this_platform() -> str:
    """Return pex's name of this machine's platform: `linux-x86_64`, `musl-linux-aarch64`, `macos-aarch64`."""
    machine = os.uname().machine.lower()
    system = {"darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
    musl = "musl-" if "musl" in str(sysconfig.get_config_var("HOST_GNU_TYPE")) else ""
    return f"{musl}{system}-{_ARCHITECTURES.get(machine, machine)}"


def platform_in(name: str, *, stem: str) -> str | None:
    """Return the platform in the file name of a scie of the binary `stem`; None if it is no such name."""
    match = re.fullmatch(rf"{re.escape(stem)}-(?P<platform>{_PLATFORM})(?:\.exe)?", name)
    return match["platform"] if match else None


@contextlib.contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading. Raises `ScieError` if it is something else, or if the block cannot read it."""
    try:
        with pex_file.opened(path) as descriptor:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                msg = "it is a directory"
                raise ScieError(msg)
            with os.fdopen(os.dup(descriptor), "rb", buffering=0) as file:
                yield file
    except PexError as error:
        raise ScieError(str(error)) from None


def _read_tail(file: IO[bytes]) -> bytes:
    file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
    tail = b""
    while len(tail) < _TAIL and (piece := file.read(_TAIL - len(tail))):
        tail += piece
    return tail


def _parse_tail(tail: bytes, *, size: int) -> Scie:
    """Return the content of the manifest in the last bytes of a scie that has `size` bytes."""
    record = tail.rfind(_END_OF_ZIP)
    if record < 0 or record + _END_OF_ZIP_SIZE > len(tail):
        msg = "it is no scie: it does not end in a ZIP archive and a lift manifest"
        raise ScieError(msg)
    comment = int.from_bytes(tail[record + _END_OF_ZIP_SIZE - 2 : record + _END_OF_ZIP_SIZE], "little")
    end = record + _END_OF_ZIP_SIZE + comment
    try:
        document = strict_json.parse(tail[end:])
        manifest = msgspec.convert(document, _Manifest)
    except (ValueError, msgspec.ValidationError):
        msg = "it is no scie: its lift manifest cannot be read"
        raise ScieError(msg) from None
    return _located(manifest, document, end=size - len(tail) + end)


class _Jump(Struct, frozen=True):
    """scie-jump in a manifest; it leaves out a size of 0."""

    size: Annotated[int, Meta(ge=0)] = 0


class _File(Struct, frozen=True):
    """A file in a manifest; scie-jump leaves out a size of 0."""

    name: str
    hash: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    size: Annotated[int, Meta(ge=0)] = 0
    key: str | None = None
    source: str | None = None


class _Lift(Struct, frozen=True):
    name: str
    files: tuple[_File, ...]


class _ScieTable(Struct, frozen=True):
    lift: _Lift
    jump: _Jump


class _Manifest(Struct, frozen=True):
    """The values of a lift manifest that are needed here."""

    scie: _ScieTable


def _located(manifest: _Manifest, document: Mapping[str, Any], *, end: int) -> Scie:
    """Return the files of a manifest. `end` is the offset of the manifest, which follows the last file."""
    offset, parts = manifest.scie.jump.size, []
    for file in manifest.scie.lift.files:
        here = file.source is None
        parts.append(
            Part(name=file.name, key=file.key, offset=offset if here else None, size=file.size, sha256=file.hash)
        )
        offset += file.size if here else 0
    if offset != end:
        msg = f"its lift manifest accounts for {offset} bytes before itself, and there are {end}"
        raise ScieError(msg)
    if len({part.name for part in parts}) != len(parts):
        msg = "its lift manifest names a file twice"
        raise ScieError(msg)
    return Scie(name=manifest.scie.lift.name, parts=tuple(parts), manifest=document)
