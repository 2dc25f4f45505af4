from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest

from nox_pex.system import files


def test_a_text_is_written_for_everyone_to_read_whatever_the_umask(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    before = os.umask(0o077)
    try:
        files.write_text(target, "ä\udcff")
    finally:
        os.umask(before)
    assert target.read_bytes() == b"\xc3\xa4\xff"
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert [path.name for path in target.parent.iterdir()] == ["a.txt"]


def test_a_text_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    files.write_text(target, "old")
    with pytest.raises(UnicodeEncodeError):
        files.write_text(target, "\ud800")
    assert target.read_text("utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_json_is_read_as_it_was_written(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {"b": [1, "é"], "a": None})
    assert files.read_json(tmp_path / "a.json") == {"b": [1, "é"], "a": None}
    files.write_json(tmp_path / "a.json", {"caf\udce9\x1b": "\u202e"})
    assert files.read_json(tmp_path / "a.json") == {"caf\udce9\x1b": "\u202e"}


def test_a_record_is_json_for_every_reader(tmp_path: Path) -> None:
    files.write_record(tmp_path / "a.json", {"caf\udce9": ["é", "\u202e\x1b##[error]"]})
    assert (tmp_path / "a.json").read_bytes().decode() == (
        '{\n  "caf\\\\xe9": [\n    "é",\n    "\\u202e\\u001b#\\u0023[error]"\n  ]\n}\n'
    )
    assert files.read_json(tmp_path / "a.json") == {r"caf\xe9": ["é", "\u202e\x1b##[error]"]}
    assert (tmp_path / "a.json").read_text("utf-8").endswith("}\n")


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_a_file_without_a_json_object_reads_as_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text, "utf-8")
    assert files.read_json(tmp_path / "a.json") == {}
    assert files.read_json(tmp_path / "missing.json") == {}
    assert files.read_json(tmp_path) == {}


@pytest.mark.parametrize(
    "content",
    [
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": "\\ud800"}',
        b'{"\\uDFFF": 1}',
        b'{"a": "\\u0000"}',
        b'{"a": "\0"}',
        b"\xff\xfe{",
    ],
)
def test_json_that_nox_pex_cannot_have_written_counts_as_missing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    assert files.read_json(tmp_path / "a.json") == {}


def test_a_name_that_is_not_utf_8_and_a_pair_of_surrogates_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"a\xff": "\\ud83d\\ude00"}')
    assert files.read_json(tmp_path / "a.json") == {"a\udcff": "\U0001f600"}


def test_what_is_no_file_has_no_json_and_no_digest(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "file").touch()
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("fifo", "loop", "dangling", "file/x", "zero", "."):
        assert files.read_json(tmp_path / name) == {}
        assert files.digest(tmp_path / name) == ""
    with (tmp_path / "file").open("wb") as file:
        file.truncate(1 << 30)
    assert files.read_json(tmp_path / "file") == {}


@pytest.mark.parametrize("new_is_directory", [True, False])
@pytest.mark.parametrize("old", ["file", "directory", "link", "none"])
def test_a_file_or_directory_is_moved_into_place(tmp_path: Path, *, new_is_directory: bool, old: str) -> None:
    new, target = tmp_path / "build" / "x.pex", tmp_path / "x.pex"
    new.parent.mkdir()
    if old == "file":
        target.write_text("old", "utf-8")
    elif old == "directory":
        target.mkdir()
        (target / "old").touch()
    elif old == "link":
        (tmp_path / "linked").mkdir()
        target.symlink_to(tmp_path / "linked")
    if new_is_directory:
        new.mkdir()
        (new / "new").touch()
    else:
        new.write_text("new", "utf-8")
    files.move_into_place(new, target)
    assert not target.is_symlink()
    assert [path.name for path in target.iterdir()] == ["new"] if new_is_directory else target.read_text() == "new"
    assert not new.exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"x.pex", "build", "linked"}


def test_a_directory_is_removed_with_subdirectories_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "outside").mkdir(mode=0o700)
    (tmp_path / "a" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "a" / "b").chmod(0)
    files.remove(tmp_path / "a")
    files.remove(tmp_path / "missing")
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]


def test_a_file_is_linked_and_an_existing_one_is_left(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_text("text", "utf-8")
    files.link(source, target)
    assert target.samefile(source)
    with pytest.raises(FileExistsError):
        files.link(source, target)
    with pytest.raises(FileNotFoundError):
        files.link(source, tmp_path / "missing" / "b")


def test_a_file_is_copied_if_it_cannot_be_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_text("text", "utf-8")
    source.chmod(0o750)
    files.link(source, target)
    assert not target.samefile(source)
    assert (target.read_text("utf-8"), stat.S_IMODE(target.stat().st_mode)) == ("text", 0o750)


def test_a_size_counts_the_bytes_of_regular_files(tmp_path: Path) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "a").write_bytes(b"123")
    (tmp_path / "d" / "e" / "b").write_bytes(b"4567")
    (tmp_path / "d" / "link").symlink_to(tmp_path / "d" / "a")
    assert files.size(tmp_path / "d") == 7
    assert files.size(tmp_path / "d" / "e" / "b") == 4


def test_the_digest_of_a_file_is_its_sha256_and_empty_without_one(tmp_path: Path) -> None:
    content = b"0123456789abcdef" * 50_000
    (tmp_path / "a").write_bytes(content)
    assert files.digest(tmp_path / "a") == hashlib.sha256(content).hexdigest()
    assert files.digest(tmp_path / "missing") == ""
    assert files.digest(tmp_path) == ""


def test_a_file_is_read_without_waiting_and_up_to_a_limit(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"a\r\nb\xff")
    assert files.read_text(tmp_path / "text", errors="replace") == "a\nb\N{REPLACEMENT CHARACTER}"
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    with (tmp_path / "large").open("wb") as large:
        large.truncate(1 << 30)
    for name in ("fifo", "zero", "large", "missing", "."):
        with pytest.raises(OSError, match=r"(?i)regular|too large|no such"):
            files.read_bytes(tmp_path / name)


def test_json_with_a_million_tables_counts_as_none_before_it_takes_their_memory(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"a": [' + b"[]," * 1_000_000 + b"1]}")
    assert files.read_json(tmp_path / "a.json") == {}
    (tmp_path / "a.json").write_bytes(b'{"a": [' + b"[]," * 1000 + b"1]}")
    assert len(files.read_json(tmp_path / "a.json")["a"]) == 1001
