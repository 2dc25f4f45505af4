"""ZIP archives as ranges of bytes: members are copied from one archive to another without being packed again.

The layout is that of PKWARE's APPNOTE 6.3: local records, then the central directory, then its end record. Only what
pex writes is read: no ZIP64, no comment. New members are packed by `zipfile`, as pex does it.
"""

from __future__ import annotations

import itertools
import operator
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple

from msgspec import Struct

from nox_pex.project.tree import directories_above

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


ZIP64_COUNT: Final = 0xFFFF
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

    `central` is its central record. Its local record is the bytes from `start` to `end` of the file `archive`.
    """

    archive: Path
    name: str
    central: bytes
    start: int
    end: int

    @property
    def size(self) -> int:
        """The bytes of its local record, with its content."""
        return self.end - self.start

    @property
    def crc_and_size(self) -> tuple[int, int]:
        """The CRC-32 and the size in bytes of its unpacked content."""
        return self._fields.crc, self._fields.size

    @property
    def mode(self) -> int:
        """The permissions and the type of the file, as in `st_mode`."""
        return self._fields.external_attributes >> 16

    @property
    def is_compressed(self) -> bool:
        """Whether its content is compressed, and not stored as it is."""
        return self._fields.method != zipfile.ZIP_STORED

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

    def central_at(self, offset: int) -> bytes:
        """Return its central record for a local record at `offset`."""
        return self.central[: _OFFSET_FIELD.start] + struct.pack("<L", offset) + self.central[_OFFSET_FIELD.stop :]

    @property
    def _fields(self) -> CentralFields:
        return CentralFields._make(CENTRAL.unpack_from(self.central))

    def _content_start(self, file: IO[bytes]) -> int:
        """The first byte of its packed content in its archive, open as `file`."""
        file.seek(self.start)
        name_and_extra: tuple[int, int] = LOCAL.unpack(file.read(LOCAL.size))[9:]
        return self.start + LOCAL.size + sum(name_and_extra)


class Block(Struct, frozen=True, kw_only=True):
    """Members whose local records follow each other in the file `archive`, from the byte `start` on, `size` bytes.

    `central` are their `count` central records.
    """

    archive: Path
    start: int
    size: int
    central: bytes
    count: int

    def central_at(self, offset: int) -> bytes:
        """Return the central records for local records that begin at `offset`."""
        moved = bytearray(self.central)
        position, by = 0, offset - self.start
        while position < len(moved):
            lengths = _LENGTHS.unpack_from(moved, position + _LENGTHS_FIELD)
            place = position + _OFFSET_FIELD.start
            _OFFSET.pack_into(moved, place, _OFFSET.unpack_from(moved, place)[0] + by)
            position += CENTRAL.size + sum(lengths)
        return bytes(moved)


_OFFSET: Final = struct.Struct("<L")


_LENGTHS: Final = struct.Struct("<3H")
"""The lengths of the name, the extra field and the comment in a central record."""


_LENGTHS_FIELD: Final = 28
"""The place of these lengths in a central record."""


class Archive(Struct, frozen=True, kw_only=True):
    """The archive in the file `path`."""

    path: Path
    members: tuple[ZipMember, ...]

    def header(self) -> bytes:
        """Read the bytes before the first member: the start script of a file that can be executed."""
        with self.path.open("rb") as file:
            return file.read(self.members[0].start) if self.members else b""


def read_block(path: Path) -> Block:
    """Read the archive in `path` as one block: its bytes must begin with the first member.

    Raises `UnsupportedArchiveError`.
    """
    with path.open("rb") as file:
        count, offset, directory = _read_directory(file, path)
    return Block(archive=path, start=0, size=offset, central=directory, count=count)


def block_of(members: Sequence[ZipMember]) -> Block:
    """Return members that follow each other in one archive as a block. Raises `UnsupportedArchiveError`."""
    if not members or any(
        before.end != after.start or before.archive != after.archive for before, after in itertools.pairwise(members)
    ):
        msg = "members do not follow each other"
        raise UnsupportedArchiveError(msg)
    first, last = members[0], members[-1]
    return Block(
        archive=first.archive,
        start=first.start,
        size=last.end - first.start,
        central=b"".join(member.central for member in members),
        count=len(members),
    )


def read(path: Path, *, without: tuple[bytes, ...] = ()) -> Archive:
    """Read the central directory of the archive in `path`, without the members whose names begin with one of `without`.

    Raises `UnsupportedArchiveError`.
    """
    with path.open("rb") as file:
        count, offset, directory = _read_directory(file, path)
    found: list[tuple[bytes, bytes, int]] = []
    starts: list[int] = []
    position = 0
    for _ in range(count):
        fields = CentralFields._make(CENTRAL.unpack_from(directory, position))
        name_start = position + CENTRAL.size
        name_end = name_start + fields.name_length
        following = name_end + fields.extra_length + fields.comment_length
        starts.append(fields.offset)
        name = directory[name_start:name_end]
        if not name.startswith(without):
            found.append((name, directory[position:following], len(starts)))
        position = following
    ends = [*starts[1:], offset]
    if any(map(operator.ge, starts, ends)):
        msg = f"{path} does not list its members in the order of their records"
        raise UnsupportedArchiveError(msg)
    return Archive(
        path=path,
        members=tuple(
            ZipMember(
                archive=path,
                name=_decoded(name, path),
                central=central,
                start=starts[number - 1],
                end=ends[number - 1],
            )
            for name, central, number in found
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
    if count == ZIP64_COUNT or count != total or offset + length + END.size != size:
        msg = f"{path} is a ZIP64 archive, or one in several parts"
        raise UnsupportedArchiveError(msg)
    file.seek(offset)
    return count, offset, file.read(length)


def _decoded(name: bytes, path: Path) -> str:
    try:
        return name.decode("utf-8")
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


def write(path: Path, header: bytes, parts: Sequence[ZipMember | Block]) -> None:
    """Write an archive `path` of `header` and the bytes of `parts`, which may be from several archives.

    No more than a piece of a member and the central directory are in memory at a time. Raises
    `UnsupportedArchiveError`, and writes nothing, if the archive would have to be ZIP64.
    """
    directory = bytearray()
    offset, count = len(header), 0
    for part in parts:
        directory += part.central_at(offset)
        offset += part.size
        count += part.count if isinstance(part, Block) else 1
    if offset + len(directory) > _MAX_SIZE or count >= ZIP64_COUNT:
        msg = "an archive of this size is a ZIP64 archive"
        raise UnsupportedArchiveError(msg)
    with path.open("wb") as file:
        file.write(header)
        for archive, of_archive in itertools.groupby(parts, key=lambda part: part.archive):
            with archive.open("rb") as source:
                for part in of_archive:
                    file.writelines(_pieces(source, part.start, part.start + part.size))
        file.write(directory)
        file.write(END.pack(b"PK\x05\x06", 0, 0, count, count, len(directory), offset, 0))


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


def directories(names: Iterable[str]) -> set[str]:
    """Return the directories above the members `names`, each with a slash at its end."""
    return {f"{directory}/" for name in names for directory in directories_above(name)}
