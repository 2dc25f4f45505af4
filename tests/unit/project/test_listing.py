from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.project.listing import NOT_CHECKED_OUT, REPOSITORY, Listing, committed
from nox_pex.project.tree import Tree

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="Git is not installed")


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        **{f"GIT_{role}_{key}": "a@host.example" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")},
    }.items():
        monkeypatch.setenv(name, value)


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-c", "protocol.file.allow=always", *arguments], cwd=root, check=True, capture_output=True)


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name, "utf-8")


def repository(root: Path, *names: str) -> Path:
    write(root, *names)
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "first")
    return root


def listed(root: Path) -> Listing:
    return committed(Tree.of(root, Path("dist")))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with a submodule in it, which has a submodule too."""
    repository(tmp_path / "inner", "deep.py")
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / ".gitignore").write_text("*.log\n", "utf-8")
    repository(tmp_path / "library", "mod.py")
    git(tmp_path / "library", "submodule", "--quiet", "add", str(tmp_path / "inner"), "inner")
    git(tmp_path / "library", "commit", "--quiet", "--message", "second")
    root = repository(tmp_path / "checkout", "main.py")
    git(root, "submodule", "--quiet", "add", str(tmp_path / "library"), "core")
    git(root, "submodule", "--quiet", "update", "--init", "--recursive")
    return root


def test_a_submodule_is_listed_with_what_is_new_in_it(checkout: Path) -> None:
    write(checkout, "core/new.py", "core/a.log", "core/inner/new.py")
    found = listed(checkout)
    assert found.names == {
        *(".gitmodules", "main.py", "core/.gitignore", "core/.gitmodules", "core/mod.py", "core/new.py"),
        *("core/inner/deep.py", "core/inner/new.py"),
    }
    assert found.apart == {}


def test_a_submodule_that_is_not_checked_out_is_apart(checkout: Path) -> None:
    git(checkout, "submodule", "--quiet", "deinit", "--all", "--force")
    assert listed(checkout) == Listing(names=frozenset({".gitmodules", "main.py"}), apart={"core/": NOT_CHECKED_OUT})


def test_another_repository_is_apart(checkout: Path) -> None:
    repository(checkout / "tool", "x.py")
    assert listed(checkout).apart == {"tool/": REPOSITORY}


def test_a_submodule_without_its_repository_is_listed_as_it_is(checkout: Path) -> None:
    (checkout / "core" / ".git").unlink()
    write(checkout, "core/a.log")
    shutil.rmtree(checkout / "core" / "inner")
    assert "core/mod.py" in listed(checkout).names
    assert "core/a.log" not in listed(checkout).names


@pytest.mark.parametrize("directory", [".", "core"])
def test_each_repository_has_to_answer(checkout: Path, directory: str) -> None:
    path = checkout / ".git" / ("modules/core" if directory == "core" else ".") / "index"
    path.write_bytes(b"nonsense, and long enough to be read as an index")
    with pytest.raises(NoxPexError) as caught:
        listed(checkout)
    assert caught.value.code == "git"
    assert str(checkout / directory) in caught.value.problem


def test_without_a_repository_the_gitignore_files_count(tmp_path: Path) -> None:
    write(tmp_path, "main.py", "a.log", "app/x.log", "app/keep.log", "app/.gitignore", "node_modules/x.js")
    (tmp_path / ".gitignore").write_text("*.log\n", "utf-8")
    (tmp_path / "app" / ".gitignore").write_text("!keep.log\n", "utf-8")
    assert listed(tmp_path) == Listing(
        names=frozenset({"main.py", ".gitignore", "app/.gitignore", "app/keep.log"}), apart={}
    )


def test_a_directory_that_its_repository_ignores_is_like_one_without(tmp_path: Path) -> None:
    repository(tmp_path, ".gitignore")
    (tmp_path / ".gitignore").write_text("/scratch/\n*.py\n", "utf-8")
    write(tmp_path, "scratch/project/main.py", "scratch/project/a.log", "scratch/project/.gitignore")
    (tmp_path / "scratch" / "project" / ".gitignore").write_text("*.log\n", "utf-8")
    assert listed(tmp_path / "scratch" / "project").names == {"main.py", ".gitignore"}
