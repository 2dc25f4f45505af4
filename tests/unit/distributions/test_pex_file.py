from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from nox_pex.distributions import pex_file
from nox_pex.distributions.pex_file import PexError


def write_files(directory: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return directory


def test_a_file_has_the_digest_and_the_size_of_its_content(tmp_path: Path) -> None:
    binary = write_files(tmp_path, {"service.pex": b"binary"}) / "service.pex"
    assert pex_file.digest(binary) == hashlib.sha256(b"binary").hexdigest()
    assert pex_file.size(binary) == 6


def test_a_directory_has_a_digest_of_its_paths_and_contents(tmp_path: Path) -> None:
    one = write_files(tmp_path / "one", {"a": b"12", "b/c": b"345"})
    assert pex_file.size(one) == 5
    assert pex_file.digest(one) == pex_file.digest(write_files(tmp_path / "same", {"b/c": b"345", "a": b"12"}))
    assert pex_file.digest(one) != pex_file.digest(write_files(tmp_path / "moved", {"a": b"12", "c": b"345"}))
    assert pex_file.digest(one) != pex_file.digest(write_files(tmp_path / "shifted", {"a": b"123", "b/c": b"45"}))


def test_a_quick_digest_is_that_of_the_content_of_a_file_or_a_directory(tmp_path: Path) -> None:
    contents = ({"a": b"12"}, {"a": b"21"}, {"a": b"1", "b": b"2"}, {"b": b"12"}, {"a/b": b"12"}, {"c": b""})
    tops = [write_files(tmp_path / str(at), files) for at, files in enumerate(contents)]
    found = [pex_file.quick_digest(path) for path in (*tops, *(top / "a" for top in tops[:2]))]
    assert len({*found}) == len(found)
    same = write_files(tmp_path / "same", contents[0])
    assert [pex_file.quick_digest(same), pex_file.quick_digest(same / "a")] == [found[0], found[-2]]


def test_planted_bytecode_in_a_directory_counts(tmp_path: Path) -> None:
    binary = write_files(tmp_path / "x.pex", {"a.py": b"12"})
    digest = pex_file.digest(binary)
    write_files(binary, {"__pycache__/a.pyc": b"345"})
    assert pex_file.digest(binary) != digest
    assert pex_file.size(binary) == 5


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[Mapping[str, Path]]:
    """Paths with something else than a PEX."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "empty").touch()
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(17 << 30)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket"))
        names = ("fifo", "dangling", "loop", "empty", "sparse", "socket", "missing")
        yield {**{name: tmp_path / name for name in names}, "zero": Path("/dev/zero"), "memory": Path("/proc/self/mem")}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fifo", "it is a FIFO, and neither a file nor a directory"),
        ("socket", "it is a socket, and neither a file nor a directory"),
        ("zero", "it is a device, and neither a file nor a directory"),
        ("dangling", "it cannot be read: No such file or directory"),
        ("loop", "it cannot be read: Too many levels of symbolic links"),
        ("missing", "it cannot be read: No such file or directory"),
        ("sparse", "it has 18,253,611,008 bytes, more than 17,179,869,184"),
        ("empty", "it is not a PEX, or damaged: File is not a zip file"),
        ("memory", "it "),
    ],
)
def test_what_is_no_pex_is_an_error_that_says_why(odd: Mapping[str, Path], name: str, said: str) -> None:
    if name == "memory" and not odd[name].exists():
        pytest.skip("there is no /proc")
    for read in (pex_file.info, pex_file.scripts, pex_file.distribution_names):
        with pytest.raises(PexError) as caught:
            read(odd[name])
        assert str(caught.value).startswith(said)
    with pytest.raises(PexError):
        pex_file.require_startable(odd[name])
    assert pex_file.digest(odd[name]) == (hashlib.sha256().hexdigest() if name == "empty" else "")
    assert bool(pex_file.quick_digest(odd[name])) == (name == "empty")


NESTED = b'{"a":' * 100_000 + b"1" + b"}" * 100_000


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b"1",
        NESTED,
        b'{"distributions": []}',
        b'{"distributions": {"x": null}}',
        b'{"requirements": 1}',
        b'{"x": "\\ud800"}',
        b'{"x": NaN}',
        b"\xff",
        b'{"x": ' + b"9" * 5000 + b"}",
    ],
)
@pytest.mark.parametrize("layout", ["directory", "file"])
def test_a_pex_info_that_is_not_valid_is_an_error(tmp_path: Path, layout: str, text: bytes) -> None:
    if layout == "directory":
        write_files(tmp_path / "x.pex", {"PEX-INFO": text})
    else:
        (tmp_path / "x.pex").write_bytes(zipped({"PEX-INFO": text}))
    with pytest.raises(PexError):
        pex_file.distribution_names(tmp_path / "x.pex")


@pytest.mark.parametrize("files", [{}, {"PEX-INFO/x": b""}, {".deps/x.whl": b"no archive", "PEX-INFO": b""}])
def test_a_directory_of_rubbish_is_no_pex(tmp_path: Path, files: dict[str, bytes]) -> None:
    binary = write_files(tmp_path / "x.pex", files)
    binary.mkdir(exist_ok=True)
    for read in (pex_file.info, pex_file.require_startable):
        with pytest.raises(PexError):
            read(binary)
    os.mkfifo(binary / "__main__.py")
    with pytest.raises(PexError, match="it is not a regular file"):
        pex_file.require_startable(binary)


@pytest.mark.parametrize("start", [b"#!/bin/sh\n", b"\x7fELF\2"])
def test_a_program_can_be_started(tmp_path: Path, start: bytes) -> None:
    (tmp_path / "program").write_bytes(start)
    pex_file.require_startable(tmp_path / "program")
    (tmp_path / "program").write_bytes(b"\0" + start)
    with pytest.raises(PexError, match="it is not a program: it does not begin with `#!`"):
        pex_file.require_startable(tmp_path / "program")


def test_a_copy_is_the_same_and_its_holes_take_no_room(tmp_path: Path) -> None:
    binary = tmp_path / "x"
    with binary.open("wb") as file:
        file.write(b"#!")
        file.seek(64 << 20)
        file.write(b"end")
        file.truncate(128 << 20)
    binary.chmod(0o740)
    os.utime(binary, (1, 2))
    pex_file.copy(binary, tmp_path / "copy")
    status = (tmp_path / "copy").stat()
    assert pex_file.digest(tmp_path / "copy") == pex_file.digest(binary)
    assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (0o740, 2)
    assert status.st_blocks * 512 < 8 << 20


@pytest.mark.parametrize("layout", ["directory", "file"])
def test_the_distributions_are_read_from_the_binary(tmp_path: Path, layout: str) -> None:
    info = {"distributions": {"Idna_x-3.11-py3-none-any.whl": "aa", "h11-0.16-py3-none-any.whl": "bb"}}
    binary = tmp_path / "x.pex"
    if layout == "directory":
        write_files(binary, {"PEX-INFO": json.dumps(info).encode()})
    else:
        with zipfile.ZipFile(binary, "w") as archive:
            archive.writestr("PEX-INFO", json.dumps(info))
    assert pex_file.info(binary).values == info
    assert pex_file.distribution_names(binary) == {"idna-x", "h11"}


@pytest.mark.parametrize(
    ("wheel", "name"),
    [
        ("zope.interface-7.0-cp311-cp311-linux_x86_64.whl", "zope-interface"),
        ("old-name-with-hyphens-1.0-py3-none-any.whl", "old-name-with-hyphens"),
        ("py7zr2-0.1-py3-none-any.whl", "py7zr2"),
    ],
)
def test_the_name_of_a_distribution_ends_before_its_version(wheel: str, name: str) -> None:
    assert pex_file.distribution_name(wheel) == name


POINTS = b"[console_scripts]\nserve = shop:main\n[gui_scripts]\nwindow = shop:window\n[plugins]\nx = y\n"
INSTALLED = {
    "shop.py": b"",
    ".prefix/bin/run.sh": b"#!/bin/sh\n",
    ".prefix/bin/serve": b"#!python\n",
    "shop-1.0.dist-info/entry_points.txt": POINTS,
}
WHEEL = {"shop.py": b"", "shop-1.0.data/scripts/run.sh": b"", "shop-1.0.dist-info/entry_points.txt": POINTS}
NAME = ".deps/shop-1.0-py3-none-any.whl"


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "files",
    [
        {f"{NAME}/{path}": content for path, content in INSTALLED.items()},
        {NAME: zipped(INSTALLED)},
        {NAME: zipped(WHEEL)},
    ],
    ids=["installed", "packed", "wheel"],
)
@pytest.mark.parametrize("layout", ["file", "directory"])
def test_the_scripts_of_all_distributions_are_known(tmp_path: Path, files: dict[str, bytes], layout: str) -> None:
    every = {**files, "scripts/own.sh": b"", "PEX-INFO": b"{}"}
    if layout == "file":
        (tmp_path / "x.pex").write_bytes(b"#!/bin/sh\n" + zipped(every))
    else:
        write_files(tmp_path / "x.pex", every)
    assert pex_file.scripts(tmp_path / "x.pex") == {"serve", "window", "run.sh"}
