from __future__ import annotations

import random
import struct
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace

from nox_pex.pex import zip_members
from nox_pex.pex.zip_members import Archive, Block, NewMember, UnsupportedArchiveError, ZipMember

SCRIPT: Final = b"#!/bin/sh\nexec python $0\n"
NOISE: Final = random.Random(7).randbytes(3 << 20)  # noqa: S311  # content that does not compress, the same each time
END: Final = struct.Struct("<4s4H2LH")


def members() -> list[NewMember]:
    return [
        NewMember(name="a/", mode=0o40755),
        NewMember(name="a/empty", mode=0o100644, content=b""),
        NewMember(name="a/noise", mode=0o100644, content=NOISE),
        NewMember(name="b/", mode=0o40755),
        NewMember(name="b/naïve.txt", mode=0o100755, content="é".encode() * 50_000),
    ]


def pack(path: Path, *new: NewMember, compress: bool = True) -> Archive:
    return zip_members.pack(path, new or members(), compress=compress)


def one(path: Path, content: bytes = b"x", *, name: str = "a", mode: int = 0o100644) -> ZipMember:
    """A stored member of a new archive."""
    return pack(path, NewMember(name=name, mode=mode, content=content), compress=False).members[0]


def packed_bytes(member: ZipMember) -> tuple[bytes, bytes]:
    """The records of a member, without the place of its local record."""
    return member.central_at(0), member.archive.read_bytes()[member.start : member.end]


@pytest.fixture(params=[True, False], ids=["compressed", "stored"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Archive:
    packed = pack(tmp_path / "packed.zip", compress=request.param)
    zip_members.write(tmp_path / "with-script.zip", SCRIPT, packed.members)
    return zip_members.read(tmp_path / "with-script.zip")


def test_a_written_archive_is_what_zipfile_reads(archive: Archive) -> None:
    assert archive.header() == SCRIPT
    with zipfile.ZipFile(archive.path) as known:
        assert known.testzip() is None
        assert known.namelist() == [member.name for member in archive.members]
        for member, info in zip(archive.members, known.infolist(), strict=True):
            assert member.read() == known.read(info)
            assert member.crc_and_size == (info.CRC, info.file_size)
            assert member.mode == info.external_attr >> 16


def test_the_end_record_is_that_of_a_plain_archive(archive: Archive) -> None:
    data = archive.path.read_bytes()
    length = sum(len(member.central) for member in archive.members)
    offset = len(data) - END.size - length
    assert data[-END.size :] == END.pack(b"PK\x05\x06", 0, 0, 5, 5, length, offset, 0)


def test_members_are_copied_in_any_order_and_from_several_archives(archive: Archive, tmp_path: Path) -> None:
    backwards = [*reversed(archive.members), one(tmp_path / "other.zip", name="between")]
    zip_members.write(tmp_path / "mixed.zip", b"", backwards)
    mixed = zip_members.read(tmp_path / "mixed.zip")
    assert [member.name for member in mixed.members] == [member.name for member in backwards]
    assert list(map(packed_bytes, mixed.members)) == list(map(packed_bytes, backwards))
    with zipfile.ZipFile(tmp_path / "mixed.zip") as known:
        assert known.testzip() is None


def test_members_that_only_seem_to_follow_each_other_are_of_two_archives(tmp_path: Path) -> None:
    """The first member of `one.zip` ends at the byte at which the second member of `two.zip` begins."""
    pairs = [
        pack(
            tmp_path / f"{text}.zip",
            *(NewMember(name=name, mode=0o100644, content=text.encode()) for name in ("a", "b")),
            compress=False,
        ).members
        for text in ("one", "two")
    ]
    mixed = [pairs[0][0], pairs[1][1]]
    assert mixed[0].end == mixed[1].start
    zip_members.write(tmp_path / "mixed.zip", b"", mixed)
    with zipfile.ZipFile(tmp_path / "mixed.zip") as known:
        assert [known.read(name) for name in ("a", "b")] == [b"one", b"two"]


@pytest.mark.parametrize("parts", [list, lambda found: [zip_members.block_of(found)]], ids=["members", "block"])
def test_a_member_with_an_extra_field_and_a_comment_keeps_them(
    tmp_path: Path, parts: Callable[[Sequence[ZipMember]], list[ZipMember | Block]]
) -> None:
    with zipfile.ZipFile(tmp_path / "extra.zip", "w") as new:
        for name in ("a", "b"):
            info = zipfile.ZipInfo(name)
            info.extra, info.comment = struct.pack("<HH4s", 0xCAFE, 4, b"more"), b"a note"
            new.writestr(info, name * 3)
    found = zip_members.read(tmp_path / "extra.zip").members
    assert [member.read() for member in found] == [b"aaa", b"bbb"]
    zip_members.write(tmp_path / "moved.zip", SCRIPT, parts(found))
    with zipfile.ZipFile(tmp_path / "moved.zip") as known:
        assert known.testzip() is None
        assert [(info.comment, info.extra[4:]) for info in known.infolist()] == [(b"a note", b"more")] * 2


def test_a_whole_archive_is_read_as_a_block_and_copied_with_its_bytes(archive: Archive, tmp_path: Path) -> None:
    other = pack(tmp_path / "other.zip")
    block = zip_members.read_block(other.path)
    assert block.count == len(other.members)
    assert block.central_at(0) == b"".join(member.central_at(member.start) for member in other.members)
    zip_members.write(tmp_path / "mixed.zip", SCRIPT, [archive.members[1], block, archive.members[2]])
    mixed = zip_members.read(tmp_path / "mixed.zip").members
    expected = [archive.members[1], *other.members, archive.members[2]]
    assert list(map(packed_bytes, mixed)) == list(map(packed_bytes, expected))
    zip_members.write(tmp_path / "alone.zip", SCRIPT, [block])
    with zipfile.ZipFile(tmp_path / "alone.zip") as known:
        assert known.testzip() is None
        assert known.namelist() == [member.name for member in other.members]


def test_members_that_follow_each_other_are_a_block(archive: Archive, tmp_path: Path) -> None:
    block = zip_members.block_of(archive.members[1:4])
    assert (block.archive, block.start, block.count) == (archive.path, archive.members[1].start, 3)
    zip_members.write(tmp_path / "a.zip", b"longer than before" * 9, [archive.members[0], block])
    found = zip_members.read(tmp_path / "a.zip").members
    assert list(map(packed_bytes, found)) == list(map(packed_bytes, archive.members[:4]))
    with zipfile.ZipFile(tmp_path / "a.zip") as known:
        assert known.testzip() is None


@pytest.mark.parametrize("chosen", [[], [0, 2], [1, 0], [1, 1]], ids=["none", "a-gap", "backwards", "twice"])
def test_members_that_do_not_follow_each_other_are_no_block(archive: Archive, chosen: list[int]) -> None:
    with pytest.raises(UnsupportedArchiveError, match="do not follow each other"):
        zip_members.block_of([archive.members[number] for number in chosen])


def test_members_of_two_archives_are_no_block(archive: Archive, tmp_path: Path) -> None:
    copy = tmp_path / "copy.zip"
    copy.write_bytes(archive.path.read_bytes())
    first, second, *_ = archive.members
    with pytest.raises(UnsupportedArchiveError, match="do not follow each other"):
        zip_members.block_of([first, replace(second, archive=copy)])


@pytest.mark.parametrize("without", [(b"a/",), (b"b/", b"a/n"), (b"a", b"b"), ("b/na\u00ef".encode(),)])
def test_members_can_be_left_out_when_an_archive_is_read(archive: Archive, without: tuple[bytes, ...]) -> None:
    found = zip_members.read(archive.path, without=without).members
    assert found == tuple(m for m in archive.members if not m.name.encode().startswith(without))


def test_an_archive_without_members(tmp_path: Path) -> None:
    zip_members.write(tmp_path / "empty.zip", b"", [])
    assert zipfile.ZipFile(tmp_path / "empty.zip").namelist() == []
    empty = zip_members.read(tmp_path / "empty.zip")
    assert (empty.members, empty.header()) == ((), b"")


@pytest.mark.parametrize(
    ("pieces", "others", "same"),
    [
        ([b"abc"], [b"a", b"", b"bc"], True),
        ([b"abc"], [b"ab"], False),
        ([], [b""], True),
        ([b"ab", b"c"], [b"abd"], False),
    ],
)
def test_streams_are_the_same_however_they_are_divided(pieces: list[bytes], others: list[bytes], *, same: bool) -> None:
    assert zip_members.same_bytes(iter(pieces), iter(others)) is same
    assert zip_members.same_bytes(iter(others), iter(pieces)) is same


# Packing as pex does


@pytest.mark.parametrize("compress", [True, False])
def test_members_are_packed_as_pex_packs_them(tmp_path: Path, *, compress: bool) -> None:
    pack(tmp_path / "new.zip", compress=compress)
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(tmp_path / "new.zip") as known:
        found = [(i.filename, i.external_attr, i.compress_type, i.file_size, i.date_time) for i in known.infolist()]
    epoch = (1980, 1, 1, 0, 0, 0)
    assert found == [
        ("a/", 0o40755 << 16 | 0x10, zipfile.ZIP_STORED, 0, epoch),
        ("a/empty", 0o100644 << 16, method, 0, epoch),
        ("a/noise", 0o100644 << 16, method, len(NOISE), epoch),
        ("b/", 0o40755 << 16 | 0x10, zipfile.ZIP_STORED, 0, epoch),
        ("b/naïve.txt", 0o100755 << 16, method, 100_000, epoch),
    ]


@pytest.mark.parametrize("content", [b"", b"short", NOISE[:20_000]], ids=["empty", "short", "several-pieces"])
def test_a_content_is_packed_alike_from_memory_from_a_file_and_from_an_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    sources: Sequence[bytes | Path | ZipMember] = (content, tmp_path / "file", one(tmp_path / "one.zip", content))
    packed = []
    for number, source in enumerate(sources):
        new = NewMember(name="a", mode=0o100644, content=source)
        assert new.size == len(content)
        pack(tmp_path / f"{number}.zip", new)
        packed.append((tmp_path / f"{number}.zip").read_bytes())
        pieces = list(zip_members.pex_chunks(source))
        assert pieces == [content[start : start + 8192] for start in range(0, len(content), 8192)]
    assert packed[0] == packed[1] == packed[2]


def test_a_compressed_content_is_divided_into_the_pieces_of_pex(tmp_path: Path) -> None:
    content = b"0123456789" * 300_000
    (member,) = pack(tmp_path / "one.zip", NewMember(name="a", mode=0o100644, content=content)).members
    pieces = list(zip_members.pex_chunks(member))
    assert b"".join(pieces) == content
    assert {len(piece) for piece in pieces[:-1]} == {8192}
    assert len(pieces[-1]) == len(content) % 8192


def test_packing_the_members_of_an_archive_gives_the_same_bytes(tmp_path: Path) -> None:
    again = [
        NewMember(name=member.name, mode=member.mode, content=b"" if member.name.endswith("/") else member)
        for member in pack(tmp_path / "first.zip").members
    ]
    pack(tmp_path / "again.zip", *again)
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "first.zip").read_bytes()


# Archives that are refused


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data + b"a comment",
        lambda data: data[:100],
        lambda data: b"longer" + data,
        lambda data: data[:0],
        lambda data: data[-22:][:4],
        lambda data: data.replace(b"PK\x05\x06", b"PK\x00\x00"),
    ],
)
def test_a_file_that_does_not_end_as_a_plain_archive_is_refused(
    tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    pack(tmp_path / "intact.zip")
    (tmp_path / "changed.zip").write_bytes(change((tmp_path / "intact.zip").read_bytes()))
    with pytest.raises(UnsupportedArchiveError):
        zip_members.read(tmp_path / "changed.zip")


def rewritten(path: Path, change: Callable[[list[ZipMember]], Sequence[bytes]], **end: int) -> Path:
    """Give an archive other central records, and an end record with other fields."""
    archive = zip_members.read(path)
    data = path.read_bytes()
    offset = END.unpack(data[-END.size :])[6]
    records = change(list(archive.members))
    length = sum(map(len, records))
    fields = {"count": len(records), "total": len(records), "length": length, "offset": offset, **end}
    last = END.pack(b"PK\x05\x06", 0, 0, *(fields[name] for name in ("count", "total", "length", "offset")), 0)
    path.write_bytes(data[:offset] + b"".join(records) + last)
    return path


def as_it_is(found: list[ZipMember]) -> Sequence[bytes]:
    return [member.central_at(member.start) for member in found]


def test_an_archive_that_is_rewritten_as_it_is_can_be_read(tmp_path: Path) -> None:
    pack(tmp_path / "a.zip")
    before = (tmp_path / "a.zip").read_bytes()
    assert rewritten(tmp_path / "a.zip", as_it_is).read_bytes() == before


@pytest.mark.parametrize(
    "end", [{"total": 6}, {"count": 4}, {"count": 0xFFFF, "total": 0xFFFF}], ids=["total", "count", "zip64"]
)
def test_an_archive_in_parts_or_with_zip64_is_refused(tmp_path: Path, end: dict[str, int]) -> None:
    pack(tmp_path / "a.zip")
    with pytest.raises(UnsupportedArchiveError):
        zip_members.read(rewritten(tmp_path / "a.zip", as_it_is, **end))


@pytest.mark.parametrize("change", [-1, 1])
def test_a_central_directory_of_another_length_is_refused(tmp_path: Path, change: int) -> None:
    pack(tmp_path / "a.zip")
    length = END.unpack((tmp_path / "a.zip").read_bytes()[-END.size :])[5]
    with pytest.raises(UnsupportedArchiveError):
        zip_members.read(rewritten(tmp_path / "a.zip", as_it_is, length=length + change))


@pytest.mark.parametrize(
    "order",
    [
        lambda found: [member.central_at(member.start) for member in reversed(found)],
        lambda found: [member.central_at(found[0].start) for member in found],
        lambda found: [found[1].central_at(found[1].start), found[0].central_at(found[0].start)],
    ],
    ids=["reversed", "all-at-one-place", "two-exchanged"],
)
def test_members_in_another_order_than_their_records_are_refused(
    tmp_path: Path, order: Callable[[list[ZipMember]], Sequence[bytes]]
) -> None:
    pack(tmp_path / "a.zip")
    with pytest.raises(UnsupportedArchiveError):
        zip_members.read(rewritten(tmp_path / "a.zip", order))


def test_a_name_that_is_not_in_utf_8_is_refused(tmp_path: Path) -> None:
    one(tmp_path / "a.zip", name="na\u00efve")
    data = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(data.replace("\u00ef".encode(), b"\x8b\x8b"))
    with pytest.raises(UnsupportedArchiveError, match="has a member with the name"):
        zip_members.read(tmp_path / "a.zip")


def test_a_member_of_an_unknown_compression_method_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_BZIP2) as new:
        new.writestr("a", b"text")
    (member,) = zip_members.read(tmp_path / "a.zip").members
    with pytest.raises(UnsupportedArchiveError, match="a is compressed with method 12"):
        member.read()


def test_an_archive_that_was_cut_since_it_was_read_is_refused(tmp_path: Path) -> None:
    member = one(tmp_path / "a.zip", NOISE)
    (tmp_path / "a.zip").write_bytes((tmp_path / "a.zip").read_bytes()[: 2 << 20])
    with pytest.raises(UnsupportedArchiveError):
        member.read()


@pytest.mark.parametrize(("count", "fits"), [(65_534, True), (65_535, False)])
@pytest.mark.parametrize("as_block", [True, False], ids=["block", "members"])
def test_an_archive_with_too_many_members_is_refused(tmp_path: Path, count: int, *, fits: bool, as_block: bool) -> None:
    member = one(tmp_path / "one.zip")
    block = replace(zip_members.block_of([member]), central=member.central * (count - 1), count=count - 1)
    parts: list[ZipMember | Block] = [member, block] if as_block else [member] * count
    if fits:
        zip_members.write(tmp_path / "many.zip", b"", parts)
        assert (tmp_path / "many.zip").exists()
        if not as_block:
            assert len(zip_members.read(tmp_path / "many.zip").members) == count
        return
    with pytest.raises(UnsupportedArchiveError):
        zip_members.write(tmp_path / "many.zip", b"", parts)
    assert not (tmp_path / "many.zip").exists()


@pytest.mark.parametrize(("more", "fits"), [(0, True), (1, False)])
def test_an_archive_that_would_be_too_large_is_not_begun(tmp_path: Path, more: int, *, fits: bool) -> None:
    """Its size is claimed, not real: the archive that fits is begun, and fails at the bytes that do not exist."""
    member = one(tmp_path / "one.zip")
    largest = 0xFFFFFFFE - len(SCRIPT) - len(member.central)
    with pytest.raises(UnsupportedArchiveError):
        zip_members.write(tmp_path / "large.zip", SCRIPT, [replace(member, end=member.start + largest + more)])
    assert (tmp_path / "large.zip").exists() == fits
