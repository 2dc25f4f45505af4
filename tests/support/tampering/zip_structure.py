"""Changes of the structure of a ZIP archive: fields with edge values, odd names, overlapping and repeated members."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random
from typing import Final

from msgspec.structs import replace

from tests.support.tampering import zip_records
from tests.support.tampering.raw import Change
from tests.support.tampering.zip_records import CENTRAL_FIELDS, END64_FIELDS, END_FIELDS, LOCAL_FIELDS, Archive, Record

_TWO_BYTES: Final = frozenset(
    (
        *("version", "flags", "method", "time", "date", "name_length", "extra_length", "comment_length", "disk"),
        *("internal", "made_by", "central_disk", "entries_here", "entries"),
    )
)

_FLAGS: Final = {"encrypted": 0x1, "descriptor": 0x8, "patched": 0x20, "strong": 0x40, "utf-8": 0x800, "hidden": 0x2000}

_NAMES: Final = (
    *(
        b"",
        b".",
        b"..",
        b"/",
        b"//",
        b"./x",
        b"../x.py",
        b"../../../../tmp/x",
        b"/etc/x",
        b"x/../y",
        b"C:\\x",
        b"a\\b.py",
    ),
    *(
        b".deps",
        b".deps/",
        b".deps/.",
        b".deps/..",
        b".deps/../x.py",
        b".deps//x",
        b".deps//",
        b".deps/./x/y",
        b".deps/x",
    ),
    *(b".deps/x.whl", b".deps/x.whl/", b".deps/x.whl/.", b".deps/x.whl/..", b".deps/x.whl//y", b".deps/x.whl/../y"),
    *(b".bootstrap", b".bootstrap/.", b".bootstrap/..", b".bootstrap//x", b"__pex__/.", b"PEX-INFO/", b"PEX-INFO/x"),
    *(
        b"\0",
        b"x\0y.py",
        b"x.py\0",
        b"\xff\xfe.py",
        b"\xc3\x28",
        b"caf\xc3\xa9.py",
        b"\xed\xa0\x80",
        b"\xe2\x80\xae.py",
    ),
    *(b"pex-info", b"Pex-Info", b"__MAIN__.py", b"x\n.py", b"x\r\n::error::y", b"\x1b[31mx", b" ", b"x ", b"-x", b"~"),
    *(b"x" * 60_000, b"x/" * 30_000, b"x/" * 30_000 + b"y", b"__pycache__/x.cpython-311.pyc"),
)

_EXTRAS: Final = (
    struct.pack("<HH", 1, 0),
    struct.pack("<HHQQQ", 1, 24, 2**64 - 1, 2**63, 2**62),
    struct.pack("<HHQ", 1, 8, 5),
    struct.pack("<HH", 1, 60_000),
    struct.pack("<HHBL", 0x7075, 9, 1, 0) + b"x.py",
    struct.pack("<HHBL", 0x7075, 3, 1, 0),
    struct.pack("<HH", 0x9901, 7) + b"\2\0AE\3\x08\0",
    b"\1",
    b"\0" * 3,
    struct.pack("<HH", 0x7875, 0xFFFF),
)


def _edge(field: str, data: bytes, chosen: Random) -> int:
    size = len(data)
    values = [0, 1, 2, 63, 0x7FFF, 0xFFFE, 0xFFFF]
    if field not in _TWO_BYTES:
        values += [size - 1, size, size + 1, size // 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]
    return chosen.choice(values) & (0xFFFF if field in _TWO_BYTES else 0xFFFFFFFF)


def _member(archive: Archive, chosen: Random) -> Record:
    """A member: any of them, or one of those that matter most."""
    important = [m for m in archive.records if m.name in (b"PEX-INFO", b"__main__.py") or m.name.endswith(b"/RECORD")]
    important += [archive.records[0], archive.records[-1]]
    return chosen.choice(chosen.choice([archive.records, important]))


def _structural(change: Callable[[Archive, bytes, Random], None]) -> Change:
    def changed(data: bytes, chosen: Random) -> bytes:
        archive = zip_records.read(data)
        change(archive, data, chosen)
        return zip_records.written(archive)

    return changed


def _end_field(archive: Archive, data: bytes, chosen: Random) -> None:
    field = chosen.choice(END_FIELDS)
    archive.end[field] = _edge(field, data, chosen)


def _end64_field(archive: Archive, data: bytes, chosen: Random) -> None:
    archive.end64 = {}
    field = chosen.choice([*END64_FIELDS, "place", "disks", "none"])
    if field in ("place", "length", "here", "entries", "size", "offset"):
        archive.end64[field] = chosen.choice([0, 1, len(data), 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1])
    elif field != "none":
        archive.end64[field] = chosen.choice([0, 1, 2, 63, 0xFFFF])
    if chosen.random() < 0.8:
        archive.end = {
            "entries": 0xFFFF,
            "entries_here": 0xFFFF,
            "central_offset": 0xFFFFFFFF,
            "central_size": 0xFFFFFFFF,
        }


def _central_field(archive: Archive, data: bytes, chosen: Random) -> None:
    field = chosen.choice(CENTRAL_FIELDS)
    _member(archive, chosen).central[field] = _edge(field, data, chosen)


def _local_field(archive: Archive, data: bytes, chosen: Random) -> None:
    field = chosen.choice(LOCAL_FIELDS)
    _member(archive, chosen).local[field] = _edge(field, data, chosen)


def _both_fields(archive: Archive, data: bytes, chosen: Random) -> None:
    member, field = _member(archive, chosen), chosen.choice(LOCAL_FIELDS[:8])
    member.fields[field] = _edge(field, data, chosen)
    member.local.pop(field, None)


def _flag(archive: Archive, _: bytes, chosen: Random) -> None:
    member, flag = _member(archive, chosen), chosen.choice(sorted(_FLAGS.values()))
    for fields in chosen.choice([(member.central,), (member.local,), (member.central, member.local)]):
        fields["flags"] = member.fields["flags"] | flag


def _version(archive: Archive, _: bytes, chosen: Random) -> None:
    _member(archive, chosen).central["version"] = chosen.choice([45, 63, 64, 99, 255, 0xFFFF])


def _method(archive: Archive, _: bytes, chosen: Random) -> None:
    member, method = _member(archive, chosen), chosen.choice([0, 1, 6, 8, 9, 12, 14, 19, 93, 95, 97, 98, 99, 0xFFFF])
    for fields in chosen.choice([(member.central,), (member.local,), (member.central, member.local)]):
        fields["method"] = method


def _sizes(archive: Archive, _: bytes, chosen: Random) -> None:
    """Sizes that differ from the content, or between the two headers."""
    member, field = _member(archive, chosen), chosen.choice(["size", "packed", "crc"])
    value = chosen.choice([0, member.fields[field] - 1, member.fields[field] + 1, member.fields[field] * 1000])
    for fields in chosen.choice([(member.central,), (member.local,), (member.central, member.local)]):
        fields[field] = value & 0xFFFFFFFF


def _extra(archive: Archive, _: bytes, chosen: Random) -> None:
    member, extra = _member(archive, chosen), chosen.choice(_EXTRAS)
    if chosen.random() < 0.5:
        member.extra += extra
        if chosen.random() < 0.5:
            member.central[chosen.choice(["size", "packed", "offset"])] = 0xFFFFFFFF
    else:
        member.local_extra += extra


def _comment(archive: Archive, _: bytes, chosen: Random) -> None:
    comment = chosen.choice([b"x", b"PK\5\6" + b"\0" * 18, b"x" * 65_535, b"\xff\0\n"])
    if chosen.random() < 0.5:
        archive.comment = comment
    else:
        _member(archive, chosen).comment = comment


def _new_name(archive: Archive, _: bytes, chosen: Random) -> None:
    """A member more, with an odd name; one that ends in a slash has content sometimes."""
    name = chosen.choice(_NAMES)
    member = zip_records.record(name, b"")
    if chosen.random() < 0.6:
        member = zip_records.record(name, b"x = 1\n", stored=name.endswith(b"/"))
    if chosen.random() < 0.5:
        member.fields["flags"] ^= 0x800
    archive.records.insert(chosen.choice([0, len(archive.records)]), member)


def _rename(archive: Archive, _: bytes, chosen: Random) -> None:
    member, name = _member(archive, chosen), chosen.choice(_NAMES)
    if chosen.random() < 0.7:
        member.name = name
    else:
        member.local_name = name


def _change_case(archive: Archive, _: bytes, chosen: Random) -> None:
    member = _member(archive, chosen)
    member.name = member.name.swapcase()


def _repeat(archive: Archive, _: bytes, chosen: Random) -> None:
    """A member twice, with other content, or listed twice."""
    member = _member(archive, chosen)
    if chosen.random() < 0.3:
        archive.listed = [*(archive.listed or archive.records), member]
        return
    other = zip_records.record(member.name, b"print('another one')\n", like=member.fields)
    archive.records.insert(chosen.choice([0, len(archive.records)]), other)


def _file_and_directory(archive: Archive, _: bytes, chosen: Random) -> None:
    member = _member(archive, chosen)
    name = member.name.rstrip(b"/")
    added = name if member.name.endswith(b"/") else name + b"/"
    archive.records.append(zip_records.record(chosen.choice([added, name + b"/x.py"]), b""))


def _reorder(archive: Archive, _: bytes, chosen: Random) -> None:
    if chosen.random() < 0.5:
        chosen.shuffle(archive.records)
    else:
        archive.listed = chosen.sample(archive.records, len(archive.records))


def _gap(archive: Archive, _: bytes, chosen: Random) -> None:
    _member(archive, chosen).after += chosen.choice([b"\0", b"#!/bin/sh\n", chosen.randbytes(5000), b"PK\3\4" * 9])


def _unlist(archive: Archive, _: bytes, chosen: Random) -> None:
    """A member that is in the file, but not in the central directory."""
    gone = _member(archive, chosen)
    archive.listed = [member for member in archive.listed or archive.records if member is not gone]


def _overlap(archive: Archive, _: bytes, chosen: Random) -> None:
    """Members that share the bytes of another one."""
    member = _member(archive, chosen)
    shared = [replace(member, name=b"overlap-%d.py" % number, central=dict(member.central)) for number in range(50)]
    archive.listed = [*(archive.listed or archive.records), *shared]
    start = len(archive.head)
    for other in archive.records:
        if other is member:
            break
        start += 30 + len(other.name) + len(other.local_extra) + len(other.packed) + len(other.after)
    for other in shared:
        other.central["offset"] = start


def _no_members(archive: Archive, _: bytes, __: Random) -> None:
    archive.records, archive.listed = [], None


def _link(archive: Archive, _: bytes, chosen: Random) -> None:
    """A member that Unix tools unpack as a symbolic link, a device or a FIFO."""
    kind = chosen.choice([0o120777, 0o020644, 0o060644, 0o010644, 0o140644, 0o170000])
    content = chosen.choice([b"/etc/passwd", b"../../x", b"x"])
    if chosen.random() < 0.5:
        archive.records.append(zip_records.record(b"linked.py", content, mode=kind))
    else:
        member = _member(archive, chosen)
        member.fields["external"] = kind << 16


CHANGES: Final[dict[str, Change]] = {
    name: _structural(change)
    for name, change in {
        "end-field": _end_field,
        "zip64-end-field": _end64_field,
        "central-field": _central_field,
        "local-field": _local_field,
        "field-in-both": _both_fields,
        "flag": _flag,
        "version-needed": _version,
        "method": _method,
        "sizes": _sizes,
        "extra-field": _extra,
        "comment": _comment,
        "added-name": _new_name,
        "renamed-member": _rename,
        "case": _change_case,
        "repeated-member": _repeat,
        "file-and-directory": _file_and_directory,
        "order": _reorder,
        "bytes-between": _gap,
        "unlisted-member": _unlist,
        "overlapping-members": _overlap,
        "no-members": _no_members,
        "special-file": _link,
    }.items()
}
