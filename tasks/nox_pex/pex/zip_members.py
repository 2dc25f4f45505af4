"""ZIP archives as ranges of bytes: members are copied from one archive to another without being packed again.

The layout is that of PKWARE's APPNOTE 6.3: local records, then the central directory, then its end record. Only what
pex writes is read: no ZIP64, no comment. New members are packed by `zipfile`, as pex does it.
"""

from __future__ import annotations

import contextlib
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple

import msgspec
from msgspec import Struct

END: Final = struct.Struct("<4s4H2LH")
"""The end record (APPNOTE 4.3.16)."""


CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
"""A record of the central directory, up to the name (APPNOTE 4.3.12); its fields are `CentralFields`."""


LOCAL: Final = struct.Struct("<4s5H3L2H")
"""A local record, up to the name (APPNOTE 4.3.7)."""


_OFFSET_FIELD: Final = slice(42, 46)
"""The bytes of a central record that hold the offset of its local record."""


UTF_8: Final = 0x800
"""The flag of a name in UTF-8 (APPNOTE 4.4.4, bit 11)."""


_ZIP64_COUNT: Final = 0xFFFF
"""The number of members from which on an archive is ZIP64."""


_MAX_SIZE: Final = 0xFFFFFFFE
"""The largest size of an archive in bytes that is not ZIP64."""


_CHUNK: Final = 1 << 20
"""Bytes that are read at a time."""


_PEX_CHUNK: Final = 8192
"""Bytes that pex packs at a time (`io.DEFAULT_BUFFER_SIZE`). What zlib writes depends on it."""


class UnsupportedArchiveError(Exception):
    """An archive of a layout that this module does not read or write."""


class CentralFields(NamedTuple):
    """The fields of `CENTRAL`, in their order."""

    signature: bytes
    made_by: int
    needs: int
    flags: int
    method: int
    time: int
    date: int
    crc: int
    packed_size: int
    size: int
    name_length: int
    extra_length: int
    comment_length: int
    disk: int
    internal_attributes: int
    external_attributes: int
    offset: int


class ZipMember(Struct, frozen=True, kw_only=True):
    """A file or directory (its name ends in a slash) in an archive.

    `central` is its central record. Its local record is the bytes from `start` to `end` of the file `archive`. If
    `renamed` is not empty, it replaces the beginning of the local record up to the name, and `start` is the byte after
    the original name.
    """

    archive: Path
    name: str
    central: bytes
    start: int
    end: int
    renamed: bytes = b""

    @property
    def size(self) -> int:
        """The bytes of its local record, with its content."""
        return len(self.renamed) + self.end - self.start

    @property
    def crc_and_size(self) -> tuple[int, int]:
        """The CRC-32 and the size in bytes of its unpacked content."""
        return self._fields.crc, self._fields.size

    @property
    def mode(self) -> int:
        """The permissions and the type of the file, as in `st_mode`."""
        return self._fields.external_attributes >> 16

    def same_as(self, other: ZipMember) -> bool:
        """Whether both are the same bytes, apart from their place in the archive."""
        if self.size != other.size or self.central_at(0) != other.central_at(0):
            return False
        return same_bytes(self._local_record(), other._local_record())

    def chunks(self) -> Iterator[bytes]:
        """Yield its unpacked content in pieces. Raises `UnsupportedArchiveError` for an unknown compression method."""
        method = self._fields.method
        with self.archive.open("rb") as file:
            packed = _pieces(file, self._content_start(file), self.end)
            if method == zipfile.ZIP_STORED:
                yield from packed
            elif method == zipfile.ZIP_DEFLATED:
                inflater = zlib.decompressobj(-zlib.MAX_WBITS)
                for piece in packed:
                    yield inflater.decompress(piece)
                yield inflater.flush()
            else:
                msg = f"{self.name} is compressed with method {method}"
                raise UnsupportedArchiveError(msg)

    def read(self) -> bytes:
        """Return its unpacked content in one piece; only for members that are small."""
        return b"".join(self.chunks())

    def with_prefix(self, prefix: str) -> ZipMember:
        """Return the same member under the name `prefix` + `name`, not packed again. `prefix` is ASCII."""
        with self.archive.open("rb") as file:
            file.seek(self.start)
            local = file.read(LOCAL.size)
        old = self.central[CENTRAL.size :][: self._fields.name_length]
        new = prefix.encode("ascii") + old
        length = struct.pack("<H", len(new))
        return msgspec.structs.replace(
            self,
            name=prefix + self.name,
            central=self.central[:28] + length + self.central[30 : CENTRAL.size] + new + self._after_name,
            start=self.start + LOCAL.size + len(old),
            renamed=local[:26] + length + local[28:] + new,
        )

    def central_at(self, offset: int) -> bytes:
        """Return its central record for a local record at `offset`."""
        return self.central[: _OFFSET_FIELD.start] + struct.pack("<L", offset) + self.central[_OFFSET_FIELD.stop :]

    @property
    def _fields(self) -> CentralFields:
        return CentralFields._make(CENTRAL.unpack_from(self.central))

    @property
    def _after_name(self) -> bytes:
        """The extra field and the comment of its central record."""
        return self.central[CENTRAL.size + self._fields.name_length :]

    def _local_record(self) -> Iterator[bytes]:
        yield self.renamed
        with self.archive.open("rb") as file:
            yield from _pieces(file, self.start, self.end)

    def _content_start(self, file: IO[bytes]) -> int:
        """The first byte of its packed content in its archive, open as `file`."""
        if self.renamed:
            extra: int = LOCAL.unpack_from(self.renamed)[10]
            return self.start + extra
        file.seek(self.start)
        name_and_extra: tuple[int, int] = LOCAL.unpack(file.read(LOCAL.size))[9:]
        return self.start + LOCAL.size + sum(name_and_extra)


class Archive(Struct, frozen=True, kw_only=True):
    """The archive in the file `path`."""

    path: Path
    members: tuple[ZipMember, ...]

    def header(self) -> bytes:
        """Read the bytes before the first member: the start script of a file that can be executed."""
        with self.path.open("rb") as file:
            return file.read(self.members[0].start) if self.members else b""


def read(path: Path) -> Archive:
    """Read the central directory of the archive in `path`. Raises `UnsupportedArchiveError`."""
    with path.open("rb") as file:
        count, offset, directory = _read_directory(file, path)
    found: list[tuple[str, bytes, int]] = []
    position = 0
    for _ in range(count):
        fields = CentralFields._make(CENTRAL.unpack_from(directory, position))
        name_start = position + CENTRAL.size
        name_end = name_start + fields.name_length
        following = name_end + fields.extra_length + fields.comment_length
        name = _decoded(directory[name_start:name_end], fields.flags, path)
        found.append((name, directory[position:following], fields.offset))
        position = following
    ends = [*(start for _, _, start in found), offset][1:]
    if any(start >= end for (_, _, start), end in zip(found, ends, strict=True)):
        msg = f"{path} does not list its members in the order of their records"
        raise UnsupportedArchiveError(msg)
    return Archive(
        path=path,
        members=tuple(
            ZipMember(archive=path, name=name, central=central, start=start, end=end)
            for (name, central, start), end in zip(found, ends, strict=True)
        ),
    )


def _read_directory(file: IO[bytes], path: Path) -> tuple[int, int, bytes]:
    """The number of members, the offset of the central directory, and its bytes."""
    size = file.seek(0, 2)
    file.seek(max(size - END.size, 0))
    end = file.read()
    if len(end) != END.size or not end.startswith(b"PK\x05\x06"):
        msg = f"{path} does not end with an end record without a comment"
        raise UnsupportedArchiveError(msg)
    _, _, _, count, total, length, offset, _ = END.unpack(end)
    if count == _ZIP64_COUNT or count != total or offset + length + END.size != size:
        msg = f"{path} is a ZIP64 archive, or one in several parts"
        raise UnsupportedArchiveError(msg)
    file.seek(offset)
    return count, offset, file.read(length)


def _decoded(name: bytes, flags: int, path: Path) -> str:
    try:
        return name.decode("utf-8" if flags & UTF_8 else "ascii")
    except UnicodeDecodeError as error:
        msg = f"{path} has a member with the name {name!r}"
        raise UnsupportedArchiveError(msg) from error


class NewMember(Struct, frozen=True, kw_only=True):
    """A member to pack: its name (a directory's ends in a slash), its `mode` as in `st_mode`, and its content.

    The content is a file, the content of another member, or bytes.
    """

    name: str
    mode: int
    content: Path | ZipMember | bytes = b""

    @property
    def size(self) -> int:
        """The bytes of its content."""
        if isinstance(self.content, Path):
            return self.content.stat().st_size
        return len(self.content) if isinstance(self.content, bytes) else self.content.crc_and_size[1]


def pack(path: Path, members: Iterable[NewMember], *, compress: bool) -> Archive:
    """Pack `members` into a new archive `path`, exactly as pex's `write_deterministic` does."""
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        for member in members:
            info = zipfile.ZipInfo(member.name)  # its date is 1980-01-01
            info.external_attr = member.mode << 16
            if member.name.endswith("/"):
                info.external_attr |= 0x10  # MS-DOS's mark of a directory
                archive.writestr(info, b"")
                continue
            info.compress_type = method
            info.file_size = member.size
            with archive.open(info, "w") as packed:
                for chunk in pex_chunks(member.content):
                    packed.write(chunk)
    return read(path)


def write(path: Path, header: bytes, members: Sequence[ZipMember]) -> None:
    """Write an archive `path` of `header` and the bytes of `members`, which may be from several archives.

    No more than a piece of a member and the central directory are in memory at a time. Raises
    `UnsupportedArchiveError`, and writes nothing, if the archive would have to be ZIP64.
    """
    directory = bytearray()
    offset = len(header)
    for member in members:
        directory += member.central_at(offset)
        offset += member.size
    if offset + len(directory) > _MAX_SIZE or len(members) >= _ZIP64_COUNT:
        msg = "an archive of this size is a ZIP64 archive"
        raise UnsupportedArchiveError(msg)
    with path.open("wb") as file:
        file.write(header)
        with contextlib.ExitStack() as stack:
            archives: dict[Path, IO[bytes]] = {}
            for each in _ranges(members):
                if each.archive not in archives:
                    archives[each.archive] = stack.enter_context(each.archive.open("rb"))
                file.write(each.renamed)
                file.writelines(_pieces(archives[each.archive], each.start, each.end))
        file.write(directory)
        file.write(END.pack(b"PK\x05\x06", 0, 0, len(members), len(members), len(directory), offset, 0))


def same_bytes(first: Iterator[bytes], second: Iterator[bytes]) -> bool:
    """Whether two streams are the same bytes, however they are divided into pieces."""
    first, second = filter(None, first), filter(None, second)
    one, other = b"", b""
    while True:
        one = one or next(first, b"")
        other = other or next(second, b"")
        length = min(len(one), len(other))
        if not length:
            return not one and not other
        if one[:length] != other[:length]:
            return False
        one, other = one[length:], other[length:]


class _Range(NamedTuple):
    """Bytes to write: `renamed`, then those from `start` to `end` of `archive`."""

    archive: Path
    renamed: bytes
    start: int
    end: int


def _ranges(members: Iterable[ZipMember]) -> Iterator[_Range]:
    """The local records of `members`. Records that follow each other in one archive are one range."""
    pending: _Range | None = None
    for member in members:
        if pending is not None:
            if not member.renamed and pending.archive is member.archive and pending.end == member.start:
                pending = pending._replace(end=member.end)
                continue
            yield pending
        pending = _Range(member.archive, member.renamed, member.start, member.end)
    if pending is not None:
        yield pending


def _pieces(file: IO[bytes], start: int, end: int) -> Iterator[bytes]:
    file.seek(start)
    while start < end:
        piece = file.read(min(_CHUNK, end - start))
        if not piece:
            msg = "the archive ends in the middle of a member"
            raise UnsupportedArchiveError(msg)
        start += len(piece)
        yield piece


def pex_chunks(content: Path | ZipMember | bytes) -> Iterator[bytes]:
    """Yield a content in pieces of the size in which pex packs it."""
    if isinstance(content, bytes):
        yield from (content[start : start + _PEX_CHUNK] for start in range(0, len(content), _PEX_CHUNK))
    elif isinstance(content, Path):
        with content.open("rb") as file:
            while chunk := file.read(_PEX_CHUNK):
                yield chunk
    else:
        remaining = b""
        for chunk in content.chunks():
            remaining += chunk
            complete = len(remaining) - len(remaining) % _PEX_CHUNK
            yield from (remaining[start : start + _PEX_CHUNK] for start in range(0, complete, _PEX_CHUNK))
            remaining = remaining[complete:]
        if remaining:
            yield remaining
