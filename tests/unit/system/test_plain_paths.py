from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.system import plain_paths
from tests.support.mounts import file_system

ODD = ["job%2Ffeature", "a#b", "what?", "svc:main", "a b", "a;b", 'it\'s "q"', "a$HOME", "new\nline", "grün", "[a]*{b}"]


@pytest.mark.parametrize("name", ODD)
def test_a_character_with_a_meaning_is_not_plain(name: str) -> None:
    assert not plain_paths.is_plain(Path("/srv", name, "x.whl"))


@pytest.mark.parametrize("path", ["/srv/shop-1.0+local/.nox/shop_1.0-py3-none-any.whl", "/", "relative"])
def test_letters_digits_and_harmless_signs_are_plain(path: str) -> None:
    assert plain_paths.is_plain(Path(path))


def test_a_plain_directory_is_in_tmpdir_if_that_is_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with plain_paths.plain_directory() as directory:
        assert directory.parent == tmp_path.resolve()
    assert not directory.exists()


@pytest.mark.parametrize("name", ODD)
def test_a_plain_directory_is_elsewhere_if_tmpdir_is_not_plain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    assert plain_paths.temporary_parents()[0] == tmp_path / name
    with plain_paths.plain_directory() as directory:
        assert plain_paths.is_plain(directory)
        assert directory.stat().st_mode & 0o077 == 0
    assert not directory.exists()


def test_no_plain_directory_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "a:b"))
    monkeypatch.setattr(plain_paths, "_CANDIDATES", (str(tmp_path / "nowhere"),))
    with pytest.raises(NoxPexError, match="set TMPDIR to a directory") as caught, plain_paths.plain_directory():
        pytest.fail("there is none")
    assert caught.value.code == "usage"


@pytest.fixture
def no_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """TMPDIR, as on a file system that is mounted `noexec`."""
    directory = tmp_path / "no-programs"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    monkeypatch.setattr(plain_paths, "allows_programs", lambda path: not path.is_relative_to(directory))
    return directory


def test_a_temporary_directory_is_elsewhere_if_no_program_can_run_in_tmpdir(no_programs: Path) -> None:
    assert plain_paths.plain_parent() != no_programs
    with plain_paths.plain_directory() as directory:
        assert directory.parent != no_programs


def test_other_directories_are_tried_last(no_programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = no_programs.parent
    assert plain_paths.plain_parent(other) != other
    monkeypatch.setattr(plain_paths, "_CANDIDATES", ())
    assert plain_paths.plain_parent(other) == other
    with plain_paths.plain_directory(other) as directory:
        assert directory.parent == other
    with plain_paths.plain_directory() as directory:
        assert directory.parent == no_programs
    with pytest.raises(NoxPexError, match="no temporary directory lets programs run"):
        plain_paths.plain_parent()


def test_a_file_system_that_is_mounted_noexec_allows_no_programs(tmp_path: Path) -> None:
    assert plain_paths.allows_programs(tmp_path)
    assert not plain_paths.allows_programs(tmp_path / "missing")
    with file_system(tmp_path, "noexec"):
        assert not plain_paths.allows_programs(tmp_path)


def test_a_path_that_is_not_utf_8_is_refused() -> None:
    plain_paths.check_utf_8(Path("/srv/grün"), what="the project")
    odd = Path(os.fsdecode(b"/srv/gr\xfcn"))
    with pytest.raises(NoxPexError, match=r"^error\[usage\]: the path of the project is not UTF-8: /srv/gr\\xfcn; "):
        plain_paths.check_utf_8(odd, what="the project")
