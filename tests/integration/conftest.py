from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nox_pex import files
from tests.integration.harness import Project, copied


@pytest.fixture
def built(shared: Path, tmp_path: Path, environ: dict[str, str]) -> Callable[[str], Project]:
    """Make a copy of a fixture project in which `nox -s pex` has run once in this run of pytest."""

    def make(name: str) -> Project:
        template = Project(root=shared / "built" / name, environ=environ)
        with files.locked(shared / "built" / f"{name}.lock", waiting=lambda: None):
            if not (template.root / "done").exists():
                shutil.rmtree(template.root, ignore_errors=True)
                copied(name, template.root)
                template.noxfile()
                template.nox("-s", "pex")
                (template.root / "done").touch()
        shutil.copytree(template.root, tmp_path / name, symlinks=True, ignore=shutil.ignore_patterns("done"))
        return Project(root=tmp_path / name, environ=environ)

    return make
