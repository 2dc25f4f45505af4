from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from nox_pex.distributions import wheel
from nox_pex.distributions.entry_points import Script
from nox_pex.distributions.record import record_rows, record_text, record_with

METADATA = "Name: shelf\nVersion: 1.0\nRequires-Dist: board @ file:///home/joe/board\n\nA shelf.\n"
CLEAN = "Name: shelf\nVersion: 1.0\nRequires-Dist: board\n\nA shelf.\n"


def write_wheel(path: Path, text: str) -> Path:
    record = record_text([("shelf/__init__.py", "sha256=x", "1"), ("shelf-1.0.dist-info/METADATA", "sha256=y", "2")])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("shelf/", b"")
        archive.writestr("shelf/__init__.py", b"1\n" * 100_000)
        archive.writestr("shelf-1.0.dist-info/METADATA", text)
        archive.writestr("shelf-1.0.dist-info/RECORD", record)
    return path


def test_the_metadata_of_a_cleaned_wheel_has_no_path_of_this_machine(tmp_path: Path) -> None:
    path = write_wheel(tmp_path / "shelf-1.0-py3-none-any.whl", METADATA)
    with zipfile.ZipFile(path) as archive:
        before = archive.infolist()
    wheel.clean(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.read("shelf-1.0.dist-info/METADATA").decode() == CLEAN
        assert archive.read("shelf/__init__.py") == b"1\n" * 100_000
        record = archive.read("shelf-1.0.dist-info/RECORD").decode()
        assert record == record_with(record, path="shelf-1.0.dist-info/METADATA", content=CLEAN.encode())
        entries = [(entry.filename, entry.date_time, entry.external_attr, entry.compress_type) for entry in before]
        assert entries == [(e.filename, e.date_time, e.external_attr, e.compress_type) for e in archive.infolist()]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", [CLEAN, ""])
def test_a_wheel_without_such_paths_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = write_wheel(tmp_path / "shelf-1.0-py3-none-any.whl", text)
    before = path.read_bytes()
    wheel.clean(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("tag", "pure"),
    [
        ("py3-none-any", True),
        ("py2.py3-none-any", True),
        ("cp311-none-any", False),
        ("py3-none-linux_x86_64", False),
        ("py3-abi3-any", False),
    ],
)
def test_a_wheel_is_pure_if_its_tags_are_for_every_platform(tmp_path: Path, tag: str, *, pure: bool) -> None:
    assert wheel.is_pure(tmp_path / f"shelf-1.0-{tag}.whl") is pure


def test_the_name_and_the_version_of_a_wheel_are_those_in_its_file_name(tmp_path: Path) -> None:
    assert wheel.name_and_version(tmp_path / "Shelf_Plus-1.0rc1-py3-none-any.whl") == ("shelf-plus", "1.0rc1")


DATA = {
    "shelf/__init__.py": (b"VALUE = 1\n", 0o644),
    "shelf/run.sh": (b"#!/bin/sh\n", 0o755),
    "shelf-1.0.data/purelib/extra.py": (b"2\n", 0o600),
    "shelf-1.0.data/scripts/shelf-run": (b"#!python\n", 0o644),
    "shelf-1.0.data/data/share/shelf.txt": (b"3\n", 0o644),
    "shelf-1.0.data/headers/shelf.h": (b"4\n", 0o644),
    "shelf-1.0.dist-info/entry_points.txt": (b"[console_scripts]\nshelf = shelf:main\n", 0o644),
}


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A wheel with a file of each scheme."""
    path = tmp_path / "shelf-1.0-py3-none-any.whl"
    rows = [*((name, "sha256=x", "1") for name in DATA), ("shelf-1.0.dist-info/RECORD", "", "")]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("shelf/", b"")
        for name, (content, mode) in DATA.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            archive.writestr(entry, content)
        archive.writestr("shelf-1.0.dist-info/RECORD", record_text(rows))
    return path


def test_files_and_entry_points_are_read_from_a_wheel(shelf: Path, tmp_path: Path) -> None:
    assert wheel.wheel_files(shelf) == tuple(sorted(["shelf/", "shelf-1.0.dist-info/RECORD", *DATA]))
    assert wheel.scripts(shelf, distribution="shelf") == (
        Script(name="shelf", distribution="shelf", reference="shelf:main"),
        Script(name="shelf-run", distribution="shelf"),
    )
    library = wheel.WheelLibrary(shelf)
    assert set(library.names_in("shelf")) >= {"__init__.py", "run.sh"}
    assert library.source("extra.py") == "2\n"
    assert library.source("nowhere.py") is None
    assert wheel.scripts(write_wheel(tmp_path / "other-1.0-py3-none-any.whl", CLEAN), distribution="other") == ()


def test_the_scripts_of_a_packable_wheel_are_executable(shelf: Path, tmp_path: Path) -> None:
    packable = wheel.with_dist_info(shelf, {}, output=tmp_path / "packable.whl")
    with zipfile.ZipFile(shelf) as before, zipfile.ZipFile(packable) as after:
        assert {name: before.read(name) for name in before.namelist()} == {
            name: after.read(name) for name in after.namelist()
        }
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in after.infolist()}
    assert modes["shelf-1.0.data/scripts/shelf-run"] == 0o755
    assert modes["shelf/__init__.py"] == 0o644
    assert wheel.with_dist_info(packable, {}) == packable


def test_a_wheel_is_unpacked_by_its_schemes_and_its_record_has_the_new_paths(shelf: Path, tmp_path: Path) -> None:
    prefix = tmp_path / "venv"
    site = prefix / "lib" / "python3.11" / "site-packages"
    (site / "shelf").mkdir(parents=True)
    (site / "shelf" / "__init__.py").write_text("old\n", "utf-8")
    wheel.unpack(shelf, site_packages=site, prefix=prefix)
    modes = {
        "lib/python3.11/site-packages/shelf/__init__.py": 0o644,
        "lib/python3.11/site-packages/shelf/run.sh": 0o755,
        "lib/python3.11/site-packages/extra.py": 0o644,
        "bin/shelf-run": 0o755,
        "share/shelf.txt": 0o644,
    }
    assert {path: (prefix / path).stat().st_mode & 0o777 for path in modes} == modes
    assert (site / "shelf" / "__init__.py").read_bytes() == b"VALUE = 1\n"
    paths = [path for path, _, _ in record_rows((site / "shelf-1.0.dist-info" / "RECORD").read_text("utf-8"))]
    assert paths == [
        "shelf/__init__.py",
        "shelf/run.sh",
        "extra.py",
        "../../../bin/shelf-run",
        "../../../share/shelf.txt",
        "shelf-1.0.dist-info/entry_points.txt",
        "shelf-1.0.dist-info/RECORD",
    ]
