"""Projects that `poetry install` accepts although their names or places do not match: misnamed, or outside."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.binaries import launch, members
from tests.support.digests import digest
from tests.support.git_repository import GitRepository
from tests.support.locker import Locker
from tests.support.nox_project import Project
from tests.support.poetry_package import BUILD_SYSTEM

WriteProject = Callable[..., Project]


@pytest.mark.long
def test_a_dependency_whose_metadata_has_another_name_than_the_lock_ships(
    write_project: WriteProject, lock: Locker, home: Path
) -> None:
    setup = 'from setuptools import setup\n\nsetup(name="{}", version="1.0", py_modules=["canonical"])\n'
    app = write_project(
        "app",
        {
            "pyproject.toml": (
                '[tool.poetry]\nname = "app"\npackage-mode = false\n\n'
                '[tool.poetry.dependencies]\npython = ">=3.10"\ncannonical-api = { path = "../sdk" }\n\n'
                '[tool.nox-pex.binary.app]\nentry-point = "main:main"\n'
            ),
            "main.py": "from canonical import TEXT\n\n\ndef main():\n    print(TEXT)\n",
            "../sdk/setup.py": setup.format("cannonical-api"),
            "../sdk/canonical.py": "TEXT = 'first'\n",
        },
    )
    lock(app)
    (app.root / "../sdk/setup.py").write_text(setup.format("canonical"), "utf-8")
    built = app.nox("-s", "freeze", "verify")
    assert built.said("warning: canonical 1.0 ships", "poetry.lock calls it cannonical-api")
    assert launch(app.binary("app"), home=home).output == "first\n"
    (found,) = app.record("app")["disagreements"]
    assert (found["kind"], found["text"]) == ("renamed", "cannonical-api")
    pins = (app.root / "dist" / "app.requirements-direct.txt").read_text("utf-8")
    assert "cannonical-api @ ../sdk" in pins
    assert "--hash=sha256:" in pins
    assert app.nox("-s", "pex").said("app unchanged")
    app.edit("../sdk/canonical.py", "first", "second")
    app.nox("-s", "pex")
    assert launch(app.binary("app"), home=home).output == "second\n"


@pytest.mark.long
def test_packages_outside_of_the_project_ship_and_are_inputs(
    write_project: WriteProject, lock: Locker, home: Path, tmp_path: Path
) -> None:
    app = write_project(
        "repository/projects/app",
        {
            "pyproject.toml": (
                '[tool.poetry]\nname = "app"\nversion = "1.0"\ndescription = ""\nauthors = []\n'
                'readme = "../../README.md"\npackages = [\n'
                '    { include = "ns/core", from = "../../bases" },\n'
                '    { include = "ns/*", from = "../../components" },\n'
                '    { include = "own.py" },\n]\n\n'
                '[tool.poetry.dependencies]\npython = ">=3.10"\n\n'
                '[tool.poetry.scripts]\napp = "ns.core:run"\n\n'
                f'{BUILD_SYSTEM}\n[tool.nox-pex.binary.app]\nscript = "app"\n'
            ),
            "own.py": "TEXT = 'own'\n",
            "../../README.md": "# app\n",
            "../../.gitignore": "*.local\n.nox/\ndist/\n",
            "../../bases/ns/core/__init__.py": (
                "from own import TEXT\nfrom ns.part import PART\n\n\ndef run():\n    print(TEXT, PART)\n"
            ),
            "../../bases/ns/core/secret.local": "",
            "../../bases/ns/other/__init__.py": "",
            "../../components/ns/part/__init__.py": "PART = 'first'\n",
        },
    )
    lock(app)
    top = app.root.parent.parent
    repository = GitRepository(root=top, environ=app.environ)
    repository.commit()
    app.nox("-s", "verify")
    assert launch(app.binary("app"), home=home).output == "own first\n"
    names = members(app.binary("app"))
    assert not [name for name in names if name.endswith(("secret.local", "ns/other/__init__.py"))]
    assert app.record("app")["git"]["dirty"] is False
    assert app.nox("-s", "pex").said("app unchanged")

    copy = tmp_path / "elsewhere"
    shutil.copytree(top, copy, ignore=shutil.ignore_patterns(".nox", "dist"))
    elsewhere = Project(root=copy / "projects" / "app", environ=app.environ)
    elsewhere.nox("-s", "pex")
    assert digest(elsewhere.binary("app")) == digest(app.binary("app"))

    app.edit("../../components/ns/part/__init__.py", "first", "second")
    assert app.nox("-s", "pex").said("rebuilding app", "components/ns/part/__init__.py")
    assert launch(app.binary("app"), home=home).output == "own second\n"
    assert app.record("app")["git"]["dirty"] is True
