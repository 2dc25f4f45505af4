"""ZIP archives as pieces of bytes: members are taken over as they lie in an archive, without being packed again.

The layout is that of PKWARE's APPNOTE 6.3: local records, then the central directory, then its end record. Only what
pex writes is read: no ZIP64, no comment. Members that are new are packed by `zipfile`, as pex does it.
"""

from __future__ import annotations

import contextlib
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Final

_END: Final = struct.Struct("<4s4H2LH")


_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")


_LOCAL: Final = struct.Struct("<4s5H3L2H")


_OFFSET_AT: Final = 42
"""Where a central record has the offset of its local record."""


_UTF_8: Final = 0x800


_ZIP64: Final = 0xFFFF


_LARGEST: Final = 0xFFFFFFFF - 1


_CHUNK: Final = 1 << 20


_PACKED: Final = 8192
"""Bytes that pex packs at a time (`io.DEFAULT_BUFFER_SIZE`)."""


class UnsupportedArchiveError(Exception):
    """An archive that is not laid out in the plain way that is read here."""


@dataclass(frozen=True, kw_only=True)
class ZipMember:
    """A file or directory (with a final slash) in an archive: its central record, and where its local record lies.

    `renamed` has a local record's first part under another name; `start` is then where the rest of it begins.
    """

    archive: Path
    name: str
    central: bytes
    start: int
    end: int
    renamed: bytes = b""

    @property
    def size(self) -> int:
        """The bytes that its local record takes, content and all."""
        return len(self.renamed) + self.end - self.start

    @property
    def content(self) -> tuple[int, int]:
        """The CRC-32 and the size of its content, unpacked."""
        fields = _CENTRAL.unpack_from(self.central)
        return fields[7], fields[9]

    @property
    def mode(self) -> int:
        """The permissions and the type of the file, as `st_mode` has them."""
        attributes: int = _CENTRAL.unpack_from(self.central)[15]
        return attributes >> 16

    def same_as(self, other: ZipMember) -> bool:
        """Whether both are the same bytes in their archives, but for where they lie."""
        if self.size != other.size or self._unplaced != other._unplaced:
            return False
        return same_bytes(self._local(), other._local())

    def _local(self) -> Iterator[bytes]:
        yield self.renamed
        with self.archive.open("rb") as file:
            yield from _pieces(file, self.start, self.end)

    def chunks(self) -> Iterator[bytes]:
        """Its content, unpacked, in pieces; raises `UnsupportedArchiveError` where it is packed in an unusual way."""
        method: int = _CENTRAL.unpack_from(self.central)[4]
        with self.archive.open("rb") as file:
            file.seek(self.start)
            start = self.start
            if not self.renamed:
                local = _LOCAL.unpack(file.read(_LOCAL.size))
                start += _LOCAL.size + local[9]
            else:
                local = _LOCAL.unpack_from(self.renamed)
            packed = _pieces(file, start + local[10], self.end)
            if method == zipfile.ZIP_STORED:
                yield from packed
            elif method == zipfile.ZIP_DEFLATED:
                inflater = zlib.decompressobj(-zlib.MAX_WBITS)
                for piece in packed:
                    yield inflater.decompress(piece)
                yield inflater.flush()
            else:
                msg = f"{self.name} is packed by method {method}"
                raise UnsupportedArchiveError(msg)

    def read(self) -> bytes:
        """Its content, whole: for what is known to be small."""
        return b"".join(self.chunks())

    def with_prefix(self, prefix: str) -> ZipMember:
        """The same content under the name `prefix` + its own, not packed again; `prefix` is ASCII."""
        raw = self._raw_name
        with self.archive.open("rb") as file:
            file.seek(self.start)
            head = file.read(_LOCAL.size)
        longer = struct.pack("<H", len(prefix) + len(raw))
        name = prefix.encode("ascii") + raw
        return replace(
            self,
            name=prefix + self.name,
            central=self.central[:28] + longer + self.central[30 : _CENTRAL.size] + name + self._after_name,
            start=self.start + _LOCAL.size + len(raw),
            renamed=head[:26] + longer + head[28:] + name,
        )

    @property
    def _raw_name(self) -> bytes:
        return self.central[_CENTRAL.size :][: _CENTRAL.unpack_from(self.central)[10]]

    @property
    def _after_name(self) -> bytes:
        return self.central[_CENTRAL.size + len(self._raw_name) :]

    @property
    def _unplaced(self) -> bytes:
        return self.central[:_OFFSET_AT] + self.central[_OFFSET_AT + 4 :]

    def central_at(self, offset: int) -> bytes:
        """Its central record where its local one lies at `offset`."""
        return self.central[:_OFFSET_AT] + struct.pack("<L", offset) + self.central[_OFFSET_AT + 4 :]


@dataclass(frozen=True, kw_only=True)
class Archive:
    """An archive in a file, with the bytes before its first member (a script, of a file that runs)."""

    path: Path
    members: tuple[ZipMember, ...]

    @cached_property
    def header(self) -> bytes:
        """What stands before the first member."""
        with self.path.open("rb") as file:
            return file.read(self.members[0].start) if self.members else b""


def read(path: Path) -> Archive:
    """The archive in `path`; raises `UnsupportedArchiveError`."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - _END.size, 0))
        end = file.read()
        if len(end) != _END.size or not end.startswith(b"PK\x05\x06"):
            msg = f"{path} does not end as a plain archive does"
            raise UnsupportedArchiveError(msg)
        _, _, _, count, total, length, offset, _ = _END.unpack(end)
        if count == _ZIP64 or count != total or offset + length + _END.size != size:
            msg = f"{path} is a ZIP64 archive, or one in parts"
            raise UnsupportedArchiveError(msg)
        file.seek(offset)
        directory = file.read(length)
    found: list[tuple[str, bytes, int]] = []
    position = 0
    for _ in range(count):
        fields = _CENTRAL.unpack_from(directory, position)
        named, following = position + _CENTRAL.size, position + _CENTRAL.size + sum(fields[10:13])
        raw = directory[named : named + fields[10]]
        try:
            name = raw.decode("utf-8" if fields[3] & _UTF_8 else "ascii")
        except UnicodeDecodeError as error:
            msg = f"{path} has the name {raw!r}"
            raise UnsupportedArchiveError(msg) from error
        found.append((name, directory[position:following], fields[16]))
        position = following
    ends = [start for _, _, start in found[1:]] + [offset]
    if any(start >= end for (_, _, start), end in zip(found, ends, strict=True)):
        msg = f"{path} has its members in another order than its directory"
        raise UnsupportedArchiveError(msg)
    return Archive(
        path=path,
        members=tuple(
            ZipMember(archive=path, name=name, central=central, start=start, end=end)
            for (name, central, start), end in zip(found, ends, strict=True)
        ),
    )


@dataclass(frozen=True, kw_only=True)
class NewMember:
    """A member to pack: its name (a directory's with a final slash), its `mode` as in `st_mode`, and its content."""

    name: str
    mode: int
    content: Path | ZipMember | bytes = b""

    @property
    def size(self) -> int:
        """The bytes of its content."""
        if isinstance(self.content, Path):
            return self.content.stat().st_size
        return len(self.content) if isinstance(self.content, bytes) else self.content.content[1]


def pack(path: Path, members: Iterable[NewMember], *, compress: bool) -> Archive:
    """Pack `members` into a new archive `path`, in the very way of pex's `write_deterministic`."""
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        for member in members:
            info = zipfile.ZipInfo(member.name)  # dated 1980-01-01
            info.external_attr = member.mode << 16
            if member.name.endswith("/"):
                info.external_attr |= 0x10  # MS-DOS's mark of a directory
                archive.writestr(info, b"")
                continue
            info.compress_type = method
            info.file_size = member.size
            with archive.open(info, "w") as packed:
                for chunk in _content(member.content):
                    packed.write(chunk)
    return read(path)


def write(path: Path, header: bytes, members: Sequence[ZipMember]) -> None:
    """Write an archive of `members`, each as it lies in its own; raises `UnsupportedArchiveError` where it would be too large.

    Neighbours are copied in one go, and nothing larger than a piece is ever in memory but the directory.
    """
    directory = bytearray()
    offset = len(header)
    for member in members:
        directory += member.central_at(offset)
        offset += member.size
    if offset + len(directory) > _LARGEST or len(members) >= _ZIP64:
        msg = "an archive this large is a ZIP64 archive"
        raise UnsupportedArchiveError(msg)
    with path.open("wb") as file:
        file.write(header)
        with contextlib.ExitStack() as stack:
            sources: dict[Path, IO[bytes]] = {}
            for archive, renamed, start, end in _runs(members):
                if archive not in sources:
                    sources[archive] = stack.enter_context(archive.open("rb"))
                file.write(renamed)
                file.writelines(_pieces(sources[archive], start, end))
        file.write(directory)
        file.write(_END.pack(b"PK\x05\x06", 0, 0, len(members), len(members), len(directory), offset, 0))


def same_bytes(one: Iterator[bytes], another: Iterator[bytes]) -> bool:
    """Whether two streams are the same bytes, however they are cut into pieces."""
    some, others = filter(None, one), filter(None, another)
    mine, theirs = b"", b""
    while True:
        mine = mine or next(some, b"")
        theirs = theirs or next(others, b"")
        length = min(len(mine), len(theirs))
        if not length:
            return not mine and not theirs
        if mine[:length] != theirs[:length]:
            return False
        mine, theirs = mine[length:], theirs[length:]


def _runs(members: Iterable[ZipMember]) -> Iterator[tuple[Path, bytes, int, int]]:
    """What to write one after the other: some bytes, then a stretch of an archive, with neighbours in one."""
    run: tuple[Path, bytes, int, int] | None = None
    for member in members:
        if run is not None and not member.renamed and run[0] is member.archive and run[3] == member.start:
            run = (*run[:3], member.end)
            continue
        if run is not None:
            yield run
        run = (member.archive, member.renamed, member.start, member.end)
    if run is not None:
        yield run


def _pieces(file: IO[bytes], start: int, end: int) -> Iterator[bytes]:
    file.seek(start)
    while start < end:
        piece = file.read(min(_CHUNK, end - start))
        if not piece:
            msg = "the archive ends in the middle of a member"
            raise UnsupportedArchiveError(msg)
        start += len(piece)
        yield piece


def _content(content: Path | ZipMember | bytes) -> Iterator[bytes]:
    """A content in the pieces in which pex packs it."""
    if isinstance(content, bytes):
        yield from (content[start : start + _PACKED] for start in range(0, len(content), _PACKED))
    elif isinstance(content, Path):
        with content.open("rb") as file:
            while chunk := file.read(_PACKED):
                yield chunk
    else:
        rest = b""
        for chunk in content.chunks():
            rest += chunk
            whole = len(rest) - len(rest) % _PACKED
            yield from (rest[start : start + _PACKED] for start in range(0, whole, _PACKED))
            rest = rest[whole:]
        if rest:
            yield rest
