from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.nox_project import Project

PROJECTS = Path(__file__).with_name("projects")


@pytest.fixture
def project(tmp_path: Path, environ: dict[str, str]) -> Callable[[str], Project]:
    """Copy one of the fixture projects next to this file. Nothing is installed in it yet."""

    def copy(name: str) -> Project:
        shutil.copytree(PROJECTS / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
        project = Project(root=tmp_path / name, environ=environ)
        project.write_noxfile()
        return project

    return copy
