from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from harness import Project, clean_environ

PROJECTS = Path(__file__).with_name("projects")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that all workers of this run share, and no other run."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture
def project(tmp_path: Path, shared: Path) -> Callable[[str], Project]:
    """Make a copy of a fixture project."""

    def make(name: str) -> Project:
        shutil.copytree(PROJECTS / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
        environ = {**clean_environ(), "NOX_PEX_CACHE_DIR": str(shared / "cache")}
        made = Project(root=tmp_path / name, environ=environ)
        made.noxfile()
        return made

    return make
