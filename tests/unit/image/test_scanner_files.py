from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

from nox_pex.image import scanner_files
from tests.support.small_pex import LIBRARY_FILES, SmallPex

METADATA = "idna-3.11.dist-info/METADATA"


def stored(name: str) -> bytes:
    """A wheel that a PEX stores as it is."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(f"{name}.py", "")
        archive.writestr(f"{name}-1.dist-info/METADATA", f"Name: {name}\n")
    return content.getvalue()


def test_each_distribution_has_its_metadata(tmp_path: Path) -> None:
    binary = SmallPex(stored={"other-1-py3-none-any.whl": stored("other")}).write(tmp_path / "service.pex")
    expected = {METADATA: LIBRARY_FILES[METADATA], "other-1.dist-info/METADATA": b"Name: other\n"}
    assert scanner_files.metadata_files(binary) == expected

    directory = tmp_path / "directory.pex"
    with zipfile.ZipFile(binary) as archive:
        archive.extractall(directory)  # noqa: S202  # written by this test
    assert scanner_files.metadata_files(directory) == expected


def test_wheels_for_several_platforms_have_one_metadata(tmp_path: Path) -> None:
    wheels = {
        f"native-1-cp311-cp311-linux_{machine}.whl": {"native-1.dist-info/METADATA": b""} for machine in ("a", "b")
    }
    binary = SmallPex(library=False, wheels=wheels).write(tmp_path / "service.pex")
    assert list(scanner_files.metadata_files(binary)) == ["native-1.dist-info/METADATA"]


def test_the_archive_has_a_directory_for_the_binary_even_without_distributions(tmp_path: Path) -> None:
    binary = SmallPex(library=False).write(tmp_path / "service.pex")
    for _ in range(2):
        scanner_files.write_archive(binary, tmp_path / "service.metadata.tar", name="service")
    with tarfile.open(tmp_path / "service.metadata.tar") as archive:
        assert archive.getnames() == ["service"]


def test_the_files_are_written_below_a_root(tmp_path: Path) -> None:
    binary = SmallPex().write(tmp_path / "service.pex")
    scanner_files.write_files(binary, tmp_path / "image", name="service")
    file = tmp_path / "image" / "usr" / "share" / "nox-pex" / "service" / METADATA
    assert file.read_bytes() == LIBRARY_FILES[METADATA]
    assert [path for path in (tmp_path / "image").rglob("*") if path.is_file()] == [file]
