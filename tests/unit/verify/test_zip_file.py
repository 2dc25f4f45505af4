from __future__ import annotations

import contextlib
import io
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nox_pex.verify.container import Allowance, BombError, DamageError, read_text
from nox_pex.verify.zip_file import Zip

END, CENTRAL, LOCAL = b"PK\x05\x06", b"PK\x01\x02", b"PK\x03\x04"
Change = Callable[[bytearray], object]
Opened = Callable[..., Zip]


@pytest.fixture
def content() -> bytearray:
    """An archive as pex writes it: a stored directory, a compressed file, a stored file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr(zipfile.ZipInfo("a/", (1980, 1, 1, 0, 0, 0)), b"")
        file.writestr(zipfile.ZipInfo("a/x.py", (1980, 1, 1, 0, 0, 0)), b"x = 1\n" * 50, zipfile.ZIP_DEFLATED)
        file.writestr(zipfile.ZipInfo("b.py", (1980, 1, 1, 0, 0, 0)), b"y = 2\n" * 50, zipfile.ZIP_STORED)
    return bytearray(stream.getvalue())


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Write an archive, and open it."""
    with contextlib.ExitStack() as stack:

        def open_(content: bytes | bytearray, *, allowance: Allowance | None = None) -> Zip:
            (tmp_path / "x.zip").write_bytes(content)
            return Zip(stack.enter_context((tmp_path / "x.zip").open("rb")), allowance=allowance)

        yield open_


def test_members_and_directories(content: bytearray, opened: Opened) -> None:
    archive = opened(b"#!/bin/sh\n" + content)
    assert list(archive.members) == ["a/x.py", "b.py"]
    assert list(archive.directories) == ["a"]
    assert archive.head() == b"#!/bin/sh\n"
    assert (read_text(archive, "a/x.py"), read_text(archive, "b.py")) == ("x = 1\n" * 50, "y = 2\n" * 50)
    assert archive.irregularities == ()
    assert archive.members["a/x.py"].date == (1 << 5 | 1) << 16


def test_an_archive_for_zip64_is_read(opened: Opened) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file, file.open(zipfile.ZipInfo("big"), "w", force_zip64=True) as member:
        member.write(b"content")
    archive = opened(stream.getvalue())
    assert read_text(archive, "big") == "content"
    assert archive.irregularities == ("big has fields that pex does not write",)


def test_the_end_records_for_zip64_must_agree(content: bytearray, opened: Opened) -> None:
    place = content.rindex(END)
    _, _, _, here, total, size, offset, _ = struct.unpack("<4s4H2LH", content[place:])
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, here, total, size, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, place, 1)
    whole = content[:place] + record + locator + content[place:]
    assert list(opened(whole).members) == ["a/x.py", "b.py"]
    full = bytearray(whole)
    full[-12:-2] = b"\xff" * 10
    assert list(opened(full).members) == ["a/x.py", "b.py"]
    whole[-12] ^= 1  # the number of records
    with pytest.raises(DamageError, match="its two end records contradict each other"):
        opened(whole)
    with pytest.raises(DamageError, match="its end record for ZIP64 is not where it must be"):
        opened(content[:place] + record + b"\0" + locator + content[place:])


def test_an_offset_beyond_every_file_is_damage(content: bytearray, opened: Opened) -> None:
    place, directory = content.rindex(CENTRAL), content.index(CENTRAL)
    extra = struct.pack("<2HQ", 1, 8, (1 << 64) - 1)
    content[place + 30 : place + 32] = struct.pack("<H", len(extra))
    content[place + 42 : place + 46] = b"\xff" * 4
    content[place + 50 : place + 50] = extra
    patch(END, 12, struct.pack("<L", content.rindex(END) - directory))(content)
    with pytest.raises(DamageError, match=r"the two records of b\.py contradict each other"):
        opened(content)


def patch(signature: bytes, offset: int, value: bytes, *, last: bool = False) -> Change:
    def change(content: bytearray) -> None:
        place = (content.rindex if last else content.index)(signature) + offset
        content[place : place + len(value)] = value

    return change


def rename(old: bytes, new: bytes) -> Change:
    def change(content: bytearray) -> None:
        content[:] = content.replace(old, new)

    return change


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (bytearray.clear, "it is no ZIP archive"),
        (lambda content: content.__delitem__(slice(-5, None)), "it is no ZIP archive, or is truncated"),
        (lambda content: content.extend(b"x"), "there are bytes after its end record"),
        (patch(END, 4, b"\1"), "part of an archive in several files"),
        (patch(END, 8, b"\2"), "part of an archive in several files"),
        (patch(END, 8, b"\2\0\2"), "another size than its end record says"),
        (patch(END, 8, b"\4\0\4"), "its central directory is truncated"),
        (patch(END, 12, b"\xff\xff"), "not where its end record says"),
        (patch(END, 16, b"\xff\xff"), "not where its end record says"),
        (patch(END, 12, b"\x90"), "its central directory is damaged"),
        (patch(CENTRAL, 6, b"\x40", last=True), "b.py is encrypted, or compressed by a method"),
        (patch(CENTRAL, 8, b"\1", last=True), "b.py is encrypted, or compressed by a method"),
        (patch(CENTRAL, 8, b"\0\x20", last=True), "b.py is encrypted, or compressed by a method"),
        (patch(CENTRAL, 10, b"\x0c", last=True), "b.py is encrypted, or compressed by a method"),
        (patch(CENTRAL, 10, b"\x08", last=True), "the two records of b.py contradict each other"),
        (patch(CENTRAL, 16, b"\0\0\0\0", last=True), "the two records of b.py contradict each other"),
        (patch(CENTRAL, 24, b"\1\2\3", last=True), "the two records of b.py contradict each other"),
        (patch(CENTRAL, 24, b"\xff\xff\xff\xff", last=True), "an extra field of b.py is damaged"),
        (patch(CENTRAL, 42, b"\0\0\0\0", last=True), "the two records of b.py contradict each other"),
        (patch(CENTRAL, 42, b"\xff\xff\xff\x7f", last=True), "the two records of b.py contradict each other"),
        (patch(CENTRAL, 46, b"c", last=True), "the two records of c.py contradict each other"),
        (patch(LOCAL, 8, b"\x08", last=True), "the two records of b.py contradict each other"),
        (patch(LOCAL, 18, b"\1", last=True), "the two records of b.py contradict each other"),
        (rename(b"b.py", b"../b"), "'../b' is no plain relative path"),
        (rename(b"b.py", b"/b.p"), "'/b.p' is no plain relative path"),
        (rename(b"b.py", b"b/.."), "'b/..' is no plain relative path"),
        (rename(b"b.py", b"./bp"), "'./bp' is no plain relative path"),
        (rename(b"b.py", b"b\0py"), r"'b\\x00py' is no plain relative path"),
        (rename(b"a/x.py", b"b.py/x"), "'b.py' is a file and also a directory"),
    ],
)
def test_what_two_readers_may_read_differently_is_damage(
    content: bytearray, opened: Opened, change: Change, problem: str
) -> None:
    change(content)
    with pytest.raises(DamageError, match=problem if "\\" in problem else re.escape(problem)):
        opened(content)


@pytest.mark.parametrize(
    ("change", "irregularity"),
    [
        (lambda content: content.extend(b"hi") or patch(END, 20, b"\2")(content), "the archive has a comment"),
        (patch(LOCAL, 10, b"\1", last=True), "the two records of b.py differ"),
        (patch(CENTRAL, 34, b"\1", last=True), "b.py has fields that pex does not write"),
    ],
)
def test_what_pex_does_not_write_is_named(
    content: bytearray, opened: Opened, change: Change, irregularity: str
) -> None:
    change(content)
    assert opened(content).irregularities == (irregularity,)


def test_bytes_between_the_members_are_named(content: bytearray, opened: Opened) -> None:
    last, directory = content.rindex(LOCAL), content.index(CENTRAL)
    gap = content[:directory] + b"##" + content[directory:]
    patch(END, 16, struct.pack("<L", directory + 2))(gap)
    assert opened(gap).irregularities == ("there are bytes after the last member that belong to none",)
    middle = content[:last] + b"##" + content[last:]
    patch(END, 16, struct.pack("<L", directory + 2))(middle)
    patch(CENTRAL, 42, struct.pack("<L", last + 2), last=True)(middle)
    assert opened(middle).irregularities == ("there are bytes before b.py that belong to no member",)


def test_members_that_overlap_are_damage(opened: Opened) -> None:
    inner = struct.pack("<4s5H3L2H", LOCAL, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0) + b"i"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("o", inner)
        file.writestr("i", b"")
    content = bytearray(stream.getvalue())
    patch(CENTRAL, 42, struct.pack("<L", content.index(inner)), last=True)(content)
    with pytest.raises(DamageError, match="the data of i overlaps that of another member"):
        opened(content)


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        (b"y = 2\n" * 50, "b.py has another CRC than the archive says"),
        (LOCAL + b"\x14\0\0\0\x08", "a/x.py "),
    ],
)
def test_damaged_content_is_found_when_it_is_read(
    content: bytearray, opened: Opened, place: bytes, problem: str
) -> None:
    start = content.index(place) + (0 if place.startswith(b"y") else 36)
    content[start : start + 4] = b"\xa5\x5a\xa5\x5a"
    archive = opened(content)
    with pytest.raises(DamageError, match=problem):
        read_text(archive, problem.split(maxsplit=1)[0])


@pytest.mark.parametrize(("size", "problem"), [(299, "is longer"), (301, "is shorter")])
def test_content_of_another_size_is_damage(content: bytearray, opened: Opened, size: int, problem: str) -> None:
    for signature, offset in ((LOCAL, 22), (CENTRAL, 24)):
        place = content.index(b"a/x.py", content.index(signature)) - (30 if signature == LOCAL else 46)
        content[place + offset : place + offset + 4] = struct.pack("<L", size)
    archive = opened(content)
    with pytest.raises(DamageError, match=f"a/x.py {problem} than the archive says"):
        read_text(archive, "a/x.py")


def test_an_archive_that_unpacks_to_too_much_is_refused(content: bytearray, opened: Opened) -> None:
    allowance = Allowance(left=900)
    opened(content, allowance=allowance)
    assert allowance.left == 300
    with pytest.raises(BombError, match="too much for its size"):
        opened(content, allowance=Allowance(left=599))


def test_the_standard_library_reads_the_same_members(content: bytearray, opened: Opened, tmp_path: Path) -> None:
    ours = opened(content)
    with zipfile.ZipFile(tmp_path / "x.zip") as theirs:
        files = [info for info in theirs.infolist() if not info.is_dir()]
        assert {info.filename: theirs.read(info) for info in files} == {
            name: read_text(ours, name).encode() for name in ours.members
        }
