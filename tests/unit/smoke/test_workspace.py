"""The temporary directory of a smoke test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.smoke.workspace import existing_binary, open_workspace
from nox_pex.system import plain_paths


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory in which temporary directories are created."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    return directory


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    file = tmp_path / "program.pex"
    file.write_text("#!/bin/sh\n", "utf-8")
    return file


def test_a_condition_has_a_copy_of_the_binary_and_finds_the_state_of_an_earlier_one(
    temporary: Path, binary: Path
) -> None:
    with open_workspace(binary) as workspace:
        assert workspace.root.parent == temporary
        state = workspace.state("cold")
        assert workspace.executable.read_text("utf-8") == "#!/bin/sh\n"
        assert [path.name for path in workspace.run.iterdir()] == ["program.pex"]
        for place in (state.pex_root, workspace.run, workspace.tmp):
            (place / "created").touch()
        other = workspace.of_condition(1)
        assert other.state("cold") == state
        assert (state.pex_root / "created").exists()
        assert [path.name for path in other.run.iterdir()] == ["program.pex"]
        assert list(other.tmp.iterdir()) == []
        assert other.state("offline").pex_root != state.pex_root
    assert list(temporary.iterdir()) == []


def test_the_main_module_of_a_directory_is_started(temporary: Path, tmp_path: Path) -> None:
    directory = tmp_path / "loose.pex"
    directory.mkdir()
    (directory / "__main__.py").touch()
    with open_workspace(directory) as workspace:
        workspace.state("cold")
        assert workspace.executable == workspace.run / "loose.pex" / "__main__.py"
        assert workspace.executable.exists()
    assert list(temporary.iterdir()) == []


def test_a_workspace_is_removed_after_an_error_but_not_with_keep(temporary: Path, binary: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_workspace(binary):
        raise ZeroDivisionError
    assert list(temporary.iterdir()) == []
    with open_workspace(binary, keep=True) as workspace:
        pass
    assert list(temporary.iterdir()) == [workspace.root]


def test_a_workspace_is_never_inside_the_project(temporary: Path, binary: Path, tmp_path: Path) -> None:
    with open_workspace(binary, project=temporary) as workspace:
        assert not workspace.root.is_relative_to(temporary)
    assert not workspace.root.exists()
    with open_workspace(binary, project=tmp_path / "project") as workspace:
        assert workspace.root.is_relative_to(temporary)
    with pytest.raises(NoxPexError, match="inside the project /") as caught, open_workspace(binary, project=Path("/")):
        pytest.fail("there is no directory outside /")
    assert caught.value.code == "launch-failed"


@pytest.mark.parametrize("put", [os.mkfifo, Path.touch, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_can_be_no_program_is_refused(tmp_path: Path, put: Callable[[Path], object]) -> None:
    put(tmp_path / "odd.pex")
    with pytest.raises(NoxPexError, match=r"odd\.pex cannot be started: it .*; build it again with") as caught:
        existing_binary(tmp_path / "odd.pex")
    assert caught.value.code == "launch-failed"


def test_a_binary_that_cannot_be_copied_is_refused(temporary: Path, tmp_path: Path) -> None:
    binary = tmp_path / "loose.pex"
    binary.mkdir()
    (binary / "__main__.py").touch()
    os.mkfifo(binary / "fifo")
    with open_workspace(existing_binary(binary)) as workspace, pytest.raises(NoxPexError, match="fifo in it") as caught:
        workspace.state("cold")
    assert caught.value.code == "launch-failed"
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("name", ["svc:main", "[a]", "new\nline"])
def test_a_workspace_is_in_a_directory_in_which_a_pex_can_start(
    tmp_path: Path, binary: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    with open_workspace(binary) as workspace:
        assert plain_paths.is_plain(workspace.root)


def test_a_binary_that_does_not_exist_is_refused(binary: Path, tmp_path: Path) -> None:
    assert existing_binary(binary) == binary
    with pytest.raises(NoxPexError, match=r"nowhere\.pex does not exist") as caught:
        existing_binary(tmp_path / "nowhere.pex")
    assert caught.value.code == "launch-failed"
