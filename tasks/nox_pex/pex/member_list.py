"""The member list of a build, kept in the private state: the next build's `diff` compares with it. Files are not kept.

The list is what the archives of the binary say of their members, as raw bytes, so that keeping it takes no time that
matters. It is parsed only when someone asks for a difference. Its file has a line of JSON, the header, and after it the
`Blob`s that the header names, one after another. A directory has the digests of its checksum file.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct, structs

from nox_pex.pex import checksums, zip_members
from nox_pex.pex.target import Target
from nox_pex.pex.zip_members import CENTRAL, END, LOCAL, CentralFields, UnsupportedArchiveError
from nox_pex.system import files
from nox_pex.system.secrets import Secrets

FORMAT: Final = 1


CURRENT: Final = "members"
"""The ending of the state file with the list of the last build."""


PREVIOUS: Final = "previous-members"
"""The ending of the state file with the list of the last build that had other bytes."""


PREVIOUS_SMOKE: Final = "previous-smoke.json"
"""The ending of the state file with the last smoke result before that of the last build. It may be about any file."""


_INFO: Final = "PEX-INFO"


_WHEEL: Final = re.compile(r"\.deps/[^/]+")
"""Matches the name of a file that is the archive of a distribution."""


_LARGEST: Final = 48 << 20
"""Bytes of a list. More members than a PEX can have need less; `files.read_bytes` reads no more than 64 MiB."""


_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64: Final = struct.Struct("<4sLQL")
"""The records of ZIP64 (APPNOTE 4.3.14, 4.3.15)."""


_Bytes: TypeAlias = Annotated[int, Meta(ge=0, le=2**62)]


class Blob(Struct, frozen=True, kw_only=True):
    """A part of the list: the central directory of an archive, the PEX-INFO, or the checksums of a directory.

    `name` is the archive's path in the binary; empty if it is the binary. `size` is how many bytes the list has of it.
    For an archive that is a member of another one, `crc` and `stored` are that member's CRC-32 and packed bytes.
    """

    name: str
    size: Annotated[int, Meta(ge=0, le=_LARGEST)]
    kind: str = "archive"
    crc: int | None = None
    stored: _Bytes | None = None


class Header(Struct, frozen=True, kw_only=True):
    """The facts about the binary, from its build record, and the order of the blobs.

    `sizes` and `links` are for a directory, as in a `MemberList`.
    """

    format: int
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    size: _Bytes
    file: str
    version: str = ""
    commit: str = ""
    dirty: bool = False
    finished: str = ""
    blobs: tuple[Blob, ...]
    sizes: dict[str, _Bytes] = {}
    links: dict[str, str] = {}


class MemberList(Struct, frozen=True, kw_only=True):
    """The list of a binary: its blobs with their bytes.

    A directory has the sizes of its files, and the targets of its links, by path.
    """

    blobs: tuple[tuple[Blob, bytes], ...]
    sizes: dict[str, int] = {}
    links: dict[str, str] = {}


def of_binary(binary: Path, *, known: Path) -> MemberList | None:
    """Return the list of a binary that was just built; None if its archive is of a layout that nox-pex does not write.

    `known` is the file with the list of an earlier build, from which those of wheels that did not change are taken.
    """
    try:
        if binary.is_dir():
            return _of_directory(binary)
        return MemberList(blobs=tuple(_of_archive(binary, known)))
    except (UnsupportedArchiveError, zipfile.BadZipFile, struct.error, zlib.error, ValueError):
        return None


def keep(target: Target, members: MemberList | None, record: Mapping[str, Any], *, secrets: Secrets) -> None:
    """Write the list of the build with this `record`. The list of the last build becomes that of the previous one.

    It stays that of the last one if the new binary has the same bytes. The checksum file must be written already. The
    `secrets` in the binary's settings are masked.
    """
    current, previous = target.state_file(CURRENT), target.state_file(PREVIOUS)
    former = read_header(current)
    if former is not None and former.sha256 != record["sha256"]:
        _keep_smoke_result(target)
        current.replace(previous)
    pieces = _encoded(target, members, record, secrets) if members is not None else ()
    if pieces and sum(map(len, pieces)) <= _LARGEST:
        files.write_pieces(current, pieces)
    else:
        current.unlink(missing_ok=True)


def _keep_smoke_result(target: Target) -> None:
    """Keep the smoke result of the binary that was replaced, if there is one."""
    with contextlib.suppress(OSError):  # there is none, or it is nothing that nox-pex wrote
        content = files.read_bytes(target.file("smoke.json"))
        files.write_bytes(target.state_file(PREVIOUS_SMOKE), content)


def _encoded(target: Target, members: MemberList, record: Mapping[str, Any], secrets: Secrets) -> Sequence[bytes]:
    blobs = [_masked(*each, secrets) if each[0].kind == "info" else each for each in members.blobs]
    if members.sizes:
        text = files.read_bytes(checksums.of_file(target.output))
        blobs.append((Blob(name="", size=len(text), kind="checksums"), text))
    git, built = record.get("git") or {}, record.get("built") or {}
    header = Header(
        format=FORMAT,
        sha256=record["sha256"],
        size=record["size"],
        file=target.output.name,
        version=record.get("version") or "",
        commit=git.get("commit") or "",
        dirty=bool(git.get("dirty")),
        finished=built.get("finished") or "",
        blobs=tuple(blob for blob, _ in blobs),
        sizes=members.sizes,
        links=members.links,
    )
    line = json.dumps(msgspec.to_builtins(header)).encode()
    return (line, b"\n", *(content for _, content in blobs))


def _masked(blob: Blob, content: bytes, secrets: Secrets) -> tuple[Blob, bytes]:
    masked = secrets.mask_json(content.decode()).encode()
    return structs.replace(blob, size=len(masked)), masked


def read_header(path: Path) -> Header | None:
    """Return the header of a list; None if there is none, or if it has another form."""
    try:
        with files.open_regular(path) as raw, io.BufferedReader(raw) as file:
            return _header(file.readline(_LARGEST))
    except OSError:
        return None


def read(path: Path) -> tuple[Header, MemberList] | None:
    """Return what `keep` wrote to `path`; None if there is no such file, or if it is damaged."""
    try:
        line, _, rest = files.read_bytes(path).partition(b"\n")
    except OSError:
        return None
    header = _header(line)
    if header is None or sum(blob.size for blob in header.blobs) != len(rest):
        return None
    found, position = [], 0
    for blob in header.blobs:
        found.append((blob, rest[position : position + blob.size]))
        position += blob.size
    return header, MemberList(blobs=tuple(found), sizes=header.sizes, links=header.links)


def _header(line: bytes) -> Header | None:
    try:
        header = msgspec.convert(json.loads(line), Header)
    except (ValueError, RecursionError, msgspec.ValidationError):
        return None
    return header if header.format == FORMAT else None


def _of_archive(binary: Path, known: Path) -> Iterator[tuple[Blob, bytes]]:
    """Yield the blobs of a PEX file: its PEX-INFO, its central directory, and those of the wheels in it."""
    with binary.open("rb") as file:
        directory = _central_directory(file)
        yield Blob(name="", size=len(directory)), directory
        info = _member(file, directory, _INFO.encode())
    yield Blob(name=_INFO, size=len(info), kind="info"), info
    if json.loads(info).get("deps_are_wheel_files"):
        before = _nested_in(known)
        for member in zip_members.read(binary).members:
            if _WHEEL.fullmatch(member.name):
                (crc, _), stored = member.crc_and_size, CentralFields._make(CENTRAL.unpack_from(member.central))[8]
                wheel = before.get((member.name, crc, stored))
                wheel = _central_directory(io.BytesIO(member.read())) if wheel is None else wheel
                yield Blob(name=member.name, size=len(wheel), crc=crc, stored=stored), wheel


def _nested_in(known: Path) -> dict[tuple[str, int | None, int | None], bytes]:
    """Return the central directories in an earlier list, by the name, the CRC-32 and the packed size of the wheel."""
    found = read(known)
    return {} if found is None else {(b.name, b.crc, b.stored): content for b, content in found[1].blobs if b.name}


def _of_directory(binary: Path) -> MemberList:
    """Return the list of a PEX directory: the sizes of its files, and the directories of the archives in it."""
    blobs: list[tuple[Blob, bytes]] = []
    sizes: dict[str, int] = {}
    links: dict[str, str] = {}
    prefix = len(os.fspath(binary)) + 1
    for entry in files.entries(binary):
        name = entry.path[prefix:]
        if entry.is_symlink():
            links[name] = os.readlink(entry.path)  # noqa: PTH115  # as text
        if not entry.is_file(follow_symlinks=False):
            continue
        sizes[name] = entry.stat(follow_symlinks=False).st_size
        if name == ".bootstrap" or _WHEEL.fullmatch(name):
            with open(entry.path, "rb") as file:  # noqa: PTH123  # a path as text, of thousands
                directory = _central_directory(file)
            blobs.append((Blob(name=name, size=len(directory)), directory))
    info = (binary / _INFO).read_bytes()
    return MemberList(blobs=((Blob(name=_INFO, size=len(info), kind="info"), info), *blobs), sizes=sizes, links=links)


def _central_directory(file: IO[bytes]) -> bytes:
    """Return the central directory of an archive without a comment. Raises `UnsupportedArchiveError`."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - END.size - _LOCATOR_64.size - _END_64.size)
    file.seek(start)
    tail = file.read()
    position = len(tail) - END.size
    if position < 0 or not tail.startswith(b"PK\x05\x06", position):
        msg = "it does not end with an end record without a comment"
        raise UnsupportedArchiveError(msg)
    length, offset = END.unpack_from(tail, position)[5:7]
    if position and tail.startswith(b"PK\x06\x07", position - _LOCATOR_64.size):
        length, offset = _END_64.unpack_from(tail, 0)[8:10]
    if length > _LARGEST or offset + length > size:
        msg = "its central directory is not within the archive"
        raise UnsupportedArchiveError(msg)
    file.seek(offset)
    return file.read(length)


def _member(file: IO[bytes], directory: bytes, name: bytes) -> bytes:
    """Return the content of the member `name`, which is small. Raises `UnsupportedArchiveError` if there is none."""
    position = directory.rfind(name)
    while position >= CENTRAL.size:
        fields = CentralFields._make(CENTRAL.unpack_from(directory, position - CENTRAL.size))
        if fields.signature == b"PK\x01\x02" and fields.name_length == len(name):
            file.seek(fields.offset)
            local = LOCAL.unpack(file.read(LOCAL.size))
            file.seek(sum(local[9:]), os.SEEK_CUR)
            content = file.read(fields.packed_size)
            return zlib.decompress(content, -zlib.MAX_WBITS) if fields.method == zipfile.ZIP_DEFLATED else content
        position = directory.rfind(name, 0, position)
    msg = f"it has no {name.decode()}"
    raise UnsupportedArchiveError(msg)


def members_in(directory: bytes) -> Sequence[tuple[str, CentralFields]]:
    """Return the members in a central directory, without its directories. Raises `ValueError` if it is damaged."""
    found, position = [], 0
    while position < len(directory):
        if position + CENTRAL.size > len(directory):
            msg = "the central directory is truncated"
            raise ValueError(msg)
        fields = CentralFields._make(CENTRAL.unpack_from(directory, position))
        start = position + CENTRAL.size
        end = start + fields.name_length
        position = end + fields.extra_length + fields.comment_length
        if fields.signature != b"PK\x01\x02" or position > len(directory):
            msg = "the central directory is damaged"
            raise ValueError(msg)
        name = directory[start:end].decode("utf-8" if fields.flags & zip_members.UTF_8 else "cp437")
        if not name.endswith("/"):
            found.append((name, fields))
    return found
