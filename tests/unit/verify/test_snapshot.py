from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

import pytest

from nox_pex.distributions import pex_file
from nox_pex.errors import NoxPexError
from nox_pex.verify import snapshot
from nox_pex.verify.container import MOST_FILES, DamageError


def refused(path: Path) -> str:
    with pytest.raises(DamageError) as caught, snapshot.taken(path):
        pass
    return str(caught.value)


def test_a_file_is_copied_and_hashed_once(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"good")
    with snapshot.taken(tmp_path / "x") as taken:
        (tmp_path / "x").write_bytes(b"evil, and longer")
        assert taken.file is not None
        assert os.pread(taken.file.fileno(), 100, 0) == b"good"
        assert (taken.sha256, taken.size) == (hashlib.sha256(b"good").hexdigest(), 4)


def test_a_directory_is_copied_with_links_modes_and_empty_directories(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "a" / "empty").mkdir(parents=True)
    (tree / "a" / "run").write_bytes(b"#!x")
    (tree / "a" / "run").chmod(0o755)
    (tree / "link").symlink_to("nowhere")
    (tree / "PEX-INFO").write_bytes(b"{}")
    with snapshot.taken(tree) as taken:
        copy = taken.directory
        assert copy is not None
        assert (taken.sha256, taken.size) == (pex_file.digest(tree), 5)
        (tree / "a" / "run").write_bytes(b"evil")
        assert sorted(str(path.relative_to(copy)) for path in copy.rglob("*")) == [
            "PEX-INFO",
            "a",
            "a/empty",
            "a/run",
            "link",
        ]
        assert ((copy / "a" / "run").read_bytes(), (copy / "a" / "run").stat().st_mode & 0o777) == (b"#!x", 0o755)
        assert (copy / "link").readlink() == Path("nowhere")
    assert not copy.exists()


def test_what_does_not_exist_is_an_error_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("none", "dangling", "null\0byte"):
        with pytest.raises(NoxPexError, match="there is no ") as caught, snapshot.taken(tmp_path / name):
            pass
        assert caught.value.code == "usage"


def test_what_is_neither_a_file_nor_a_directory_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    assert refused(tmp_path / ("n" * 256)) == "it cannot be opened: File name too long"
    assert refused(Path("/")) == "it is a directory without a PEX-INFO"
    assert refused(Path("/proc/self/mem")) == "it cannot be read: Input/output error"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        assert refused(tmp_path / "s") == "it cannot be opened: No such device or address"
    assert refused(tmp_path / "fifo") == "it is neither a file nor a directory"
    assert refused(Path("/dev/zero")) == "it is neither a file nor a directory"
    assert "Too many levels of symbolic links" in refused(tmp_path / "loop")


def test_a_directory_with_a_fifo_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "PEX-INFO").touch()
    os.mkfifo(tmp_path / "tree" / "fifo")
    assert refused(tmp_path / "tree") == "fifo is neither a file nor a directory"


def test_a_file_that_is_too_large_is_not_copied(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(snapshot.LARGEST + 1)
    assert refused(tmp_path / "sparse") == "it has more than 17179.9 MB"
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "PEX-INFO").touch()
    (tmp_path / "sparse").rename(tmp_path / "tree" / "sparse")
    assert refused(tmp_path / "tree") == "it has more than 17179.9 MB"


def test_a_directory_with_too_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_FILES > 65_535
    monkeypatch.setattr(snapshot, "MOST_FILES", 2)
    for name in ("a", "b", "PEX-INFO"):
        (tmp_path / "tree" / name).mkdir(parents=True)
    assert refused(tmp_path / "tree") == "it has more than 2 files and directories"


def test_a_directory_that_is_nested_too_deep_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tree" / "/".join("d" * 102)).mkdir(parents=True)
    (tmp_path / "tree" / "PEX-INFO").touch()
    assert refused(tmp_path / "tree") == "it has directories that are nested deeper than 100 levels"
