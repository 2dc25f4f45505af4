from __future__ import annotations

import contextlib
import importlib
import sys
from pathlib import Path

import pytest

import nox_pex
from nox_pex.system import import_path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a module, on `sys.path`, in several forms."""
    (tmp_path / "planted_module.py").write_text("raise SystemError('imported')\n", "utf-8")
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path, f"{tmp_path}/", str(tmp_path / "link")])
    return tmp_path


def test_nothing_is_imported_from_the_directories_while_the_block_runs(project: Path) -> None:
    before = sys.path[:]
    with import_path.without(project), pytest.raises(ModuleNotFoundError):
        importlib.import_module("planted_module")
    assert sys.path == before
    with pytest.raises(SystemError, match="imported"):
        importlib.import_module("planted_module")


def test_so_are_those_above_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(project / "a" / "b")
    with import_path.without(), pytest.raises(ModuleNotFoundError):
        importlib.import_module("planted_module")


def test_a_working_directory_that_was_removed_has_no_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "removed").mkdir()
    monkeypatch.chdir(tmp_path / "removed")
    (tmp_path / "removed").rmdir()
    before = sys.path[:]
    with import_path.without():
        assert importlib.import_module("json").__name__ == "json"
    assert sys.path == before


def test_the_directory_that_nox_pex_is_installed_in_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    installed_in = Path(nox_pex.__file__).parents[1]
    monkeypatch.chdir(installed_in)
    monkeypatch.setattr(sys, "path", [str(installed_in), *sys.path])
    with import_path.without(installed_in):
        assert sys.path[0] == str(installed_in)


@pytest.mark.parametrize("inside", [".", "json", "lib-dynload"])
def test_the_standard_library_stays(inside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = Path(contextlib.__file__).parent
    monkeypatch.chdir(directory / inside)
    before = [entry for entry in sys.path if entry.startswith(str(directory)) and "site-packages" not in entry]
    with import_path.without():
        assert before
        assert set(before) <= set(sys.path)


@pytest.mark.parametrize("entry", ["", "."])
def test_the_working_directory_is_one_of_them(project: Path, monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", [entry, *[path for path in sys.path if str(project) not in path]])
    with import_path.without(), pytest.raises(ModuleNotFoundError):
        importlib.import_module("planted_module")


def test_other_directories_stay_in_their_order_and_an_error_restores_all(project: Path, tmp_path: Path) -> None:
    other = str(tmp_path / "other")
    sys.path.insert(0, other)
    before = sys.path[:]
    with import_path.without(project):
        assert sys.path[0] == other
        assert str(project) not in sys.path
    assert sys.path == before
    with contextlib.suppress(ZeroDivisionError), import_path.without(project):
        raise ZeroDivisionError
    assert sys.path == before
