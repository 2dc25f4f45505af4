from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.nox_project import Project

PROJECTS = Path(__file__).with_name("projects")


@pytest.fixture
def project(tmp_path: Path, environ: dict[str, str]) -> Callable[[str], Project]:
    """Make a copy of one of the fixture projects beside this file."""

    def make(name: str) -> Project:
        shutil.copytree(PROJECTS / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
        made = Project(root=tmp_path / name, environ=environ)
        made.write_noxfile()
        return made

    return make
