from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.poetry import lock
from nox_pex.poetry.lock import Source

CURRENT = """
[[package]]
name = "Idna_Tools"
version = "3.11"
files = [{ file = "b.whl", hash = "sha256:bb" }, { file = "a.tar.gz", hash = "sha256:aa" }]

[[package]]
name = "shelf"
version = "1.0"
develop = true
files = []

[package.source]
type = "directory"
url = "../shelf"

[[package]]
name = "shelf"
version = "1.0.0"
files = []

[package.source]
type = "git"
url = "https://example.org/shelf.git"
reference = "main"
resolved_reference = "0123abcd"
subdirectory = "src"

[metadata]
lock-version = "2.1"
"""


def written(path: Path, text: str) -> Path:
    file = path / "poetry.lock"
    file.write_text(text, "utf-8")
    return file


def test_a_current_lock_is_read_with_files_and_sources(tmp_path: Path) -> None:
    file = written(tmp_path, CURRENT)
    found = lock.read(file)
    assert found.digest == hashlib.sha256(file.read_bytes()).hexdigest() == lock.digest(file)
    tools, directory, git = found.packages
    assert (tools.name, tools.version, tools.source) == ("idna-tools", "3.11", None)
    assert tools.hashes == ("sha256:aa", "sha256:bb")
    assert [file.name for file in tools.files] == ["b.whl", "a.tar.gz"]
    assert directory.source == Source(type="directory", url="../shelf")
    assert git.source is not None
    assert (git.source.reference, git.source.resolved_reference) == ("main", "0123abcd")
    assert git.source.subdirectory == "src"


def test_a_package_is_found_by_any_spelling_of_its_name_and_version(tmp_path: Path) -> None:
    found = lock.read(written(tmp_path, CURRENT))
    assert [package.name for package in found.find("IDNA.tools", "3.11.0")] == ["idna-tools"]
    assert len(found.find("shelf", "1")) == 2
    assert found.find("shelf", "2.0") == ()
    assert found.find("nobody", "3.11") == ()
    assert found.find("idna-tools", "1.0") == ()


def test_a_version_that_is_not_of_pep_440_is_found_as_it_is_written(tmp_path: Path) -> None:
    text = "".join(f'[[package]]\nname = "odd"\nversion = "{version}"\nfiles = []\n' for version in ("x!", "y!", "1"))
    found = lock.read(written(tmp_path, f'{text}[metadata]\nlock-version = "2.1"\n'))
    assert [package.version for package in found.find("odd", "x!")] == ["x!"]
    assert found.find("odd", "z!") == ()


def refusal(root: Path) -> NoxPexError:
    with pytest.raises(NoxPexError) as caught:
        lock.digest(root / "poetry.lock")
    assert caught.value.code == "no-lock"
    return caught.value


@pytest.mark.parametrize(
    ("name", "owner", "way"),
    [
        ("uv.lock", "not uv's", "uv export"),
        ("pdm.lock", "not PDM's", "pdm export"),
        ("Pipfile.lock", "not Pipenv's", "pipenv requirements"),
        ("pixi.lock", "not pixi's", "pex -r"),
        ("pylock.toml", "not a PEP 751 file", "pex --pylock"),
        ("requirements.txt", "not a requirements file", "pex -r"),
    ],
)
def test_the_lock_of_another_tool_is_named(tmp_path: Path, name: str, owner: str, way: str) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\n[tool.uv]\n', "utf-8")
    (tmp_path / name).touch()
    error = refusal(tmp_path)
    assert error.problem.endswith(f"but {name}: nox-pex reads Poetry's lock, {owner}")
    assert way in error.remedy
    assert "poetry lock" not in error.remedy


@pytest.mark.parametrize(
    ("text", "name", "named"),
    [
        ('[tool.poetry.dependencies]\nidna = "*"\n', "uv.lock", False),
        ('[tool.poetry.dependencies]\nidna = "*"\n', "requirements.txt", False),
        ("[tool.poetry]\npackage-mode = false\n", "uv.lock", True),
        ("[tool.poetry]\npackage-mode = false\n", "requirements.txt", False),
        ('[build-system]\nbuild-backend = "poetry.core.masonry.api"\n', "uv.lock", True),
        ('[build-system]\nbuild-backend = "poetry.core.masonry.api"\n', "pylock.toml", False),
    ],
)
def test_a_project_that_only_poetry_can_lock_is_to_be_locked(
    tmp_path: Path, text: str, name: str, *, named: bool
) -> None:
    (tmp_path / "pyproject.toml").write_text(text, "utf-8")
    (tmp_path / name).touch()
    assert (name in refusal(tmp_path).problem) == named
    assert ("run `poetry lock`" in refusal(tmp_path).remedy) != named


@pytest.mark.parametrize("text", [None, "", "nonsense"])
def test_without_any_lock_the_project_is_to_be_locked(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text, "utf-8")
    assert refusal(tmp_path).remedy == "run `poetry lock` there, or `nox -s lock`, and commit the file"


def test_a_member_of_a_workspace_has_the_lock_of_the_workspace(tmp_path: Path) -> None:
    member = tmp_path / "services" / "api"
    member.mkdir(parents=True)
    (tmp_path / "uv.lock").touch()
    assert "uv.lock" not in str(refusal(member))
    (tmp_path / "pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["services/*"]\n', "utf-8")
    assert f"but {tmp_path / 'uv.lock'}: " in refusal(member).problem


def test_a_source_without_a_type_is_another_index(tmp_path: Path) -> None:
    text = """
        [[package]]
        name = "inner"
        version = "1.0"
        files = []
        [package.source]
        url = "https://example.org/simple"
        reference = "private"
        [metadata]
        lock-version = "2.1"
    """
    (inner,) = lock.read(written(tmp_path, text)).packages
    assert inner.source == Source(type="legacy", url="https://example.org/simple", reference="private")


def test_the_hashes_of_an_old_lock_are_in_one_table(tmp_path: Path) -> None:
    text = """
        [[package]]
        name = "h11"
        version = "0.9"
        [[package]]
        name = "h11"
        version = "0.14"
        [metadata]
        lock-version = "1.1"
        [metadata.files]
        H11 = [
            { file = "h11-0.9-py3-none-any.whl", hash = "sha256:01" },
            { file = "h11-0.9.tar.gz", hash = "sha256:02" },
            { file = "h11-0.14-py3-none-any.whl", hash = "sha256:03" },
        ]
    """
    found = lock.read(written(tmp_path, text))
    assert [package.hashes for package in found.packages] == [("sha256:01", "sha256:02"), ("sha256:03",)]


def test_files_of_an_old_lock_whose_names_have_no_version_belong_to_all(tmp_path: Path) -> None:
    text = """
        [[package]]
        name = "h11"
        version = "0.9"
        [metadata]
        lock-version = "1.0"
        [metadata.files]
        h11 = [{ file = "h11.zip", hash = "sha256:01" }, { file = "h11-latest.zip", hash = "sha256:02" }]
    """
    (package,) = lock.read(written(tmp_path, text)).packages
    assert package.hashes == ("sha256:01", "sha256:02")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<<<<<<< ours", "damaged"),
        ("", "not a lock file of Poetry"),
        ("package = 3\n[metadata]\nlock-version = '2.1'", "not a lock file of Poetry"),
        ("[[package]]\nname = 'a'\n[metadata]\nlock-version = '2.1'", "not a lock file of Poetry"),
        ("[metadata]\nlock-version = '3.0'", "lock-version 3.0; nox-pex reads 1.x and 2.x"),
    ],
)
def test_a_file_that_is_not_a_lock_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(NoxPexError, match=said) as caught:
        lock.read(written(tmp_path, text))
    assert caught.value.code == "lock-unreadable"


def test_a_lock_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "poetry.lock").write_bytes(b"\xff\xfe")
    with pytest.raises(NoxPexError, match="damaged"):
        lock.read(tmp_path / "poetry.lock")


def test_a_missing_lock_is_refused(tmp_path: Path) -> None:
    for read in (lock.read, lock.digest):
        with pytest.raises(NoxPexError, match="run `poetry lock`") as caught:
            read(tmp_path / "poetry.lock")
        assert caught.value.code == "no-lock"


def test_a_directory_in_the_place_of_the_lock_is_refused(tmp_path: Path) -> None:
    (tmp_path / "poetry.lock").mkdir()
    with pytest.raises(NoxPexError) as caught:
        lock.digest(tmp_path / "poetry.lock")
    assert caught.value.code == "lock-unreadable"


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 5000, "a = 1\na = 2"])
def test_a_lock_that_no_parser_reads_is_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / "poetry.lock").write_text(text, "utf-8")
    with pytest.raises(NoxPexError, match="is damaged") as refused:
        lock.read(tmp_path / "poetry.lock")
    assert refused.value.code == "lock-unreadable"


def test_a_lock_that_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "poetry.lock")
    with pytest.raises(NoxPexError, match="not a regular file") as refused:
        lock.digest(tmp_path / "poetry.lock")
    assert refused.value.code == "lock-unreadable"
