from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.project import build_backend, outside, pyproject
from nox_pex.project.pyproject import Project
from tests.support.git_repository import GitRepository


def written(top: Path, packages: str, *, added: str = "", files: dict[str, str] | None = None) -> Project:
    """A project in `top/projects/app` with the entry `packages`, and files, by their paths from `top`."""
    for name, text in {
        "projects/app/pyproject.toml": (
            f'[tool.poetry]\nname = "app"\nversion = "1"\npackages = [{packages}]\nreadme = "../../README.md"\n{added}'
        ),
        "projects/app/own.py": "",
        "bases/ns/core/__init__.py": "",
        "bases/ns/core/data/table.csv": "",
        "bases/ns/core/__pycache__/x.pyc": "",
        "bases/ns/other.py": "",
        "README.md": "",
        **(files or {}),
    }.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text, "utf-8")
    return pyproject.read(top / "projects" / "app")


CORE = '{ include = "ns/core", from = "../../bases" }'
CORE_FILES = ("../../bases/ns/core/__init__.py", "../../bases/ns/core/data/table.csv")


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        (CORE, CORE_FILES),
        ('{ include = "ns/*.py", from = "../../bases" }', ("../../bases/ns/other.py",)),
        ('{ include = "ns/**/*.py", from = "../../bases/" }', (CORE_FILES[0], "../../bases/ns/other.py")),
        ('{ include = "bases/ns/other.py", from = "../.." }', ("../../bases/ns/other.py",)),
    ],
)
def test_the_files_of_packages_outside_are_found(tmp_path: Path, packages: str, expected: tuple[str, ...]) -> None:
    project = written(tmp_path, packages)
    assert outside.files(project) == tuple(sorted((*expected, "../../README.md")))
    assert project.package_root == ""


@pytest.mark.parametrize("added", ["package-mode = false\n", '[build-system]\nbuild-backend = "hatchling.build"\n'])
def test_only_what_poetry_builds_has_packages_outside(tmp_path: Path, added: str) -> None:
    assert outside.files(written(tmp_path, CORE, added=added)) == ()


def test_a_project_with_all_packages_inside_needs_nothing_outside(tmp_path: Path) -> None:
    project = written(tmp_path, '{ include = "own.py" }, { include = "x", from = "src/../lib" }')
    assert (outside.packages(project), outside.files(project)) == ((), ())


def test_the_copy_has_the_packages_inside(tmp_path: Path) -> None:
    packages = f'{{ include = "own.py" }}, {CORE[:-1]}, to = "deep" }}'
    project = written(
        tmp_path / "top", packages, files={"projects/app/built.txt": ""}, added='include = ["built.txt"]\n'
    )
    (tmp_path / "top" / "bases/ns/core/__init__.py").chmod(0o755)
    (tmp_path / "top" / ".gitignore").write_text("built.txt\n*.csv\n", "utf-8")
    GitRepository(root=tmp_path / "top", environ=os.environ).commit()
    copy = outside.copy_inside(project, tmp_path / "copy")
    assert {path.relative_to(copy.root).as_posix() for path in copy.root.rglob("*") if path.is_file()} == {
        "built.txt",
        "nox_pex_outside/1/ns/core/__init__.py",
        "own.py",
        "pyproject.toml",
    }
    assert (copy.root / "../../README.md").is_file()
    assert (copy.root / "nox_pex_outside/1/ns/core/__init__.py").stat().st_mode & 0o100
    document = tomllib.loads(copy.file.read_text("utf-8"))
    assert document == copy.document
    assert document["tool"]["poetry"]["packages"] == [
        {"include": "own.py"},
        {"include": "ns/core", "from": "nox_pex_outside/1", "to": "deep"},
    ]
    assert project.document["tool"]["poetry"]["packages"][1]["from"] == "../../bases"


def test_the_files_outside_are_inputs(tmp_path: Path) -> None:
    project = written(tmp_path, CORE)
    before = build_backend.file_digests(project, ["own.py"])
    (tmp_path / "bases/ns/core/__init__.py").write_text("CHANGED = True\n", "utf-8")
    after = build_backend.file_digests(project, ["own.py"])
    assert {name for name in after if after[name] != before.get(name)} == {CORE_FILES[0]}


def test_an_entry_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    project = written(tmp_path, '{ include = "ns/gone", from = "../../bases" }')
    with pytest.raises(NoxPexError, match=r"names ns/gone in .*bases, and Git would commit no such file"):
        outside.files(project)
