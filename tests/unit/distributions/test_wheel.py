from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from nox_pex.distributions import wheel
from nox_pex.distributions.record import record_text, record_with

METADATA = "Name: shelf\nVersion: 1.0\nRequires-Dist: board @ file:///home/joe/board\n\nA shelf.\n"
CLEAN = "Name: shelf\nVersion: 1.0\nRequires-Dist: board\n\nA shelf.\n"


def made(path: Path, text: str) -> Path:
    record = record_text([("shelf/__init__.py", "sha256=x", "1"), ("shelf-1.0.dist-info/METADATA", "sha256=y", "2")])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("shelf/", b"")
        archive.writestr("shelf/__init__.py", b"1\n" * 100_000)
        archive.writestr("shelf-1.0.dist-info/METADATA", text)
        archive.writestr("shelf-1.0.dist-info/RECORD", record)
    return path


def test_the_metadata_of_a_wheel_names_no_path_of_this_machine(tmp_path: Path) -> None:
    path = made(tmp_path / "shelf-1.0-py3-none-any.whl", METADATA)
    with zipfile.ZipFile(path) as archive:
        before = archive.infolist()
    wheel.clean(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.read("shelf-1.0.dist-info/METADATA").decode() == CLEAN
        assert archive.read("shelf/__init__.py") == b"1\n" * 100_000
        record = archive.read("shelf-1.0.dist-info/RECORD").decode()
        assert record == record_with(record, path="shelf-1.0.dist-info/METADATA", content=CLEAN.encode())
        kept = [(entry.filename, entry.date_time, entry.external_attr, entry.compress_type) for entry in before]
        assert kept == [(e.filename, e.date_time, e.external_attr, e.compress_type) for e in archive.infolist()]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", [CLEAN, ""])
def test_a_clean_wheel_stays_as_it_is(tmp_path: Path, text: str) -> None:
    path = made(tmp_path / "shelf-1.0-py3-none-any.whl", text)
    before = path.read_bytes()
    wheel.clean(path)
    assert path.read_bytes() == before
