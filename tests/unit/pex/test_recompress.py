from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

import pytest

from nox_pex.pex import zip_members
from nox_pex.pex.recompress import reuse_compressed
from nox_pex.pex.zip_members import ZipMember
from tests.support.small_pex import BOOTSTRAP, LIBRARY, LIBRARY_FILES, SmallPex, write_repository, write_zip

SOURCES: Final = {"main.py": b"def main():\n    print('one')\n" * 200, "shop/data/prices.txt": b"1\n" * 9000}


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """The PEX file that pex writes with `--no-compress`."""
    return SmallPex(sources=SOURCES, compress=False).write(tmp_path / "stored.pex")


def recompress(tmp_path: Path, stored: Path, repository: Path) -> Path | None:
    scratch, output = tmp_path / "scratch", tmp_path / "output.pex"
    scratch.mkdir()
    if reuse_compressed(stored, output, repository=repository, scratch=scratch):
        return output
    assert not output.exists()
    return None


def members(path: Path) -> dict[str, ZipMember]:
    return {member.name: member for member in zip_members.read(path).members}


def test_the_result_is_the_pex_that_pex_writes_with_compression(tmp_path: Path, stored: Path) -> None:
    repository = write_repository(tmp_path / "repository", {LIBRARY: LIBRARY_FILES})
    expected = SmallPex(sources=SOURCES).write(tmp_path / "expected.pex")
    output = recompress(tmp_path, stored, repository)
    assert output is not None
    assert output.read_bytes() == expected.read_bytes()
    assert output.stat().st_mode == stored.stat().st_mode
    assert output.stat().st_size < stored.stat().st_size


def test_every_member_reads_as_before(tmp_path: Path, stored: Path) -> None:
    repository = write_repository(tmp_path / "repository", {LIBRARY: LIBRARY_FILES})
    output = recompress(tmp_path, stored, repository)
    assert output is not None
    with zipfile.ZipFile(stored) as before, zipfile.ZipFile(output) as after:
        assert after.testzip() is None
        assert after.namelist() == before.namelist()
        for name in before.namelist():
            assert after.read(name) == before.read(name)
            assert after.getinfo(name).external_attr == before.getinfo(name).external_attr


def test_the_compressed_bytes_come_from_the_repository(tmp_path: Path, stored: Path) -> None:
    """The repository is compressed in another way than it would be here, so its bytes can be told apart."""
    repository = write_repository(tmp_path / "repository", {LIBRARY: LIBRARY_FILES}, level=1)
    output = recompress(tmp_path, stored, repository)
    assert output is not None
    reused, packed_here = members(output), members(SmallPex(sources=SOURCES).write(tmp_path / "expected.pex"))
    packed = members(repository / ".deps" / LIBRARY)
    for name, member in packed.items():
        if not name.endswith("/"):
            assert reused[f".deps/{LIBRARY}/{name}"].same_as(member.with_prefix(f".deps/{LIBRARY}/"))
    assert not reused[f".deps/{LIBRARY}/idna/core.py"].same_as(packed_here[f".deps/{LIBRARY}/idna/core.py"])
    assert reused["main.py"].same_as(packed_here["main.py"])


def test_a_member_that_the_repository_has_with_another_content_is_compressed_here(tmp_path: Path, stored: Path) -> None:
    files = {**LIBRARY_FILES, "idna/core.py": b"# another\n" * 900}
    repository = write_repository(tmp_path / "repository", {LIBRARY: files}, level=1)
    output = recompress(tmp_path, stored, repository)
    assert output is not None
    name, expected = f".deps/{LIBRARY}/idna/core.py", SmallPex(sources=SOURCES).write(tmp_path / "expected.pex")
    assert members(output)[name].same_as(members(expected)[name])


def test_a_zlib_that_compresses_in_another_way_leaves_it_to_pex(tmp_path: Path, stored: Path) -> None:
    repository = write_repository(tmp_path / "repository", {LIBRARY: LIBRARY_FILES})
    files = {name.removeprefix(".bootstrap/"): content for name, content in BOOTSTRAP.items()}
    write_zip(repository / ".bootstrap", files, level=1)
    assert recompress(tmp_path, stored, repository) is None


@pytest.mark.parametrize("missing", [".bootstrap", f".deps/{LIBRARY}"])
def test_a_repository_with_a_directory_instead_of_an_archive_leaves_it_to_pex(
    tmp_path: Path, stored: Path, missing: str
) -> None:
    repository = write_repository(tmp_path / "repository", {LIBRARY: LIBRARY_FILES})
    (repository / missing).unlink()
    (repository / missing).mkdir()
    assert recompress(tmp_path, stored, repository) is None


@pytest.mark.parametrize("bootstrap", [{"other.py": b""}, {"pex/version.py": b"another"}])
def test_a_repository_of_another_pex_leaves_it_to_pex(
    tmp_path: Path, stored: Path, bootstrap: dict[str, bytes]
) -> None:
    repository = write_repository(tmp_path / "repository", {LIBRARY: LIBRARY_FILES})
    write_zip(repository / ".bootstrap", bootstrap)
    assert recompress(tmp_path, stored, repository) is None


@pytest.mark.parametrize("damage", ["stored.pex", "repository/.bootstrap", f"repository/.deps/{LIBRARY}"])
def test_a_file_that_is_no_archive_leaves_it_to_pex(tmp_path: Path, stored: Path, damage: str) -> None:
    repository = write_repository(tmp_path / "repository", {LIBRARY: LIBRARY_FILES})
    (tmp_path / damage).write_bytes(b"no archive")
    assert recompress(tmp_path, stored, repository) is None
