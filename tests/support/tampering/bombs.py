"""Small archives with a huge content, or with a huge number of members."""

from __future__ import annotations

import zlib
from functools import cache
from random import Random
from typing import Final

from tests.support.tampering import zip_records
from tests.support.tampering.raw import Change
from tests.support.tampering.zip_records import Archive, Record

_BLOCK: Final = 1 << 20


@cache
def _zeros(blocks: int) -> Record:
    """A member of `blocks` megabytes of zeros, which are packed in a thousandth of it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(b"\0" * _BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = block * blocks + packer.flush()
    crc = 0
    for _ in range(blocks):
        crc = zlib.crc32(b"\0" * _BLOCK, crc)
    member = zip_records.record(b"zeros", b"\0" * 10)
    member.packed = packed
    member.fields.update(crc=crc, size=blocks * _BLOCK, packed=len(packed))
    return member


def _copy(member: Record, name: bytes) -> Record:
    return Record(name=name, fields=dict(member.fields), packed=member.packed)


def _huge_member(data: bytes, chosen: Random) -> bytes:
    """2 GB in a member, at a place where they are read as a whole by a careless program."""
    archive = zip_records.read(data)
    existing = [
        m.name for m in archive.records if m.name.endswith((b"PEX-INFO", b"__main__.py", b".dist-info/METADATA"))
    ]
    existing += [
        m.name for m in archive.records if m.name.endswith((b"/RECORD", b".layout.json", b".whl", b".bootstrap"))
    ]
    name = chosen.choice([b"x.bin", b"x.zip", b".deps/x.whl", b".bootstrap", b"x-1.dist-info/METADATA", *existing])
    archive.records = [member for member in archive.records if member.name != name]
    archive.records.append(_copy(_zeros(2000), name))
    return zip_records.written(archive)


@cache
def _nested(depth: int) -> bytes:
    """An archive of ten archives of ten archives …, with 100 MB of zeros in each of the innermost."""
    member = _zeros(100)
    for _ in range(depth):
        inner = zip_records.written(Archive(records=[_copy(member, b"%d.zip" % number) for number in range(10)]))
        member = zip_records.record(b"x", inner)
    return member.content


def _nested_archives(data: bytes, chosen: Random) -> bytes:
    archive = zip_records.read(data)
    name = chosen.choice([b"x.zip", b"x.whl", b".deps/x-1-py3-none-any.whl", b"x.jar", b".bootstrap"])
    archive.records.append(zip_records.record(name, _nested(5)))
    return zip_records.written(archive)


def _many_members(data: bytes, chosen: Random) -> bytes:
    """60,000 members more: next to each other, or each in an own distribution, or each with an own metadata."""
    archive = zip_records.read(data)
    form = chosen.choice(
        [b"x/%d.py", b".deps/%d/x.py", b".deps/x.whl/%d", b"%d-1.dist-info/METADATA", b".deps/%d", b"x%d.zip"]
    )
    archive.records += [zip_records.record(form % number, b"", stored=True) for number in range(60_000)]
    return zip_records.written(archive)


def _shared_content(data: bytes, chosen: Random) -> bytes:
    """1,000 members that share the same 100 MB."""
    archive = zip_records.read(data)
    start = len(archive.head) + sum(
        30 + len(m.name) + len(m.local_extra) + len(m.packed) + len(m.after) for m in archive.records
    )
    shared = _copy(_zeros(100), b"x0.py")
    archive.records.append(shared)
    names = [chosen.choice([b"x%d.py", b".deps/x.whl/%d"]) % number for number in range(1, 1000)]
    others = [_copy(shared, name) for name in names]
    for member in others:
        member.central["offset"] = start
    archive.listed = [*archive.records, *others]
    return zip_records.written(archive)


CHANGES: Final[dict[str, Change]] = {
    "huge-member": _huge_member,
    "nested-archives": _nested_archives,
    "many-members": _many_members,
    "shared-content": _shared_content,
}
