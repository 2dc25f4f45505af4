"""A scie: an executable that pex and science make of a PEX and a portable Python. It is read here, and never run.

A scie is the launcher `scie-jump`, the files, and the lift manifest, one after another. The manifest is a JSON document
after the end of the last file, which is a ZIP archive: the PEX (a-scie/jump, `docs/packaging.md` and `zip.rs`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

from msgspec import Struct

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
        size = os.fstat(file.fileno()).st_size
        start = max(0, size - _TAIL)
        file.seek(start)
        tail = file.read(_TAIL)
    record = tail.rfind(_END_OF_ZIP)
    if record < 0 or record + _END_OF_ZIP_SIZE > len(tail):
        msg = "it is no scie: it does not end in a ZIP archive and a lift manifest"
        raise ScieError(msg)
    comment = int.from_bytes(tail[record + _END_OF_ZIP_SIZE - 2 : record + _END_OF_ZIP_SIZE], "little")
    end = record + _END_OF_ZIP_SIZE + comment
    try:
        return _parse(json.loads(tail[end:]), end=start + end)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        msg = "it is no scie: its lift manifest cannot be read"
        raise ScieError(msg) from None


def digests(path: Path, scie: Scie) -> Digests:
    """Read a scie once, in pieces, and return its digests. Raises `ScieError` if it is not a file."""
    whole, parts = hashlib.sha256(), {part.name: hashlib.sha256() for part in scie.parts}
    ends = [(part.offset, part.offset + part.size, parts[part.name]) for part in scie.parts if part.offset is not None]
    position = 0
    with _open(path) as file:
        remaining = os.fstat(file.fileno()).st_size  # a file that grows meanwhile must not be read forever
        while remaining > 0 and (piece := file.read(min(_CHUNK, remaining))):
            whole.update(piece)
            for start, end, hasher in ends:
                hasher.update(piece[max(0, start - position) : max(0, end - position)])
            position += len(piece)
            remaining -= len(piece)
    return Digests(whole=whole.hexdigest(), parts={name: hasher.hexdigest() for name, hasher in parts.items()})


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


def _open(path: Path) -> IO[bytes]:
    """Open a file for reading. Raises `ScieError` if it is something else; opening a FIFO could block."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        msg = f"it cannot be read: {error.strerror}"
        raise ScieError(msg) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        msg = "it is not a file"
        raise ScieError(msg)
    return os.fdopen(descriptor, "rb")


def _parse(manifest: Any, *, end: int) -> Scie:
    """Return the files of a manifest. `end` is the offset of the manifest, which follows the last file."""
    scie = manifest["scie"]
    offset, parts = _size(scie["jump"]), []
    for entry in scie["lift"]["files"]:
        part = Part(
            name=str(entry["name"]),
            key=entry.get("key"),
            offset=None if "source" in entry else offset,
            size=_size(entry),
            sha256=str(entry["hash"]),
        )
        parts.append(part)
        offset += part.size if part.offset is not None else 0
    if offset != end:
        msg = f"its lift manifest accounts for {offset} bytes before itself, and there are {end}"
        raise ScieError(msg)
    if len({part.name for part in parts}) != len(parts):
        msg = "its lift manifest names a file twice"
        raise ScieError(msg)
    return Scie(name=str(scie["lift"]["name"]), parts=tuple(parts), manifest=manifest)


def _size(entry: Mapping[str, Any]) -> int:
    """The size in an entry of a manifest, which scie-jump leaves out if it is 0."""
    size = entry.get("size", 0)
    if not isinstance(size, int) or size < 0:
        msg = "a size is no number of bytes"
        raise ValueError(msg)
    return size
