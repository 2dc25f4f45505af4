from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path

import pytest

from nox_pex.distributions import pex_file


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


def test_the_bytecode_in_a_directory_does_not_count(tmp_path: Path) -> None:
    binary = write_files(tmp_path / "x.pex", {"a.py": b"12"})
    digest = pex_file.digest(binary)
    write_files(binary, {"__pycache__/a.pyc": b"345"})
    assert pex_file.digest(binary) == digest
    assert pex_file.size(binary) == 2


@pytest.mark.parametrize("layout", ["directory", "file"])
def test_the_distributions_are_read_from_the_binary(tmp_path: Path, layout: str) -> None:
    info = {"distributions": {"Idna_x-3.11-py3-none-any.whl": "aa", "h11-0.16-py3-none-any.whl": "bb"}}
    binary = tmp_path / "x.pex"
    if layout == "directory":
        write_files(binary, {"PEX-INFO": json.dumps(info).encode()})
    else:
        with zipfile.ZipFile(binary, "w") as archive:
            archive.writestr("PEX-INFO", json.dumps(info))
    assert pex_file.info(binary) == info
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
