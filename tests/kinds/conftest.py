from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from harness import Project, clean_environ, copied
from making import Locker, pythons


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that all workers of this run share, and no other run."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture
def environ(shared: Path) -> dict[str, str]:
    """A user's shell, with every Python of this machine on PATH, and Git that asks nobody who commits."""
    clean = clean_environ()
    path = os.pathsep.join([*(str(python.parent) for python in pythons().values()), clean["PATH"]])
    author = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {**clean, **author, "PATH": path, "NOX_PEX_CACHE_DIR": str(shared / "cache")}


@pytest.fixture
def project(tmp_path: Path, environ: dict[str, str]) -> Callable[[str], Project]:
    """Make a copy of a fixture project: nothing is installed in it yet."""

    def make(name: str) -> Project:
        made = Project(root=copied(name, tmp_path / name), environ=environ)
        made.noxfile()
        return made

    return make


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
        made.noxfile()
        return made

    return make


@pytest.fixture
def lock(environ: dict[str, str]) -> Locker:
    """Write a project's `poetry.lock` with the real Poetry that nox-pex pins."""
    return Locker(environ=environ)


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty directory to run a binary in; of a short name, since a shebang in PEX_ROOT below has 127 characters."""
    with tempfile.TemporaryDirectory(prefix="h") as made:
        yield Path(made).resolve()
