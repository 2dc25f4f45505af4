from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import clean_environ
from tests.support.interpreters import pythons
from tests.support.locker import Locker
from tests.support.nox_project import Project


@pytest.fixture
def environ(shared: Path) -> dict[str, str]:
    """A user's shell, with every Python of this machine on PATH, and Git that asks nobody who commits."""
    clean = clean_environ()
    path = os.pathsep.join([*(str(python.parent) for python in pythons().values()), clean["PATH"]])
    author = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {**clean, **author, "PATH": path, "NOX_PEX_CACHE_DIR": str(shared / "cache")}


@pytest.fixture
def written(tmp_path: Path, environ: dict[str, str]) -> Callable[..., Project]:
    """Make a project of files given as text: nothing is locked in it yet."""

    def make(name: str, files: dict[str, str]) -> Project:
        for path, text in files.items():
            target = tmp_path / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
        # A cache of its own: Poetry keeps what it knows of a source by the source's name.
        made = Project(root=tmp_path / name, environ={**environ, "POETRY_CACHE_DIR": str(tmp_path / "poetry-cache")})
        made.write_noxfile()
        return made

    return make


@pytest.fixture
def lock(environ: dict[str, str]) -> Locker:
    """Write a project's `poetry.lock` with the real Poetry that nox-pex pins."""
    return Locker(environ=environ)
