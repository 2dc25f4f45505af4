"""The digest of a directory, and its copy."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nox_pex.distributions import tree

DEPTH = 3000
"""Levels of directories: too many for one path (PATH_MAX), for one descriptor each, and for a recursive function."""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def digest(path: Path) -> str:
    with opened(path) as descriptor:
        return tree.digest(descriptor)


def quick_digest(path: Path) -> str:
    with opened(path) as descriptor:
        return tree.quick_digest(descriptor)


def string(value: bytes) -> bytes:
    return len(value).to_bytes(8, "little") + value + b"\0" * (-len(value) % 8)


def archive(path: Path) -> bytes:
    """Return the Nix archive of a node, written a second time, recursively, as the Nix manual describes it."""
    if path.is_symlink():
        parts = [string(b"type"), string(b"symlink"), string(b"target"), string(os.fsencode(path.readlink()))]
    elif path.is_dir():
        parts = [string(b"type"), string(b"directory")]
        for entry in sorted(path.iterdir(), key=os.fsencode):
            parts += [string(b"entry"), string(b"("), string(b"name"), string(os.fsencode(entry.name)), string(b"node")]
            parts += [archive(entry), string(b")")]
    else:
        executable = [string(b"executable"), string(b"")] if path.stat().st_mode & 0o100 else []
        parts = [string(b"type"), string(b"regular"), *executable, string(b"contents"), string(path.read_bytes())]
    return b"".join((string(b"("), *parts, string(b")")))


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A directory with each kind of entry that a Nix archive has."""
    top = tmp_path / "example"
    (top / "empty").mkdir(parents=True)
    (top / "package" / "inner").mkdir(parents=True)
    (top / "package" / "module.py").write_bytes(b"x = 1\n")
    (top / "package" / "inner" / "12345678").write_bytes(b"12345678")
    (top / "package.py").write_bytes(b"")
    (top / "run").write_bytes(b"#!/bin/sh\n")
    (top / "run").chmod(0o755)
    (top / "link").symlink_to("run")
    (top / "to-a-directory").symlink_to("package")
    (top / "dangling").symlink_to("/nowhere")
    return top


def test_an_empty_directory_has_the_digest_that_nix_prints(tmp_path: Path) -> None:
    assert digest(tmp_path) == "a50a5ab6d992f5598edd92105059fae9acfc192981e08bd88534c2167e92526a"


def test_the_digest_is_that_of_the_nix_archive(example: Path) -> None:
    (example / os.fsdecode(b"caf\xe9")).write_bytes(b"a name that is not UTF-8")
    content = string(b"nix-archive-1") + archive(example)
    assert digest(example) == hashlib.sha256(content).hexdigest()


def test_the_digest_stays_the_same(example: Path) -> None:
    """A value from an earlier version: the records that users have must stay right."""
    assert digest(example) == "380d62acf0c308fdbcc9940c229169a8f37c456b3293778952d8300ac96a7d6d"


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda top: (top / "run").write_bytes(b"#!/bin/zs\n"),
    "executable bit": lambda top: (top / "package.py").chmod(0o744),
    "no executable bit": lambda top: (top / "run").chmod(0o655),
    "new file": lambda top: (top / "package" / "new").touch(),
    "new empty directory": lambda top: (top / "empty" / "new").mkdir(),
    "removed empty directory": lambda top: (top / "empty").rmdir(),
    "renamed file": lambda top: (top / "package.py").rename(top / "package.pz"),
    "moved file": lambda top: (top / "package.py").rename(top / "package" / "package.py"),
    "bytecode": lambda top: (top / "package" / "__pycache__").mkdir(),
    "link to elsewhere": lambda top: _relink(top / "link", "package.py"),
    "dangling link to elsewhere": lambda top: _relink(top / "dangling", "/somewhere"),
    "file instead of a link": lambda top: _replace_link(top / "link"),
    "directory instead of a link": lambda top: _replace_link(top / "to-a-directory"),
    "FIFO": lambda top: os.mkfifo(top / "fifo"),
    "FIFO instead of a file": lambda top: _put_fifo(top / "package.py"),
    "socket": lambda top: _bind(top / "socket"),
}


def _relink(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def _replace_link(path: Path) -> None:
    original = path.resolve()
    path.unlink()
    if original.is_dir():
        shutil.copytree(original, path)
    else:
        shutil.copy2(original, path)


def _put_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(path))


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_changes_the_digest(example: Path, change: str) -> None:
    before, quick = digest(example), quick_digest(example)
    assert quick_digest(example) == quick
    CHANGES[change](example)
    assert digest(example) != before
    assert quick_digest(example) != quick


def test_a_fifo_and_a_socket_of_one_name_differ(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    os.mkfifo(tmp_path / "a" / "x")
    _bind(tmp_path / "b" / "x")
    assert digest(tmp_path / "a") != digest(tmp_path / "b")


def test_dates_and_other_permissions_do_not_count(example: Path) -> None:
    before = digest(example)
    os.utime(example / "run", (0, 0))
    (example / "run").chmod(0o700)
    (example / "package").chmod(0o700)
    (example / "package.py").chmod(0o600)
    assert digest(example) == before


def test_a_link_to_a_directory_is_not_followed(example: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (example / "outside").symlink_to(tmp_path / "outside")
    before = digest(example)
    (tmp_path / "outside" / "new").touch()
    (example / "above").symlink_to("..")
    (example / "above").unlink()
    assert digest(example) == before


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """Thousands of nested directories, removed without recursion."""
    top = tmp_path / "deep"
    top.mkdir()
    descriptor = os.open(top, os.O_RDONLY)
    for _ in range(DEPTH):
        os.mkdir("directory", dir_fd=descriptor)
        inner = os.open("directory", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)
    yield top
    for path in tmp_path.iterdir():
        _flatten(path)


def _flatten(top: Path) -> None:
    """Move each inner directory up, so that the directory can be removed by recursion."""
    number = 0
    while (top / "directory").is_dir():
        (top / "directory").rename(top / f"{number}")
        inner = top / f"{number}" / "directory"
        if not inner.is_dir():
            break
        inner.rename(top / "directory")
        number += 1


def test_the_depth_of_a_directory_is_not_limited(deep: Path, tmp_path: Path) -> None:
    with opened(deep) as descriptor:
        before = tree.digest(descriptor)
        assert tree.size(descriptor) == 0
        (name,) = tree.files(descriptor)
        tree.copy(descriptor, tmp_path / "copy")
    assert name == "directory/" * DEPTH + "file"
    assert digest(tmp_path / "copy") == before


def test_many_files_need_little_memory(tmp_path: Path) -> None:
    for number in range(10_000):
        (tmp_path / f"{number}").touch()
    tracemalloc.start()
    try:
        digest(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 << 20


def test_a_copy_has_everything(example: Path, tmp_path: Path) -> None:
    (example / "empty").chmod(0o500)
    os.utime(example / "run", (1, 2))
    with opened(example) as descriptor:
        tree.copy(descriptor, tmp_path / "copy")
        tree.copy(descriptor, tmp_path / "normal", date=315532800)
    assert digest(tmp_path / "copy") == digest(tmp_path / "normal") == digest(example)
    assert (tmp_path / "copy" / "run").stat().st_mtime == 2
    assert (tmp_path / "copy" / "empty").stat().st_mode & 0o777 == 0o500
    found = [path.lstat() for path in (tmp_path / "normal", *(tmp_path / "normal").rglob("*"))]
    assert {status.st_mtime for status in found} == {315532800}
    assert {oct(status.st_mode) for status in found} == {"0o40755", "0o100644", "0o100755", "0o120777"}


@pytest.mark.parametrize("put", [os.mkfifo, _bind])
def test_what_cannot_be_copied_is_an_error(example: Path, tmp_path: Path, put: Callable[[Path], object]) -> None:
    put(example / "odd")
    with opened(example) as descriptor, pytest.raises(OSError, match="odd in it is neither a file, nor a directory"):
        tree.copy(descriptor, tmp_path / "copy")
