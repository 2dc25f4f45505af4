from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from msgspec.structs import replace

from nox_pex.pex.checkout import Checkout, Commit, Places, places_of, top_of
from tests.support.git_repository import GitRepository
from tests.unit.pex.conftest import MakeTarget

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="Git is not installed")

ENVIRON = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
FILES = {
    "app/main.py": "",
    "app/pyproject.toml": "",
    "app/docs/index.md": "",
    "libs/shelf/shelf.py": "",
    "other/main.py": "",
    ".gitignore": "*.log\nignored/\n",
}


@pytest.fixture
def repo(tmp_path: Path) -> GitRepository:
    """A repository with a project in `app`, a path dependency in `libs/shelf`, and other files."""
    root = tmp_path.resolve() / "repo"
    root.mkdir()
    made = GitRepository(root=root, environ=ENVIRON)
    made.commit(FILES)
    return made


def places(repo: GitRepository, *dependencies: Path, output: str = "dist", files: Iterable[Path] = ()) -> Places:
    project = repo.root / "app"
    return Places(
        project=project, output=project / output, dependencies=frozenset(dependencies), files=frozenset(files)
    )


def commit(places: Places, *sources: str) -> Commit | None:
    return Checkout.of(places, ENVIRON).commit(["main.py", *sources])


def dirty(places: Places, *sources: str) -> bool:
    found = commit(places, *sources)
    assert found is not None
    return found.dirty


def test_the_commit_is_the_one_that_is_checked_out_now(repo: GitRepository) -> None:
    first = repo.git("rev-parse", "HEAD")
    assert commit(places(repo)) == Commit(commit=first, dirty=False)
    (repo.root / "app" / "main.py").write_text("2\n", "utf-8")
    assert commit(places(repo)) == Commit(commit=first, dirty=True)
    second = repo.commit()
    assert commit(places(repo)) == Commit(commit=second, dirty=False)
    repo.git("commit", "--quiet", "--amend", "--message", "another")
    amended = repo.git("rev-parse", "HEAD")
    assert amended != second
    assert commit(places(repo)) == Commit(commit=amended, dirty=False)
    repo.git("checkout", "--quiet", "--detach", first)
    assert commit(places(repo)) == Commit(commit=first, dirty=False)


@pytest.mark.parametrize("kind", ["shallow", "worktree", "submodule"])
def test_every_kind_of_work_tree_has_a_commit(repo: GitRepository, tmp_path: Path, kind: str) -> None:
    repo.commit({"app/more.py": ""})
    head, there = repo.git("rev-parse", "HEAD"), tmp_path.resolve() / "there"
    if kind == "shallow":
        repo.git("clone", "--quiet", "--depth=1", f"file://{repo.root}", str(there))
    elif kind == "worktree":
        repo.git("worktree", "add", "--quiet", "--detach", str(there))
    else:
        there.mkdir()
        around = GitRepository(root=there, environ=ENVIRON)
        around.commit({"README": ""})
        around.git("submodule", "--quiet", "add", str(repo.root), "inside")
        there = there / "inside"
    copy = GitRepository(root=there, environ=ENVIRON)
    assert commit(places(copy)) == Commit(commit=head, dirty=False)
    (there / "app" / "main.py").write_text("2\n", "utf-8")
    assert commit(places(copy)) == Commit(commit=head, dirty=True)


def test_there_is_no_commit_without_git_a_repository_or_a_commit(repo: GitRepository, tmp_path: Path) -> None:
    assert Checkout.of(places(repo), {"PATH": str(tmp_path)}).commit(["main.py"]) is None
    plain = tmp_path.resolve() / "plain"
    (plain / "app").mkdir(parents=True)
    empty = GitRepository(root=plain, environ=ENVIRON)
    assert commit(places(empty)) is None
    (plain / ".git").mkdir()  # not a repository
    assert top_of(plain) != plain
    empty.git("init", "--quiet")
    (plain / "app" / "main.py").touch()
    assert commit(places(empty)) is None
    first = empty.commit()
    assert commit(places(empty)) == Commit(commit=first, dirty=False)
    (plain / ".git" / "config").write_text("[", "utf-8")  # Git refuses
    assert commit(places(empty)) is None


def test_a_project_that_git_ignores_is_in_no_commit(repo: GitRepository) -> None:
    shutil.copytree(repo.root / "app", repo.root / "ignored" / "app")
    inside = GitRepository(root=repo.root / "ignored", environ=ENVIRON)
    assert commit(places(inside)) is None
    repo.git("add", "--force", "ignored/app/main.py")
    head = repo.git("rev-parse", "HEAD")
    assert commit(places(inside)) == Commit(commit=head, dirty=True)


def test_a_change_outside_of_the_project_and_its_dependencies_does_not_count(repo: GitRepository) -> None:
    (repo.root / "other" / "main.py").write_text("2\n", "utf-8")
    (repo.root / "new.py").touch()
    assert not dirty(places(repo, repo.root / "libs" / "shelf"))


def test_a_change_of_any_tracked_file_of_the_project_counts(repo: GitRepository) -> None:
    (repo.root / "app" / "docs" / "index.md").write_text("2\n", "utf-8")
    assert dirty(places(repo))


@pytest.mark.parametrize("change", ["delete", "move", "mode", "stage"])
def test_every_kind_of_change_counts(repo: GitRepository, change: str) -> None:
    file = repo.root / "app" / "main.py"
    if change == "delete":
        file.unlink()
    elif change == "move":
        repo.git("mv", "app/main.py", "other/moved.py")
    elif change == "mode":
        file.chmod(0o755)
    else:
        file.write_text("2\n", "utf-8")
        repo.git("add", "--all")
    assert dirty(places(repo))


def test_a_new_file_counts_if_it_is_an_input(repo: GitRepository) -> None:
    (repo.root / "app" / "new.py").touch()
    (repo.root / "app" / "notes.txt").touch()
    assert dirty(places(repo), "new.py")
    assert not dirty(places(repo))


def test_a_file_that_git_ignores_counts_as_generated(repo: GitRepository) -> None:
    (repo.root / "app" / "made.log").touch()
    assert not dirty(places(repo), "made.log")


def test_poetrys_local_configuration_counts_unless_git_ignores_it(repo: GitRepository) -> None:
    (repo.root / "app" / "poetry.toml").touch()
    assert dirty(places(repo))
    repo.commit({"app/.gitignore": "poetry.toml\n"})
    assert not dirty(places(repo))


@pytest.mark.parametrize("output", ["dist", "out[1]/*.d", ":(top)x"])
def test_changes_in_the_output_directory_do_not_count(repo: GitRepository, output: str) -> None:
    repo.commit({f"app/{output}/app.pex": ""})
    (repo.root / "app" / output / "app.pex").write_text("2\n", "utf-8")
    (repo.root / "app" / output / "new").touch()
    assert not dirty(places(repo, output=output))
    assert dirty(places(repo, output="."))
    assert dirty(places(repo, output="../dist"))


def test_a_change_in_a_path_dependency_of_the_same_repository_counts(repo: GitRepository) -> None:
    shelf = repo.root / "libs" / "shelf"
    for name in ("__pycache__/shelf.pyc", "shelf.egg-info/PKG-INFO", "build/lib/shelf.py", "dist/shelf.whl", "a.log"):
        (shelf / name).parent.mkdir(parents=True, exist_ok=True)
        (shelf / name).touch()
    assert not dirty(places(repo, shelf))  # caches, and what builds leave
    (shelf / "new.py").touch()
    assert dirty(places(repo, shelf))
    assert not dirty(places(repo))
    (shelf / "new.py").unlink()
    (shelf / "shelf.py").write_text("2\n", "utf-8")
    assert dirty(places(repo, shelf))


def test_a_change_in_a_path_dependency_of_another_repository_counts(repo: GitRepository, tmp_path: Path) -> None:
    shelf = tmp_path.resolve() / "shelf"
    shelf.mkdir()
    assert dirty(places(repo, shelf))  # it is in no commit
    (shelf / "shelf.py").touch()
    other = GitRepository(root=shelf, environ=ENVIRON)
    other.git("init", "--quiet")
    assert dirty(places(repo, shelf))
    other.commit()
    assert not dirty(places(repo, shelf))
    (shelf / "shelf.py").write_text("2\n", "utf-8")
    assert dirty(places(repo, shelf))


def test_a_path_dependency_that_git_ignores_is_in_no_commit(repo: GitRepository) -> None:
    shutil.copytree(repo.root / "libs" / "shelf", repo.root / "ignored" / "shelf")
    assert dirty(places(repo, repo.root / "ignored" / "shelf"))


def test_an_archive_counts_if_git_tracks_it_because_the_lock_has_its_digest(
    repo: GitRepository, tmp_path: Path
) -> None:
    outside = tmp_path.resolve() / "shelf.whl"
    outside.touch()
    assert not dirty(places(repo, outside))
    repo.commit({"libs/shelf.whl": ""})
    inside = repo.root / "libs" / "shelf.whl"
    assert not dirty(places(repo, inside))
    inside.write_text("2\n", "utf-8")
    assert dirty(places(repo, inside))


def test_a_path_dependency_in_a_submodule_counts_if_the_submodule_moved(repo: GitRepository, tmp_path: Path) -> None:
    origin = GitRepository(root=tmp_path.resolve() / "origin", environ=ENVIRON)
    origin.root.mkdir()
    origin.commit({"shelf/shelf.py": ""})
    repo.git("submodule", "--quiet", "add", str(origin.root), "libs/sub")
    repo.commit()
    shelf = repo.root / "libs" / "sub" / "shelf"
    assert not dirty(places(repo, shelf))
    GitRepository(root=repo.root / "libs" / "sub", environ=ENVIRON).commit({"shelf/shelf.py": "2\n"})
    assert dirty(places(repo, shelf))
    repo.commit()
    assert not dirty(places(repo, shelf))


def test_a_file_that_the_settings_name_counts_wherever_it_is(repo: GitRepository, tmp_path: Path) -> None:
    shared, outside = repo.root / "shared.toml", tmp_path.resolve() / "outside.toml"
    named = [shared, outside, repo.root / "app" / "poetry.lock"]  # none of them exists
    assert not dirty(places(repo, files=named))
    shared.touch()
    assert dirty(places(repo, files=named))
    repo.commit()
    assert not dirty(places(repo, files=named))
    outside.touch()
    assert dirty(places(repo, files=named))
    outside.unlink()
    (repo.root / "app" / "key.log").touch()
    assert dirty(places(repo, files=[repo.root / "app" / "key.log"]))  # Git ignores it, but nothing generates it
    shared.write_text("x = 1\n", "utf-8")
    assert dirty(places(repo, files=named))


@pytest.mark.parametrize("link", ["app/shared", "app/main.py"])
def test_a_change_behind_a_link_that_leads_out_of_the_project_counts(repo: GitRepository, link: str) -> None:
    path, target = repo.root / link, "../other/main.py" if link.endswith(".py") else "../other"
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    repo.commit()
    sources = ["shared/main.py"] if link == "app/shared" else []
    assert not dirty(places(repo), *sources)
    (repo.root / "other" / "main.py").write_text("2\n", "utf-8")
    assert dirty(places(repo), *sources)


def test_a_version_from_git_makes_every_tracked_file_of_the_repository_an_input(repo: GitRepository) -> None:
    whole = replace(places(repo), whole=True)
    (repo.root / "other" / "new.py").touch()
    assert not dirty(whole)
    (repo.root / "other" / "main.py").write_text("2\n", "utf-8")
    assert dirty(whole)
    assert not dirty(places(repo))


def test_the_places_of_a_target_are_those_of_its_inputs(make_target: MakeTarget, tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text('extends = "more/top.toml"\n', "utf-8")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "top.toml").touch()
    target = make_target(executable="bin/run", complete_platforms=["there.json"])
    (tmp_path / "run").touch()
    (target.project.root / "bin").mkdir()
    (target.project.root / "bin" / "run").symlink_to(tmp_path / "run")
    document = {"tool": {"nox-pex": {"extends": "../base.toml"}}}
    found = places_of(replace(target, project=replace(target.project, document=document)), ["../libs/shelf"])
    root = target.project.root
    assert (found.project, found.output) == (root, root / "dist")
    assert found.dependencies == {(tmp_path / "libs" / "shelf").resolve()}
    names = ("pyproject.toml", "poetry.lock", "bin/run", "there.json")
    assert found.files == {
        *(root / name for name in names),
        *(tmp_path / name for name in ("run", "base.toml", "more/top.toml")),
    }
    assert not found.whole
