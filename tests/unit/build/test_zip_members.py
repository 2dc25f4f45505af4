from __future__ import annotations

import random
import zipfile
from pathlib import Path

import pytest

from nox_pex.build import zip_members
from nox_pex.build.zip_members import NewMember

SCRIPT = b"#!/bin/sh\nexec python $0\n"


def members() -> list[NewMember]:
    noise = random.Random(7).randbytes(3 << 20)  # noqa: S311  # content that packs badly
    return [
        NewMember(name="a/", mode=0o40755),
        NewMember(name="a/empty", mode=0o100644, content=b""),
        NewMember(name="a/noise", mode=0o100644, content=noise),
        NewMember(name="b/", mode=0o40755),
        NewMember(name="b/naïve.txt", mode=0o100755, content="é".encode() * 50_000),
    ]


@pytest.fixture(params=[True, False], ids=["compressed", "stored"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> zip_members.Archive:
    packed = zip_members.pack(tmp_path / "packed.zip", members(), compress=request.param)
    zip_members.write(tmp_path / "with-script.zip", SCRIPT, packed.members)
    return zip_members.read(tmp_path / "with-script.zip")


def test_what_is_written_is_what_zipfile_reads(archive: zip_members.Archive) -> None:
    assert archive.header() == SCRIPT
    with zipfile.ZipFile(archive.path) as known:
        assert known.testzip() is None
        assert known.namelist() == [member.name for member in archive.members]
        for member, info in zip(archive.members, known.infolist(), strict=True):
            assert member.read() == known.read(info)
            assert member.crc_and_size == (info.CRC, info.file_size)
            assert member.mode == info.external_attr >> 16


def test_members_are_taken_over_in_any_order_and_place(archive: zip_members.Archive, tmp_path: Path) -> None:
    other = zip_members.pack(
        tmp_path / "other.zip", [NewMember(name="between", mode=0o100600, content=b"x")], compress=True
    )
    backwards = [*reversed(archive.members), *other.members]
    zip_members.write(tmp_path / "mixed.zip", b"", backwards)
    mixed = zip_members.read(tmp_path / "mixed.zip")
    assert [member.name for member in mixed.members] == [member.name for member in backwards]
    assert all(one.same_as(another) for one, another in zip(mixed.members, backwards, strict=True))
    with zipfile.ZipFile(tmp_path / "mixed.zip") as known:
        assert known.testzip() is None


def test_a_member_goes_under_a_directory_without_being_packed_again(
    archive: zip_members.Archive, tmp_path: Path
) -> None:
    moved = [member.with_prefix("deep/er/") for member in archive.members]
    zip_members.write(tmp_path / "moved.zip", SCRIPT, moved)
    again = zip_members.read(tmp_path / "moved.zip").members
    assert [member.name for member in again] == [f"deep/er/{member.name}" for member in archive.members]
    assert [member.read() for member in again] == [member.read() for member in archive.members]
    assert [member.read() for member in moved] == [member.read() for member in archive.members]
    assert all(one.same_as(another) for one, another in zip(moved, again, strict=True))
    assert not again[1].same_as(archive.members[1])
    with zipfile.ZipFile(tmp_path / "moved.zip") as known:
        assert known.testzip() is None


def test_packing_what_was_packed_gives_the_same_bytes(tmp_path: Path) -> None:
    first = zip_members.pack(tmp_path / "first.zip", members(), compress=True)
    again = [
        NewMember(name=member.name, mode=member.mode, content=b"" if member.name.endswith("/") else member)
        for member in first.members
    ]
    zip_members.pack(tmp_path / "again.zip", again, compress=True)
    assert (tmp_path / "again.zip").read_bytes() == (tmp_path / "first.zip").read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data + b"a comment",
        lambda data: data[:100],
        lambda data: b"longer" + data,
        lambda data: data[:0],
        lambda data: data.replace(b"PK\x05\x06", b"PK\x00\x00"),
    ],
)
def test_what_is_laid_out_otherwise_is_refused(tmp_path: Path, change: object) -> None:
    assert callable(change)
    zip_members.pack(tmp_path / "whole.zip", members(), compress=True)
    (tmp_path / "changed.zip").write_bytes(change((tmp_path / "whole.zip").read_bytes()))
    with pytest.raises(zip_members.UnsupportedArchiveError):
        zip_members.read(tmp_path / "changed.zip")


def test_an_archive_with_too_many_members_is_refused(tmp_path: Path) -> None:
    one = zip_members.pack(tmp_path / "one.zip", [NewMember(name="a", mode=0o100644)], compress=False).members[0]
    with pytest.raises(zip_members.UnsupportedArchiveError):
        zip_members.write(tmp_path / "many.zip", b"", [one] * 65_535)


@pytest.mark.parametrize(
    ("one", "another", "same"),
    [
        ([b"abc"], [b"a", b"", b"bc"], True),
        ([b"abc"], [b"ab"], False),
        ([], [b""], True),
        ([b"ab", b"c"], [b"abd"], False),
    ],
)
def test_streams_are_the_same_however_they_are_cut(one: list[bytes], another: list[bytes], *, same: bool) -> None:
    assert zip_members.same_bytes(iter(one), iter(another)) is same
    assert zip_members.same_bytes(iter(another), iter(one)) is same
