from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.project import pyproject
from nox_pex.project.pyproject import Project


@pytest.fixture
def service(tmp_path: Path) -> Project:
    text = """
        [project]
        name = "service"
        dependencies = ["idna"]
        optional-dependencies = { fast = ["h11"] }
        [dependency-groups]
        server = ["h11"]
    """
    (tmp_path / "pyproject.toml").write_text(text, "utf-8")
    return pyproject.read(tmp_path)
