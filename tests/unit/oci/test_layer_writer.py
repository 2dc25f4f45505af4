from __future__ import annotations

import functools
import gzip
import hashlib
import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from nox_pex.oci import layer_writer
from nox_pex.oci.layer_writer import Entry, Stream, write_layer

LONG = "a" * 60
ENTRIES = (
    Entry(path="app/bin/python", target="/usr/local/bin/python3.11"),
    Entry(path="app/main.py", content=b"print(1)\n"),
    Entry(path="app/run", content=Stream(size=3, open=functools.partial(io.BytesIO, b"abc")), executable=True),
    Entry(path="app/empty"),
    Entry(path=f"app/{LONG}/{LONG}/module.py", content=b""),
    Entry(path=f"app/{LONG}/{LONG}/{LONG}/{LONG}/{LONG}.py", content=b"deep"),
    Entry(path="app/naïve.py", content=b"x"),
    Entry(path="app/far", target=f"{LONG}/{LONG}/ü"),
)


def test_a_layer_is_the_same_on_each_version_of_python(tmp_path: Path) -> None:
    layer = write_layer(ENTRIES, tmp_path / "layer")
    assert layer.diff_id == "sha256:fd32867b1a2dfcc940e9dd696329446e288f83b8493c4f5ceee85fc6b93e1d3c"
    data = layer.path.read_bytes()
    assert (layer.descriptor.size, layer.descriptor.digest) == (len(data), f"sha256:{hashlib.sha256(data).hexdigest()}")
    assert layer.diff_id == f"sha256:{hashlib.sha256(gzip.decompress(data)).hexdigest()}"
    assert data[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    assert write_layer(reversed(ENTRIES), tmp_path / "again").diff_id == layer.diff_id


def test_tar_reads_what_was_written(tmp_path: Path) -> None:
    with tarfile.open(write_layer(ENTRIES, tmp_path / "layer").path) as archive:
        members = {member.name: member for member in archive}
        contents = {name: archive.extractfile(each).read() for name, each in members.items() if each.isfile()}  # type: ignore[union-attr]  # files have content
    for entry in ENTRIES:
        member = members[entry.path]
        assert (member.uid, member.gid, member.uname, member.gname, member.mtime) == (0, 0, "", "", 315532800)
        assert member.linkname == (entry.target or "")
        assert member.isdir() == (entry.content is None and entry.target is None)
        assert contents.get(entry.path, b"") == (b"abc" if isinstance(entry.content, Stream) else entry.content or b"")
    modes = {name: members[name].mode for name in ("app", "app/bin/python", "app/main.py", "app/run", "app/empty")}
    assert modes == {"app": 0o755, "app/bin/python": 0o777, "app/main.py": 0o644, "app/run": 0o755, "app/empty": 0o755}
    assert list(members) == sorted(members, key=lambda name: name.split("/"))


def test_a_size_above_eight_gibibytes_is_in_a_pax_header() -> None:
    entry = Entry(path="big", content=b"")
    assert b"size=17179869184\n" in layer_writer.header(entry, 1 << 34)
    assert b"PaxHeaders" not in layer_writer.header(entry, (1 << 33) - 1)


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ([Entry(path="a", content=b""), Entry(path="a", target="b")], "two entries have the path a"),
        ([Entry(path="a", content=b""), Entry(path="a/b", content=b"")], "a is not a directory"),
        ([Entry(path="a", target="/etc"), Entry(path="a/b", content=b"")], "a is not a directory"),
        ([Entry(path="../a", content=b"")], "no path in an image"),
        ([Entry(path="/a", content=b"")], "no path in an image"),
        ([Entry(path="a//b", content=b"")], "no path in an image"),
        ([Entry(path="a\0b", content=b"")], "no path in an image"),
        ([Entry(path="a", content=Stream(size=2, open=functools.partial(io.BytesIO, b"abc")))], "has not the size"),
        ([Entry(path="a", content=Stream(size=4, open=functools.partial(io.BytesIO, b"abc")))], "has not the size"),
    ],
)
def test_entries_that_make_no_layer_are_refused(tmp_path: Path, entries: Sequence[Entry], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        write_layer(entries, tmp_path / "layer")


def test_what_is_compressed_already_is_only_stored_in_the_same_archive(tmp_path: Path) -> None:
    entries = [Entry(path="app/service.pex", content=b"0" * 5_000_000)]

    small = layer_writer.write_layer(entries, tmp_path / "small")
    stored = layer_writer.write_layer(entries, tmp_path / "stored", compressed=True)

    assert small.diff_id == stored.diff_id
    assert small.descriptor.size < 10_000
    assert stored.descriptor.size > 5_000_000
    assert gzip.decompress(stored.path.read_bytes()) == gzip.decompress(small.path.read_bytes())
