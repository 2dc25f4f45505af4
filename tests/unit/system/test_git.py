from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.system.git import Git, Status

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="Git is not installed")

ENVIRON = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@host.example",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@host.example",
}


def git(root: Path, *arguments: str) -> str:
    argv = ["git", *arguments]
    return subprocess.run(argv, cwd=root, env=ENVIRON, capture_output=True, text=True, check=True).stdout.strip()


def repository(root: Path, files: Mapping[str, str]) -> Path:
    """A new repository with `files` in its one commit."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "first")
    return root


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path.resolve() / "repo", {"app/main.py": "1\n", "app/old.py": "1\n", ".gitignore": "*.log\n"})


def ask(root: Path, **variables: str) -> Git:
    return Git(root=root, environ={**ENVIRON, **variables})


def test_files_are_those_that_git_would_commit(repo: Path) -> None:
    (repo / "app" / "new.py").touch()
    (repo / "app" / "a.log").touch()
    (repo / os.fsdecode(b"\xff.txt")).touch()
    (repo / "app" / "old.py").unlink()
    names = [".gitignore", "app/main.py", "app/new.py", "app/old.py", os.fsdecode(b"\xff.txt")]
    assert sorted(ask(repo).files() or ()) == sorted(names)  # what is deleted and still in the index is among them
    assert sorted(ask(repo / "app").files() or ()) == ["main.py", "new.py", "old.py"]


def test_a_directory_that_git_ignores_has_no_files(repo: Path) -> None:
    (repo / "scratch.log").mkdir()
    (repo / "scratch.log" / "main.py").touch()
    assert ask(repo / "scratch.log").files() is None


def test_the_top_and_the_directory_of_the_repository(repo: Path, tmp_path: Path) -> None:
    assert ask(repo / "app").top() == repo
    assert ask(repo / "app").directory() == str(repo / ".git")
    (tmp_path / "link").symlink_to(repo / "app")
    assert ask(tmp_path / "link").top() is None  # the work tree that Git names does not hold this path


def test_the_status_has_the_commit_and_every_difference_from_it(repo: Path) -> None:
    head = git(repo, "rev-parse", "HEAD")
    assert ask(repo).status(["."]) == Status(commit=head)
    (repo / "app" / "main.py").write_text("2\n", "utf-8")
    git(repo, "mv", "app/old.py", "app/a b.py")
    (repo / "app" / os.fsdecode(b"\xff\n.txt")).touch()
    (repo / "app" / "a.log").touch()
    (repo / "logs.log").mkdir()
    (repo / "logs.log" / "x").touch()
    assert ask(repo).status(["."]) == Status(
        commit=head,
        changed=("app/a b.py", "app/main.py", "app/old.py"),
        untracked=(os.fsdecode(b"app/\xff\n.txt"),),
        ignored=("app/a.log", "logs.log/"),
    )


def test_the_status_is_that_of_the_paths_alone(repo: Path) -> None:
    for name in ("app/x.py", "*.d/x", ":(top)y/z"):
        (repo / name).parent.mkdir(exist_ok=True)
        (repo / name).touch()
    for paths, untracked in ((["app"], ("app/x.py",)), (["*.d"], ("*.d/x",)), ([":(top)y", "none"], (":(top)y/z",))):
        found = ask(repo).status(paths)
        assert found is not None
        assert found.untracked == untracked


def test_the_users_configuration_hides_nothing_from_the_status(repo: Path) -> None:
    origin = repository(repo.parent / "origin", {"lib.py": "1\n"})
    git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(origin), "lib")
    git(repo, "commit", "--quiet", "--message", "second")
    for key, value in (("status.showUntrackedFiles", "no"), ("diff.ignoreSubmodules", "all"), ("color.ui", "always")):
        git(repo, "config", key, value)
    git(repo, "config", "submodule.lib.ignore", "all")
    (repo / "new.py").touch()
    (repo / "lib" / "lib.py").write_text("2\n", "utf-8")
    found = ask(repo).status(["."])
    assert found is not None
    assert (found.changed, found.untracked) == (("lib",), ("new.py",))


def test_a_file_in_a_conflict_has_changed(repo: Path) -> None:
    git(repo, "checkout", "--quiet", "-b", "other")
    for branch in ("other", "-"):
        (repo / "app" / "main.py").write_text(f"{branch}\n", "utf-8")
        git(repo, "commit", "--quiet", "--all", "--message", branch)
        git(repo, "checkout", "--quiet", "-")
    subprocess.run(["git", "merge", "--quiet", "-"], cwd=repo, env=ENVIRON, capture_output=True, check=False)
    found = ask(repo).status(["."])
    assert found is not None
    assert found.changed == ("app/main.py",)


def test_an_answer_has_no_newline_at_its_end(repo: Path) -> None:
    assert ask(repo).ask("rev-parse", "--is-inside-work-tree") == "true"
    assert ask(repo).ask("ls-files", "app") == "app/main.py\napp/old.py"


def test_a_question_never_writes_to_the_repository(repo: Path) -> None:
    index = repo / ".git" / "index"
    before = index.read_bytes()
    os.utime(repo / "app" / "main.py", (1, 1))  # so that the index is no longer up to date
    assert ask(repo).status(["."]) == Status(commit=git(repo, "rev-parse", "HEAD"))
    assert index.read_bytes() == before
    git(repo, "status")
    assert index.read_bytes() != before  # which Git does write, unless it is told not to


def test_the_variables_of_a_hook_lead_to_no_other_repository(repo: Path, tmp_path: Path) -> None:
    other = repository(tmp_path / "other", {"other.py": "1\n"})
    hook = {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / ".git" / "index"),
        "GIT_PREFIX": "other/",
    }
    hook |= {
        name: str(tmp_path)
        for name in git(repo, "rev-parse", "--local-env-vars").split()
        if name not in {"GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS"} | hook.keys()
    }
    assert ask(repo, **hook).files() == ask(repo).files()
    assert ask(repo, **hook).top() == repo
    assert ask(repo, **hook).status(["."]) == ask(repo).status(["."])


def all_answers(git: Git) -> list[object]:
    return [git.ask("status"), git.files(), git.top(), git.directory(), git.status(["."])]


def other_answers(git: Git) -> list[object]:
    """All answers except the files."""
    return [git.ask("status"), git.top(), git.directory(), git.status(["."])]


def refusal(root: Path, **variables: str) -> NoxPexError:
    with pytest.raises(NoxPexError) as caught:
        ask(root, **variables).files()
    assert caught.value.code == "git"
    return caught.value


def test_without_git_there_is_no_answer_and_no_guess_what_it_ignores(repo: Path, tmp_path: Path) -> None:
    assert other_answers(ask(repo, PATH=str(tmp_path))) == [None] * 4
    error = refusal(repo / "app", PATH=str(tmp_path))
    assert error.problem.startswith(f"{repo / '.git'} exists, but Git is not installed")
    assert error.remedy.startswith(f"install Git, or remove {repo / '.git'}")


def test_without_a_repository_there_is_no_answer(tmp_path: Path) -> None:
    assert all_answers(ask(tmp_path, GIT_CEILING_DIRECTORIES=str(tmp_path.resolve().parent))) == [None] * 5
    assert all_answers(ask(tmp_path / "missing")) == [None] * 5


def test_if_git_refuses_there_is_no_answer_but_its_reason(repo: Path) -> None:
    (repo / ".git" / "config").write_text("[", "utf-8")
    assert other_answers(ask(repo)) == [None] * 4
    error = refusal(repo)
    assert "bad config line" in error.problem
    assert error.remedy.startswith(f"make `git -C {repo} status` work")


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("HEAD", "nonsense", "not a git repository"),
        ("index", "nonsense", "index file smaller than expected"),
        (None, "gitdir: /nowhere/x\n", "/nowhere/x"),
        (None, "", "invalid gitfile format"),
    ],
)
def test_a_repository_that_is_damaged_is_refused(repo: Path, file: str | None, text: str, reason: str) -> None:
    if file is None:
        shutil.rmtree(repo / ".git")
    (repo / ".git" / (file or "")).write_text(text, "utf-8")
    assert reason in refusal(repo / "app", LANGUAGE="de").problem


def test_a_repository_that_is_empty_or_a_broken_link_is_refused(repo: Path) -> None:
    shutil.rmtree(repo / ".git")
    (repo / ".git").mkdir()
    assert "not a git repository" in refusal(repo).problem
    (repo / ".git").rmdir()
    (repo / ".git").symlink_to("nowhere")
    assert "not a git repository" in refusal(repo).problem


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_a_repository_of_another_user_is_refused_with_the_command_to_trust_it(repo: Path) -> None:
    for path in (repo, *repo.rglob("*")):
        os.chown(path, 65534, 65534)
    error = refusal(repo / "app")
    assert "dubious ownership" in error.problem
    assert error.remedy == f"if you trust it, run `git config --global --add safe.directory {repo}`"
    trusted = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": str(repo)}
    assert ask(repo, **trusted).files()


def test_a_submodule_and_another_repository_are_one_path_each(repo: Path, tmp_path: Path) -> None:
    other = repository(tmp_path.resolve() / "other", {"x.py": "1\n"})
    git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "sub")
    shutil.copytree(other, repo / "nested")
    assert {"sub", "nested/"} <= set(ask(repo).files() or ())
    git(repo, "config", "submodule.recurse", "true")
    assert {"sub", "nested/"} <= set(ask(repo).files() or ())


def test_a_repository_without_a_commit_has_files_and_no_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "main.py").touch()
    assert ask(tmp_path).files() == ["main.py"]
    assert ask(tmp_path).status(["."]) == Status(commit=None, untracked=("main.py",))


@pytest.mark.parametrize("path", [".gitignore", ".git/index", ".git/info/exclude", ".git/HEAD", ".git/config"])
def test_git_is_not_asked_if_it_would_wait_for_a_fifo(repo: Path, path: str) -> None:
    (repo / path).unlink()
    os.mkfifo(repo / path)
    with pytest.raises(NoxPexError, match="is neither a file nor a directory") as refused:
        Git(root=repo / "app", environ=ENVIRON).files()
    assert (refused.value.code, str(repo / path) in refused.value.problem) == ("git", True)
    assert Git(root=repo / "app", environ=ENVIRON).top() is None
