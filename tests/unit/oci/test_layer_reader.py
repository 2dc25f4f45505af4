"""Reading a layer that anybody may have written."""

from __future__ import annotations

import gzip
import random
import tarfile
import time
import tracemalloc
from pathlib import Path

import pytest

from nox_pex.oci import layer_reader, layer_stream, media_types
from nox_pex.oci.descriptor import digest_of
from nox_pex.oci.image import LayerFile
from nox_pex.oci.layer_reader import Allowance, Member
from nox_pex.oci.layer_stream import LayerError
from tests.support.untrusted_layers import END, directory, header, layer, member, padded, pax, raw_layer, tar


def read(found: LayerFile) -> dict[str, Member]:
    return {each.path: each for each in layer_reader.members(found, 0, Allowance())}


def content(found: LayerFile, path: str) -> bytes:
    """The content of a file, with zeros in its holes."""
    entry = read(found)[path].entry
    assert entry is not None
    data = bytearray(entry.size)
    for _, pieces in layer_reader.contents(found, [entry], to_end=True):
        for position, piece in pieces:
            data[position : position + len(piece)] = piece
    return bytes(data)


def refusal(found: LayerFile) -> str:
    with pytest.raises(LayerError) as caught:
        list(layer_reader.members(found, 0, Allowance()))
    return str(caught.value)


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_every_kind_of_member_is_read_in_every_format(tmp_path: Path, compression: str, form: int) -> None:
    data = tar(
        directory("./", 0o700),
        directory("usr", 0o755, uid=5, gid=6),
        member("usr/program", b"text" * 1000, mode=0o4755, mtime=77),
        member("usr/link", symlink="../../etc/passwd"),
        member("usr/same", link="usr/program"),
        member("dev/null", character=True),
        member("dev/disk", block=True),
        member("run/pipe", fifo=True),
        form=form,
    )
    found = layer(tmp_path, data, compression)

    members = read(found)

    kinds = {path: one.entry.kind if one.entry else f"= {one.link}" for path, one in members.items()}
    assert kinds == {
        "": "directory",
        "usr": "directory",
        "usr/program": "file",
        "usr/link": "symlink",
        "usr/same": "= usr/program",
        "dev/null": "device",
        "dev/disk": "device",
        "run/pipe": "fifo",
    }
    program, link, usr = (members[path].entry for path in ("usr/program", "usr/link", "usr"))
    assert program is not None
    assert (program.mode, program.size, program.mtime) == (0o4755, 4000, 77)
    assert link is not None
    assert link.target == "../../etc/passwd"
    assert usr is not None
    assert (usr.uid, usr.gid) == (5, 6)
    assert content(found, "usr/program") == b"text" * 1000


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_and_large_values_are_read(tmp_path: Path, form: int) -> None:
    long = "/".join(["directory" * 10] * 5)
    data = tar(member(long, b"x", uid=3_000_000, mtime=9_000_000_000), member("l", symlink=long), form=form)

    members = read(layer(tmp_path, data))

    entry, link = members[long].entry, members["l"].entry
    assert entry is not None
    assert (entry.uid, entry.mtime) == (3_000_000, 9_000_000_000)
    assert link is not None
    assert link.target == long


def test_names_are_relative_to_the_root(tmp_path: Path) -> None:
    data = tar(member("/etc/a"), member("./b"), member("c//./d"), directory("e/"))

    assert set(read(layer(tmp_path, data))) == {"etc/a", "b", "c/d", "e"}


def test_a_name_that_is_not_utf_8_is_kept(tmp_path: Path) -> None:
    (name,) = read(layer(tmp_path, header(b"caf\xe9") + END))

    assert name.encode("utf-8", "surrogateescape") == b"caf\xe9"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (tar(member("../x")), "outside"),
        (tar(member("a/../../x")), "outside"),
        (tar(member("a/..")), "outside"),
        (tar(member("x"), member("y", link="../x")), "outside"),
        (tar(member("x"), member("y", link="/")), "from or to the root"),
        (tar(member(".", symlink="/")), "in place of the root"),
        (tar(member(".", b"x")), "in place of the root"),
        (header(b"") + END, "outside"),
        (pax({"path": "a\0b"}) + header(b"x") + END, "outside"),
        (pax({"path": "../x"}) + header(b"x") + END, "outside"),
        (pax({"linkpath": "../x"}) + header(b"x", kind=b"1") + END, "outside"),
        (header(b"n", kind=b"L", size=6) + padded(b"../x\0\0") + header(b"x") + END, "outside"),
        (pax({"path": "a/" * 2100}) + header(b"x") + END, "too long"),
        (pax({"path": "a" * 300}) + header(b"x") + END, "too long"),
        (header(b"l", kind=b"2") + END, "no system has"),
        (pax({"linkpath": "x" * 5000}) + header(b"l", kind=b"2") + END, "no system has"),
        (header(b"x", kind=b"Z") + END, "not known"),
        (header(b"x", kind=b"D") + END, "not known"),
        (header(b"x", size=4) + padded(b"1234") + b"\1" * 512, "has a header"),
        (header(b"x").replace(b"x", b"y") + END, "checksum"),
        (header(b"x", at_124=b"9999999\0") + END, "in place of a number"),
        (header(b"x", at_124=b"\xff" * 12) + END, "negative"),
        (header(b"x", at_124=b"\x80" + b"\x7f" * 11) + END, "ends too early"),
        (header(b"x", at_108=b"\x80\xff\xff\xff\xff\xff\xff\xff") + END, "no system has"),
        (pax({"uid": "9" * 15}) + header(b"x") + END, "no system has"),
        (pax({"size": "-5"}) + header(b"x") + END, "not valid"),
        (pax({"size": "1e3"}) + header(b"x") + END, "not valid"),
        (pax({"mtime": "nan"}) + header(b"x") + END, "not valid"),
        (header(b"p", kind=b"x", size=9) + padded(b"99 path=a") + header(b"x") + END, "not valid"),
        (header(b"p", kind=b"x", size=9) + padded(b"-1 path=a") + header(b"x") + END, "not valid"),
        (header(b"p", kind=b"x", size=2 << 20) + END, "has a header of 2097152 bytes"),
        (header(b"p", kind=b"L", size=1 << 40) + END, "has a header of"),
        (pax({"a": "b"}) * 9 + header(b"x") + END, "too many headers"),
        (pax({"path": "a"}) + END, "no member after a header"),
        (header(b"x") + END + header(b"y"), "data after its end"),
        (header(b"x") + bytes(512) + header(b"y") + END, "data after its end"),
        (header(b"x") + b"short", "ends too early"),
        (header(b"x", size=5) + b"12", "ends too early"),
        (pax({"GNU.sparse.map": "0,5,2,5", "GNU.sparse.size": "9"}) + header(b"x", size=10) + END, "map"),
        (pax({"GNU.sparse.map": "0,5,9", "GNU.sparse.size": "9"}) + header(b"x", size=5) + END, "map"),
        (pax({"GNU.sparse.map": "5,5", "GNU.sparse.size": "6"}) + header(b"x", size=5) + END, "map"),
        (pax({"GNU.sparse.map": "0,5", "GNU.sparse.size": "9"}) + header(b"x", size=6) + padded(b"123456"), "map"),
        (pax({"GNU.sparse.map": "0,0", "GNU.sparse.size": "9" * 18}) + header(b"x") + END, "map"),
        (
            pax({"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9"})
            + header(b"x", size=512)
            + padded(b"999999999\n1\n"),
            "map",
        ),
    ],
)
def test_a_hostile_layer_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    assert reason in refusal(layer(tmp_path, data))


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_a_layer_that_is_cut_anywhere_is_refused(tmp_path: Path, compression: str) -> None:
    data = tar(member("a", bytes(range(250)) * 12), member("b", b"y"))
    whole = layer(tmp_path, data, compression).path.stat().st_size

    for cut in (1, 100, 512, 1024, whole // 2, whole - 1):
        assert refusal(layer(tmp_path / str(cut), data, compression, cut=min(cut, whole - 1)))


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_what_follows_the_compressed_layer_is_refused(tmp_path: Path, compression: str) -> None:
    whole = layer(tmp_path, tar(member("a")), compression)
    stored = whole.path.read_bytes() + b"more"

    assert refusal(raw_layer(tmp_path, stored, whole.descriptor.media_type, diff_id=whole.diff_id))


def test_a_layer_in_several_pieces_is_read(tmp_path: Path) -> None:
    """estargz has a gzip member for each file, and zstd:chunked ends with a frame that is skipped."""
    data = tar(member("a", b"x" * 5000))
    split = gzip.compress(data[:700]) + gzip.compress(b"") + gzip.compress(data[700:])
    chunked = layer(tmp_path, data, "zstd").path.read_bytes() + b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"

    assert set(read(raw_layer(tmp_path, split, media_types.LAYER_GZIP, diff_id=digest_of(data)))) == {"a"}
    assert set(read(raw_layer(tmp_path, chunked, media_types.LAYER_ZSTD, diff_id=digest_of(data)))) == {"a"}


@pytest.mark.parametrize("said", [media_types.LAYER_ZSTD, media_types.LAYER_TAR, "application/zip"])
def test_a_layer_of_another_type_than_it_says_is_refused(tmp_path: Path, said: str) -> None:
    data = tar(member("a"))

    assert refusal(raw_layer(tmp_path, gzip.compress(data), said, diff_id=digest_of(data)))


def test_a_configuration_that_lies_about_a_layer_is_refused(tmp_path: Path) -> None:
    other = digest_of(b"other")

    assert f"the configuration says {other}" in refusal(layer(tmp_path, tar(member("a")), diff_id=other))


def test_a_bomb_is_refused_before_it_fills_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_stream, "_ALWAYS_ALLOWED", 50 << 20)
    data = header(b"zeros", size=100 << 20) + bytes(100 << 20) + END
    found = layer(tmp_path, data, "zstd")
    del data

    tracemalloc.start()
    try:
        assert f"has more than {50 << 20} bytes" in refusal(found)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_too_many_members_or_names_are_refused(tmp_path: Path) -> None:
    found = layer(tmp_path, tar(*(member(f"file{number}") for number in range(50))))

    for allowance in (Allowance(members=49), Allowance(names=200)):
        with pytest.raises(LayerError, match="brings the"):
            list(layer_reader.members(found, 0, allowance))


@pytest.mark.parametrize(
    "data",
    [
        pax([("a", "")] * 100) + header(b"x") + END,
        header(b"s", kind=b"S", at_386=(b"%011o\0" % 0) * 8, at_483=b"%011o\0" % 0) * 30 + END,
        (header(b"n", kind=b"L", size=500) + padded(b"n" * 200 + bytes(300)) + header(b"x")) * 10 + END,
    ],
)
def test_headers_count_too(tmp_path: Path, data: bytes) -> None:
    found = layer(tmp_path, data)

    assert list(layer_reader.members(found, 0, Allowance(names=8000)))
    with pytest.raises(LayerError, match="brings the names"):
        list(layer_reader.members(found, 0, Allowance(names=4000)))


def old_map(parts: list[tuple[int, int]]) -> bytes:
    return b"".join(b"%011o\0%011o\0" % part for part in parts)


def sparse_old() -> bytes:
    """The old GNU format, with more parts than fit into the header."""
    parts = [(number * 1000, 2) for number in range(10)]
    first = header(b"sparse", kind=b"S", size=20, at_386=old_map(parts[:4]), at_482=b"\1", at_483=b"%011o\0" % 10_000)
    return first + padded(old_map(parts[4:])) + padded(b"".join(b"%02d" % number for number in range(10))) + END


def sparse_pax(version: str) -> bytes:
    parts = [(number * 1000, 2) for number in range(10)]
    stored = b"".join(b"%02d" % number for number in range(10))
    if version == "0.0":
        pairs = [
            (f"GNU.sparse.{key}", str(value))
            for start, length in parts
            for key, value in (("offset", start), ("numbytes", length))
        ]
        return pax([("GNU.sparse.size", "10000"), *pairs]) + header(b"sparse", size=20) + padded(stored) + END
    if version == "0.1":
        listed = ",".join(f"{start},{length}" for start, length in parts)
        records = {"GNU.sparse.size": "10000", "GNU.sparse.map": listed, "GNU.sparse.name": "sparse"}
        return pax(records) + header(b"GNUSparseFile.0/x", size=20) + padded(stored) + END
    lines = padded(b"10\n" + b"".join(b"%d\n%d\n" % part for part in parts))
    records = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "sparse"}
    records["GNU.sparse.realsize"] = "10000"
    return pax(records) + header(b"GNUSparseFile.0/x", size=len(lines) + 20) + lines + padded(stored) + END


@pytest.mark.parametrize("version", ["old", "0.0", "0.1", "1.0"])
def test_sparse_files_are_read_in_all_formats(tmp_path: Path, version: str) -> None:
    data = sparse_old() if version == "old" else sparse_pax(version)
    expected = bytearray(10_000)
    for number in range(10):
        expected[number * 1000 : number * 1000 + 2] = b"%02d" % number

    assert content(layer(tmp_path, data), "sparse") == bytes(expected)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Bytes with a few changes: other bytes, cut, repeated or exchanged blocks."""
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(changed))
        block = at // 512 * 512
        action = chance.randrange(5)
        if action == 0:
            changed[at] = chance.randrange(256)
        elif action == 1:
            changed[at : at + 12] = chance.choice(
                [b"77777777777\0", b"\x80" + bytes(11), b"\xff" * 12, b"../../../../"]
            )
        elif action == 2:
            changed[block:block] = changed[chance.randrange(0, len(changed), 512) :][:512]
        elif action == 3:
            del changed[block : block + 512]
        else:
            changed[block + 156 : block + 157] = bytes([chance.choice(b"0123456LKxgSDVMZ\0")])
        changed = changed or bytearray(b"\0" * 512)
    for block in range(0, len(changed) - 511, 512):  # most headers are right again, so that more than the sum is tried
        if changed[block + 257 : block + 262] == b"ustar" and chance.random() < 0.9:  # mostly
            changed[block + 148 : block + 156] = b" " * 8
            changed[block + 148 : block + 156] = b"%06o\0 " % sum(changed[block : block + 512])
    return bytes(changed)


@pytest.mark.parametrize("seed", range(5))
def test_whatever_a_layer_has_there_is_a_verdict(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # a reproducible test, no cryptography
    whole = [sparse_old(), *map(sparse_pax, ("0.0", "0.1", "1.0")), tar(member("a" * 150, b"x" * 900), directory("d"))]
    began = time.process_time()
    verdicts: dict[str, int] = {"read": 0, "refused": 0}
    reasons: set[str] = set()

    for number in range(200):
        data = damaged(whole[number % len(whole)], chance)
        try:
            names = read(layer(tmp_path, data, "none"))
        except LayerError as error:
            verdicts["refused"] += 1
            reasons.add(str(error))
        else:
            verdicts["read"] += 1
            assert not any(".." in name.split("/") or name.startswith("/") for name in names)
    assert min(verdicts.values()) > 0
    assert not any("\n" in reason for reason in reasons)
    assert time.process_time() - began < 30  # seconds of the processor; it takes a fraction of one
