"""ZIP archives as their records (APPNOTE.TXT 4.3): each field can be given a value that no writer would give it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import Struct

LOCAL_FIELDS: Final = (
    "version",
    "flags",
    "method",
    "time",
    "date",
    "crc",
    "packed",
    "size",
    "name_length",
    "extra_length",
)
CENTRAL_FIELDS: Final = (
    *("made_by", "version", "flags", "method", "time", "date", "crc", "packed", "size", "name_length", "extra_length"),
    *("comment_length", "disk", "internal", "external", "offset"),
)
END_FIELDS: Final = (
    "disk",
    "central_disk",
    "entries_here",
    "entries",
    "central_size",
    "central_offset",
    "comment_length",
)
END64_FIELDS: Final = ("length", "made_by", "version", "disk", "central_disk", "here", "entries", "size", "offset")

_LOCAL: Final = struct.Struct("<4s5H3L2H")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_END: Final = struct.Struct("<4s4H2LH")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64: Final = struct.Struct("<4sLQL")

Fields = Mapping[str, int]


class Record(Struct, kw_only=True):
    """A member: its name, its fields (those of the central record count), its packed content.

    `after` are bytes between its content and the next member: a data descriptor, or what a mutation put there.
    `local_name` is None if it is `name`. `local` and `central` replace fields in one of the two headers.
    """

    name: bytes
    fields: dict[str, int]
    packed: bytes
    extra: bytes = b""
    comment: bytes = b""
    local_name: bytes | None = None
    local_extra: bytes = b""
    after: bytes = b""
    local: dict[str, int] = msgspec.field(default_factory=dict)
    central: dict[str, int] = msgspec.field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """Its unpacked content."""
        return self.packed if self.fields["method"] == 0 else zlib.decompress(self.packed, -15)


class Archive(Struct, kw_only=True):
    """An archive: the bytes before it, its members, its comment, and fields to replace at its end.

    If `listed` is not None, it is the order in which the central directory has the members. `end64` are the fields of a
    ZIP64 record to add, those that differ from the right ones; None for no such record.
    """

    head: bytes = b""
    records: list[Record]
    listed: list[Record] | None = None
    comment: bytes = b""
    end: dict[str, int] = msgspec.field(default_factory=dict)
    end64: dict[str, int] | None = None


def record(
    name: bytes, content: bytes, *, mode: int = 0o100644, stored: bool = False, like: Fields | None = None
) -> Record:
    """A new member, with the fields `like` where they do not depend on the content."""
    method = 0 if stored or name.endswith(b"/") else 8
    packed = content if method == 0 else deflated(content)
    fields = {
        "made_by": 3 << 8 | 20,
        "version": 20,
        "flags": 0,
        "time": 0,
        "date": 33,
        "disk": 0,
        "internal": 0,
        "external": mode << 16 | (0x10 if name.endswith(b"/") else 0),
        **(like or {}),
    }
    if not name.isascii():
        fields["flags"] |= 0x800
    fields.update(method=method, crc=zlib.crc32(content), packed=len(packed), size=len(content))
    return Record(name=name, fields=fields, packed=packed)


@lru_cache(maxsize=4096)
def deflated(content: bytes) -> bytes:
    """The bytes that `zipfile` writes for `content`."""
    packer = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def read(data: bytes) -> Archive:
    """Read a well-formed archive without ZIP64."""
    place = data.rindex(b"PK\5\6")
    end = dict(zip(END_FIELDS, _END.unpack_from(data, place)[1:], strict=True))
    at = place - end["central_size"]
    shift = at - end["central_offset"]
    records, starts = [], []
    for _ in range(end["entries"]):
        fields = dict(zip(CENTRAL_FIELDS, _CENTRAL.unpack_from(data, at)[1:], strict=True))
        at += _CENTRAL.size
        lengths = fields.pop("name_length"), fields.pop("extra_length"), fields.pop("comment_length")
        name, extra, comment = (data[at + sum(lengths[:i]) : at + sum(lengths[: i + 1])] for i in range(3))
        at += sum(lengths)
        starts.append(fields.pop("offset") + shift)
        records.append(Record(name=name, fields=fields, extra=extra, comment=comment, packed=b""))
    central = place - end["central_size"]
    ordered = sorted(zip(starts, records, strict=True), key=lambda pair: pair[0])
    for (start, member), following in zip(ordered, [*(s for s, _ in ordered[1:]), central], strict=True):
        local = dict(zip(LOCAL_FIELDS, _LOCAL.unpack_from(data, start)[1:], strict=True))
        begin = start + _LOCAL.size + local.pop("name_length")
        content = begin + local.pop("extra_length")
        member.local_extra = data[begin:content]
        member.packed = data[content : content + member.fields["packed"]]
        member.after = data[content + member.fields["packed"] : following]
        member.local = {key: value for key, value in local.items() if member.fields[key] != value}
    in_order = [member for _, member in ordered]
    return Archive(
        head=data[: ordered[0][0]] if ordered else b"",
        records=in_order,
        listed=None if in_order == records else records,
        comment=data[place + _END.size :],
    )


def written(archive: Archive) -> bytes:
    """The bytes of an archive."""
    parts, offsets, at = [archive.head], {}, len(archive.head)
    for member in archive.records:
        local = _local(member)
        offsets[id(member)] = at
        parts += [local, member.packed, member.after]
        at += len(local) + len(member.packed) + len(member.after)
    listed = archive.records if archive.listed is None else archive.listed
    central = b"".join(_central(member, offsets.get(id(member), 0)) for member in listed)
    parts += [central, *_end64(archive, count=len(listed), size=len(central), offset=at)]
    end = {
        "disk": 0,
        "central_disk": 0,
        "entries_here": len(listed) & 0xFFFF,
        "entries": len(listed) & 0xFFFF,
        "central_size": len(central),
        "central_offset": at,
        "comment_length": len(archive.comment),
        **archive.end,
    }
    return b"".join([*parts, _END.pack(b"PK\5\6", *_values(end, END_FIELDS)), archive.comment])


def _local(member: Record) -> bytes:
    name = member.name if member.local_name is None else member.local_name
    fields = {
        **member.fields,
        "name_length": len(name) & 0xFFFF,
        "extra_length": len(member.local_extra),
        **member.local,
    }
    return _LOCAL.pack(b"PK\3\4", *_values(fields, LOCAL_FIELDS)) + name + member.local_extra


def _central(member: Record, offset: int) -> bytes:
    fields = {
        **member.fields,
        "name_length": len(member.name) & 0xFFFF,
        "extra_length": len(member.extra),
        "comment_length": len(member.comment),
        "offset": offset,
        **member.central,
    }
    return _CENTRAL.pack(b"PK\1\2", *_values(fields, CENTRAL_FIELDS)) + member.name + member.extra + member.comment


def _end64(archive: Archive, *, count: int, size: int, offset: int) -> list[bytes]:
    if archive.end64 is None:
        return []
    fields = {
        "length": _END64.size - 12,
        "made_by": 45,
        "version": 45,
        "disk": 0,
        "central_disk": 0,
        "here": count,
        "entries": count,
        "size": size,
        "offset": offset,
        **archive.end64,
    }
    record64 = _END64.pack(b"PK\6\6", *_values(fields, END64_FIELDS))
    place = archive.end64.get("place", offset + size)
    return [record64, _LOCATOR64.pack(b"PK\6\7", 0, place, archive.end64.get("disks", 1))]


def _values(fields: Fields, names: Sequence[str]) -> list[int]:
    return [fields[name] for name in names]
