from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from nox_pex.distributions.record import encode_digest, record_rows
from nox_pex.distributions.wheel_edit import edit, is_metadata

FILES = {
    "shop/__init__.py": b"A = 1\n",
    "shop/data.csv": b"1\n",
    "shop-1.0.dist-info/METADATA": b"Name: shop\nVersion: 1.0\n",
}
RECORD = "shop-1.0.dist-info/RECORD"


def row(name: str, content: bytes) -> tuple[str, str, str]:
    return name, f"sha256={encode_digest(hashlib.sha256(content).digest())}", str(len(content))


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "shop-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            entry = zipfile.ZipInfo(name, (2016, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, content)
        rows = [",".join(row(name, content)) for name, content in FILES.items()]
        archive.writestr(RECORD, "\n".join([*rows, f"{RECORD},,", ""]))
    return path


@pytest.fixture
def extra(tmp_path: Path) -> Path:
    file = tmp_path / "alembic.ini"
    file.write_bytes(b"[alembic]\n")
    return file


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_files_are_added_and_removed_with_their_rows(wheel: Path, extra: Path) -> None:
    edit(wheel, add={"alembic.ini": extra, "deep/a, b.ini": extra}, remove={"shop/data.csv"})
    expected = {name: content for name, content in FILES.items() if name != "shop/data.csv"}
    expected |= dict.fromkeys(["alembic.ini", "deep/a, b.ini"], b"[alembic]\n")
    found = contents(wheel)
    assert {name: content for name, content in found.items() if name != RECORD} == expected
    assert list(found)[-1] == RECORD
    rows = list(record_rows(found[RECORD].decode()))
    assert sorted(rows) == sorted([*(row(name, content) for name, content in expected.items()), (RECORD, "", "")])
    assert sorted(path.name for path in wheel.parent.iterdir()) == ["alembic.ini", wheel.name]


def test_other_members_stay_as_they_are_and_new_ones_are_the_same_everywhere(wheel: Path, extra: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        before = {entry.filename: (entry.date_time, entry.external_attr) for entry in archive.infolist()}
    extra.chmod(0o777)
    edit(wheel, add={"run": extra}, remove=())
    with zipfile.ZipFile(wheel) as archive:
        after = {entry.filename: (entry.date_time, entry.external_attr) for entry in archive.infolist()}
    assert after == {**before, "run": ((1980, 1, 1, 0, 0, 0), 0o100755 << 16)}


def test_the_same_files_give_the_same_bytes(wheel: Path, extra: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / wheel.name
    other.parent.mkdir()
    other.write_bytes(wheel.read_bytes())
    copy = other.parent / "copy"
    copy.write_bytes(extra.read_bytes())
    copy.chmod(0o600)
    edit(wheel, add={"a": extra, "b": extra}, remove=())
    edit(other, add={"b": copy, "a": copy}, remove=())
    assert wheel.read_bytes() == other.read_bytes()


def test_a_failure_leaves_the_wheel_as_it_was(wheel: Path, tmp_path: Path) -> None:
    before = wheel.read_bytes()
    with pytest.raises(FileNotFoundError):
        edit(wheel, add={"a": tmp_path / "gone"}, remove=())
    assert wheel.read_bytes() == before
    assert list(tmp_path.iterdir()) == [wheel]


@pytest.mark.parametrize("name", ["shop-1.0.dist-info/x", "x.data/scripts/a", "x.egg-info", "x.dist-info"])
def test_metadata_and_files_for_other_places_are_known(name: str) -> None:
    assert is_metadata(name)
    assert not is_metadata(f"shop/{name}")
