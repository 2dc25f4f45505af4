"""Git dependencies that cannot be fetched: the error has the reason of SSH, of Git or of the server."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.support.file_server import serve_files
from tests.support.git_repository import GitRepository
from tests.support.nox_project import Project
from tests.support.poetry_package import package_files

_FILES: Final = {
    "pyproject.toml": (
        '[tool.poetry]\nname = "app"\npackage-mode = false\n\n[tool.poetry.dependencies]\npython = ">=3.10"\n'
        'board = {{ git = "{url}", branch = "main" }}\n\n[tool.nox-pex.binary.app]\nentry-point = "main:main"\n'
    ),
    "poetry.lock": (
        '[[package]]\nname = "board"\nversion = "1.0"\ndescription = ""\noptional = false\npython-versions = "*"\n'
        'groups = ["main"]\nfiles = []\ndevelop = false\n\n[package.source]\ntype = "git"\nurl = "{url}"\n'
        'reference = "main"\nresolved_reference = "0123456789012345678901234567890123456789"\n\n'
        '[metadata]\nlock-version = "2.1"\npython-versions = ">=3.10"\ncontent-hash = ""\n'
    ),
    "main.py": "def main() -> None: ...\n",
}
_SSH: Final = '#!/bin/sh\nprintf "%s\\n" "$SSH_SAYS" >&2\nexit 255\n'
WITH_GIT: Final = {"POETRY_SYSTEM_GIT_CLIENT": "true", "POETRY_EXPERIMENTAL_SYSTEM_GIT_CLIENT": "true"}


@pytest.fixture
def locked(built: Callable[[str], Project], tmp_path: Path) -> Callable[[str], Project]:
    """Write a project that has locked `board` from the Git repository at an address."""
    environ = built("loose").environ
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ssh").write_text(_SSH, "utf-8")
    (tmp_path / "bin" / "ssh").chmod(0o755)

    def write(url: str) -> Project:
        path = os.pathsep.join([str(tmp_path / "bin"), environ["PATH"]])
        app = Project(root=tmp_path / "app", environ={**environ, "PATH": path})
        app.root.mkdir(exist_ok=True)
        for name, text in _FILES.items():
            (app.root / name).write_text(text.format(url=url), "utf-8")
        app.write_noxfile()
        app.relock()
        return app

    return write


@pytest.mark.parametrize("client", [{}, WITH_GIT], ids=["dulwich", "git"])
def test_the_reason_of_ssh_is_in_the_line(locked: Callable[[str], Project], client: Mapping[str, str]) -> None:
    app = locked("git@git.invalid:group/board.git")

    def refused(code: str, says: str) -> str:
        return app.refused(code, "-s", "install", env={**client, "SSH_SAYS": says})

    reason = "git@git.invalid: Permission denied (publickey)."
    line = refused("index-auth", reason)
    assert f"could not fetch board from git@git.invalid:group/board.git: {reason}; " in line
    assert "ssh-add" in line
    line = refused("install-failed", "No ED25519 host key is known for git.invalid.\nHost key verification failed.")
    assert "group/board.git: Host key verification failed.; " in line
    assert "`ssh-keyscan git.invalid`" in line


@pytest.mark.parametrize("client", [{}, WITH_GIT], ids=["dulwich", "git"])
def test_the_reason_of_a_server_is_in_the_line(
    locked: Callable[[str], Project], client: Mapping[str, str], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with serve_files(tmp_path / "empty", login="joe:hunter2") as private:
        line = locked(f"{private.url}/board.git").refused("index-auth", "-s", "install", env=client)
    assert "could not read Username for" in line
    with serve_files(tmp_path / "empty") as public:
        line = locked(f"{public.url}/board.git").refused("install-failed", "-s", "install", env=client)
    assert "not found; " in line or "there is no Git repository; " in line
    assert "correct the address" in line


@pytest.mark.parametrize("client", [{}, WITH_GIT], ids=["dulwich", "git"])
def test_a_commit_that_is_gone_is_named(
    locked: Callable[[str], Project], client: Mapping[str, str], environ: dict[str, str], tmp_path: Path
) -> None:
    origin = GitRepository(root=tmp_path / "origin", environ=environ)
    origin.root.mkdir()
    origin.commit(package_files("board", "board"))
    line = locked(origin.root.as_uri()).refused("install-failed", "-s", "install", env=client)
    assert "0123456789012345678901234567890123456789" in line
    assert "poetry update --lock board" in line
