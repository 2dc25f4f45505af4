from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nox_pex.system import locks
from tests.support.monorepo import write_monorepo
from tests.support.nox_project import CHECKOUT, Project, copy_fixture_project


@pytest.fixture
def built(shared: Path, tmp_path: Path, environ: dict[str, str]) -> Callable[[str], Project]:
    """Make a copy of a fixture project in which `nox -s pex` has run once in this run of pytest."""

    def make(name: str) -> Project:
        template = Project(root=shared / "built" / name, environ=environ)
        with locks.locked(shared / "built" / f"{name}.lock", waiting=lambda: None):
            if not (template.root / "done").exists():
                shutil.rmtree(template.root, ignore_errors=True)
                copy_fixture_project(name, template.root)
                template.write_noxfile()
                template.nox("-s", "pex")
                (template.root / "done").touch()
        shutil.copytree(template.root, tmp_path / name, symlinks=True, ignore=shutil.ignore_patterns("done"))
        return Project(root=tmp_path / name, environ=environ)

    return make


@pytest.fixture
def shop(shared: Path, tmp_path: Path, environ: dict[str, str]) -> Project:
    """A copy of the example in which all services were built once in this run of pytest."""
    template = shared / "built" / "monorepo"
    with locks.locked(shared / "built" / "monorepo.lock", waiting=lambda: None):
        if not (template / "done").exists():
            shutil.rmtree(template, ignore_errors=True)
            made = write_monorepo(template, environ)
            made.nox("-s", "pex(api)")
            Project(root=template / "services" / "clock", environ=made.environ).relock()
            made.nox("-s", "pex")
            (template / "done").touch()
    shutil.copytree(template, tmp_path / "shop", symlinks=True, ignore=shutil.ignore_patterns("done"))
    return Project(root=tmp_path / "shop", environ={**environ, "PYTHONPATH": str(CHECKOUT / "tasks")})
