"""A strict reader of ZIP archives, for files that anybody may have made.

An archive is parsed once, into typed values. What two readers could understand differently is damage: records that
contradict each other, names that are no plain relative paths, data that overlaps. So `zipfile` and `zipimport` see the
same members as this reader.
Fact source: APPNOTE.TXT 6.3.10 of the ZIP format.
"""

from __future__ import annotations

import io
import os
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import IO, Final, NamedTuple

from nox_pex.pex.zip_members import CENTRAL, END, LOCAL, UTF_8, CentralFields
from nox_pex.verify.container import CHUNK, MOST_FILES, Allowance, DamageError, check_names
from nox_pex.verify.zip_member import DEFLATED, STORED, MemberContent, ZipMember

_END_64: Final = struct.Struct("<4sQ2H2L4Q")
"""The same for ZIP64 (4.3.14)."""


_LOCATOR_64: Final = struct.Struct("<4sLQL")
"""The place of the record for ZIP64 (4.3.15)."""


_LONGEST_COMMENT: Final = 0xFFFF


_LARGEST_DIRECTORY: Final = 24 << 20
"""Bytes of a central directory."""


_SIZES_FOLLOW: Final = 0x8
"""The flag of a member whose sizes are in a record after its data (4.4.4, bit 3)."""


_READABLE_FLAGS: Final = UTF_8 | _SIZES_FOLLOW | 0x6
"""The flags that do not change how a member is read. Bits 1 and 2 say how well it is compressed."""


_METHODS: Final = frozenset({STORED, DEFLATED})
"""The compression methods that Python can import from (4.4.5)."""


_NEEDED: Final = 63
"""The highest version of the format, times ten, that `zipfile` reads."""


_FULL: Final = 0xFFFFFFFF
"""The value of a field whose real value is in the extra field for ZIP64 (4.5.3)."""


_ZIP64_EXTRA: Final = 0x0001


_UNICODE_PATH_EXTRA: Final = 0x7075
"""The extra field with another name (4.6.9), which some versions of `zipfile` use."""


class _End(NamedTuple):
    signature: bytes
    disk: int
    directory_disk: int
    here: int
    total: int
    size: int
    offset: int
    comment: int


class _Local(NamedTuple):
    signature: bytes
    needs: int
    flags: int
    method: int
    time: int
    date: int
    crc: int
    packed: int
    size: int
    name: int
    extra: int


class _Directory(NamedTuple):
    """The place of the central directory: its first byte, its size, its number of records, the bytes before the ZIP."""

    start: int
    size: int
    total: int
    shift: int


class Zip:
    """A ZIP archive in a file on disk, which must not change.

    Raises `DamageError` if Python could not import from it, or if two readers could read it differently. `allowance` is
    that of the binary which contains it; `what` names it in messages.
    """

    def __init__(self, file: IO[bytes], *, allowance: Allowance | None = None, what: str = "the archive") -> None:
        self._file = file
        self._size = size = os.fstat(file.fileno()).st_size
        self.allowance: Allowance = Allowance.of(size) if allowance is None else allowance
        self._irregularities: dict[str, None] = {}
        directory = self._find_directory(size)
        entries = list(self._read_directory(directory))
        self._check_places(entries, directory)
        self._files = [entry for entry, _ in entries if not entry.name.endswith("/")]
        self.directories: dict[str, int] = {
            entry.name[:-1]: entry.mode for entry, _ in entries if entry.name.endswith("/")
        }
        check_names([entry.name for entry in self._files], list(self.directories))
        self.duplicates: tuple[str, ...] = tuple(
            name for name, times in Counter(e.name for e, _ in entries).items() if times > 1
        )
        self.allowance.take(sum(entry.size for entry in self._files), what=what)

    @cached_property
    def members(self) -> Mapping[str, ZipMember]:
        """Its files by name, in the order in which they are stored."""
        return {entry.name: entry for entry in sorted(self._files, key=lambda entry: entry.start)}

    @property
    def irregularities(self) -> Sequence[str]:
        """The ways in which it differs from the archives that pex writes, as phrases."""
        return tuple(self._irregularities)

    def head(self) -> bytes:
        """Return the bytes before the first member: a shebang, a shell script."""
        return os.pread(self._file.fileno(), self._head_size, 0)

    def open(self, name: str) -> IO[bytes]:
        """Open the uncompressed content of a member. Its size and its CRC are checked when the end is read."""
        return io.BufferedReader(MemberContent(self._file.fileno(), self.members[name]), CHUNK)

    def _find_directory(self, size: int) -> _Directory:
        tail_start = max(0, size - END.size - _LONGEST_COMMENT)
        tail = self._read(size - tail_start, tail_start)
        position = tail.rfind(b"PK\x05\x06")
        if position < 0 or len(tail) - position < END.size:
            msg = "it is no ZIP archive, or is truncated"
            raise DamageError(msg)
        end = _End._make(END.unpack_from(tail, position))
        end_start = tail_start + position
        if end_start + END.size + end.comment != size:
            msg = "there are bytes after its end record"
            raise DamageError(msg)
        if end.comment:
            self._irregularities["the archive has a comment"] = None
        end_64_start = self._find_zip64(end_start)
        if end_64_start is not None:
            fields = _END_64.unpack(self._read(_END_64.size, end_64_start))
            here, total, directory_size, offset = fields[-4:]
            plain = _End(end.signature, fields[4], fields[5], here, total, directory_size, offset, 0)
            self._check_zip64(end, plain)
            end, end_start = plain, end_64_start
        if end.disk or end.directory_disk or end.here != end.total:
            msg = "it is a part of an archive in several files"
            raise DamageError(msg)
        start = end_start - end.size
        shift = start - end.offset
        if start < 0 or shift < 0:
            msg = "its central directory is not where its end record says"
            raise DamageError(msg)
        if end.total > MOST_FILES or end.size > _LARGEST_DIRECTORY:
            msg = f"it has {end.total:,} members"
            raise DamageError(msg)
        return _Directory(start=start, size=end.size, total=end.total, shift=shift)

    def _find_zip64(self, end_start: int) -> int | None:
        """Return the place of the end record for ZIP64; None if there is none."""
        locator_start = end_start - _LOCATOR_64.size
        if locator_start < 0:
            return None
        signature, disk, _, disks = _LOCATOR_64.unpack(self._read(_LOCATOR_64.size, locator_start))
        if signature != b"PK\x06\x07":
            return None
        start = locator_start - _END_64.size
        if disk or disks > 1 or start < 0 or self._read(4, start) != b"PK\x06\x06":
            msg = "its end record for ZIP64 is not where it must be"
            raise DamageError(msg)
        return start

    def _check_zip64(self, end: _End, end_64: _End) -> None:
        """Raise `DamageError` if a field of the end record contradicts that for ZIP64."""
        pairs = zip(end[1:7], end_64[1:7], strict=True)
        if any(value not in (0xFFFF, _FULL) and value != value_64 for value, value_64 in pairs):
            msg = "its two end records contradict each other"
            raise DamageError(msg)

    def _read_directory(self, directory: _Directory) -> Iterator[tuple[ZipMember, int]]:
        """Yield each member, and the place of its local record."""
        content = self._read(directory.size, directory.start)
        position = 0
        for _ in range(directory.total):
            if position + CENTRAL.size > len(content):
                msg = "its central directory is truncated"
                raise DamageError(msg)
            record = CentralFields._make(CENTRAL.unpack_from(content, position))
            name_start = position + CENTRAL.size
            extra_start = name_start + record.name_length
            position = extra_start + record.extra_length + record.comment_length
            if record.signature != b"PK\x01\x02" or position > len(content):
                msg = "its central directory is damaged"
                raise DamageError(msg)
            raw_name = content[name_start:extra_start]
            extra = content[extra_start : extra_start + record.extra_length]
            yield self._member(record, raw_name, extra, directory)
        if position != len(content):
            msg = "its central directory has another size than its end record says"
            raise DamageError(msg)

    def _member(
        self, record: CentralFields, raw_name: bytes, extra: bytes, directory: _Directory
    ) -> tuple[ZipMember, int]:
        name = _decoded(raw_name, record.flags)
        if record.flags & ~_READABLE_FLAGS or record.method not in _METHODS or record.needs & 0xFF > _NEEDED:
            msg = f"{name} is encrypted, or compressed by a method that Python cannot import from"
            raise DamageError(msg)
        size, packed, offset = _zip64_values(record, extra, name)
        place = offset + directory.shift
        local = self._local_record(place, raw_name, record, name)
        start = place + LOCAL.size + local.name + local.extra
        if start + packed > directory.start:
            msg = f"the data of {name} is not within the archive"
            raise DamageError(msg)
        if (record.method == STORED and size != packed) or (name.endswith("/") and size):
            msg = f"{name} has a size that contradicts its kind"
            raise DamageError(msg)
        large = _FULL in (record.size, record.packed_size, record.offset)
        unusual = record.comment_length or record.flags & ~UTF_8 or record.disk
        if unusual or ((extra or local.extra) and not large):
            self._irregularities[f"{name} has fields that pex does not write"] = None
        member = ZipMember(
            name=name,
            size=size,
            mode=record.external_attributes >> 16,
            date=record.date << 16 | record.time,
            crc=record.crc,
            method=record.method,
            packed=packed,
            start=start,
        )
        return member, place

    def _local_record(self, place: int, raw_name: bytes, record: CentralFields, name: str) -> _Local:
        """Return the local record at the byte `place`. Raises `DamageError` if it contradicts the central one."""
        content = self._read(LOCAL.size + len(raw_name), place)
        local = _Local._make(LOCAL.unpack_from(content)) if len(content) >= LOCAL.size else None
        same = (
            local is not None
            and local.signature == b"PK\x03\x04"
            and content[LOCAL.size :] == raw_name
            and local.name == len(raw_name)
            and (local.flags ^ record.flags) & ~0x6 == 0
            and local.method == record.method
        )
        if local is None or not same:
            msg = f"the two records of {name} contradict each other"
            raise DamageError(msg)
        if not record.flags & _SIZES_FOLLOW:
            fields = zip(local[6:9], record[7:10], strict=True)
            if any(ours != theirs and _FULL not in (ours, theirs) for ours, theirs in fields):
                msg = f"the two records of {name} contradict each other"
                raise DamageError(msg)
        if local[1:6] != record[2:7]:
            self._irregularities[f"the two records of {name} differ"] = None
        return local

    def _check_places(self, entries: Sequence[tuple[ZipMember, int]], directory: _Directory) -> None:
        """Raise `DamageError` if two members overlap; note bytes that belong to none."""
        places = sorted((place, entry.start + entry.packed, entry.name) for entry, place in entries)
        self._head_size = places[0][0] if places else directory.start
        if self._head_size > CHUNK:
            msg = f"it has {self._head_size:,} bytes before its first member"
            raise DamageError(msg)
        end = self._head_size
        for place, member_end, name in places:
            if place < end:
                msg = f"the data of {name} overlaps that of another member"
                raise DamageError(msg)
            if place > end:
                self._irregularities[f"there are bytes before {name} that belong to no member"] = None
            end = member_end
        if end != directory.start:
            self._irregularities["there are bytes after the last member that belong to none"] = None

    def _read(self, size: int, start: int) -> bytes:
        if start > self._size:
            return b""
        return os.pread(self._file.fileno(), size, start)


def _decoded(name: bytes, flags: int) -> str:
    """Return the name of a member, in the encoding that its flags name (4.4.17, appendix D)."""
    try:
        return name.decode("utf-8" if flags & UTF_8 else "cp437")
    except UnicodeDecodeError as error:
        msg = f"the member name {name!r} is not UTF-8"
        raise DamageError(msg) from error


def _zip64_values(record: CentralFields, extra: bytes, name: str) -> tuple[int, int, int]:
    """Return the size, the packed size and the offset of a member, which may be in an extra field (4.5.3)."""
    values = [record.size, record.packed_size, record.offset]
    wanted = [index for index, value in enumerate(values) if value == _FULL]
    position = 0
    seen = False
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        position += 4
        if kind == _UNICODE_PATH_EXTRA:
            msg = f"{name} has a second name"
            raise DamageError(msg)
        if kind == _ZIP64_EXTRA and wanted and not seen:
            seen = True
            if length < 8 * len(wanted) or position + length > len(extra):
                break
            for index, value in zip(wanted, struct.unpack_from(f"<{len(wanted)}Q", extra, position), strict=True):
                values[index] = value
            wanted = []
        position += length
    if position != len(extra) or wanted:
        msg = f"an extra field of {name} is damaged"
        raise DamageError(msg)
    return values[0], values[1], values[2]
