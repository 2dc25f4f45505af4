"""Wheel files (PEP 427) with more or fewer files than their build backend gave them."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Collection, Mapping
from copy import copy
from pathlib import Path
from typing import IO, Final

from nox_pex.distributions.record import encode_digest, record_rows, record_text
from nox_pex.system import files

_CHUNK: Final = 1 << 20
"""Bytes that are read at a time."""


_LARGE: Final = 1 << 31
"""Bytes of a member above which its sizes may need the ZIP64 format."""


_DATE: Final = (1980, 1, 1, 0, 0, 0)
"""The date of added members: the earliest that a ZIP file can have."""


_RECORD: Final = re.compile(r"[^/]+\.dist-info/RECORD")


_METADATA: Final = re.compile(r"[^/]+\.(?:dist-info|data|egg-info)(?:/|$)")


def is_metadata(name: str) -> bool:
    """Whether a path in a wheel is that of metadata, or of a file that is installed outside of site-packages."""
    return _METADATA.match(name) is not None


def edit(wheel: Path, *, add: Mapping[str, Path], remove: Collection[str]) -> None:
    """Add files to a wheel, by their path in it, remove others, and correct its RECORD.

    The same files give the same bytes: an added member has a fixed date, and of its file's mode only the owner's
    execute permission. The path of an added file must be new in the wheel, and not that of metadata.
    """
    with (
        zipfile.ZipFile(wheel) as archive,
        files.temporary_directory(prefix=".editing.", parent=wheel.parent) as scratch,
    ):
        edited = scratch / wheel.name
        (record,) = (name for name in archive.namelist() if _RECORD.fullmatch(name))
        text = archive.read(record).decode("utf-8", "surrogateescape")
        rows = [row for row in record_rows(text) if row[0] not in {*remove, record}]
        with zipfile.ZipFile(edited, "w") as written:
            for entry in archive.infolist():
                if entry.filename not in remove and entry.filename != record:
                    with archive.open(entry) as source:
                        _write(written, copy(entry), source)  # a copy, because writing changes the entry's offset
            for name, file in sorted(add.items()):
                with file.open("rb") as source:
                    rows.append((name, *_write(written, _entry(name, file), source)))
            text = record_text([*rows, (record, "", "")])
            written.writestr(copy(archive.getinfo(record)), text.encode("utf-8", "surrogateescape"))
        edited.replace(wheel)


def _entry(name: str, file: Path) -> zipfile.ZipInfo:
    """Return the entry of a file that is added to a wheel."""
    status = file.stat()
    entry = zipfile.ZipInfo(name, _DATE)
    entry.create_system = 3  # Unix: the attributes are a mode
    entry.external_attr = (0o100755 if status.st_mode & 0o100 else 0o100644) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.file_size = status.st_size
    return entry


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, source: IO[bytes]) -> tuple[str, str]:
    """Write a member, and return its digest and its size as in a RECORD."""
    hasher, size = hashlib.sha256(), 0
    with archive.open(entry, "w", force_zip64=entry.file_size > _LARGE) as target:
        while chunk := source.read(_CHUNK):
            hasher.update(chunk)
            size += target.write(chunk)
    return f"sha256={encode_digest(hasher.digest())}", str(size)
