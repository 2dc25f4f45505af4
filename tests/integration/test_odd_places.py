"""Projects, caches and temporary directories whose paths have characters with a meaning to some tool."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.digests import digest
from tests.support.nox_project import Project

EVERYTHING = "svc:main @job%2Ffeature #1? a;b 'c' \"d\" $HOME {e}[f]* ü,&|!=~\\ new\nline"
"""A name with every character that a shell, a URL, a requirement, a variable, a pattern or a table gives a meaning."""

SMOKE = '[tool.nox-pex.binary.greet]\nscript = "greet"\n[[tool.nox-pex.binary.greet.smoke.command]]\n'


pytestmark = pytest.mark.usefixtures("cold_tools")


@pytest.fixture
def greet(project: Callable[[str], Project]) -> Project:
    """A packaged project with a smoke test."""
    packaged = project("packaged")
    packaged.append("pyproject.toml", SMOKE)
    return packaged


def moved(project: Project, into: Path, **environ: str) -> Project:
    """A copy of a project in the directory `into`, with other variables."""
    shutil.copytree(project.root, into, ignore=shutil.ignore_patterns("dist", ".nox", "__pycache__"))
    return Project(root=into, environ={**project.environ, **environ})


@pytest.mark.parametrize("name", ["svc:main", "job%2Ffeature", "a#b", "what?", "[a]"])
def test_a_package_in_a_directory_with_such_a_name_has_the_same_bytes(
    built: Callable[[str], Project], tmp_path: Path, name: str
) -> None:
    packaged = built("packaged")
    other = moved(packaged, tmp_path / name / "packaged")
    other.nox("-s", "pex")
    assert digest(other.binary("greeting-cards")) == digest(packaged.binary("greeting-cards"))


@pytest.mark.long
def test_everything_works_if_all_directories_have_such_names(greet: Project, scratch: Path) -> None:
    """Also the cache, which is new, so that all tools are installed there, the temporary directory and the home."""
    greet.nox("-s", "pex")
    place = scratch / EVERYTHING
    environ = {"NOX_PEX_CACHE_DIR": str(place / "cache"), "TMPDIR": str(place / "tmp"), "HOME": str(place / "home")}
    for name in ("TMPDIR", "HOME"):
        Path(environ[name]).mkdir(parents=True)
    other = moved(greet, place / "greet", **environ)
    other.nox("-s", "pex", "smoke", "verify")
    assert digest(other.binary("greet")) == digest(greet.binary("greet"))
    assert other.nox("-s", "pex").said("pex: greet unchanged")
    other.nox("-s", "clean")
    assert not other.binary("greet").exists()


def test_virtualenv_makes_environments_in_such_a_directory(greet: Project, tmp_path: Path) -> None:
    other = moved(greet, tmp_path / EVERYTHING / "greet", UV="/nonexistent/uv")
    other.nox("-s", "install")
    assert other.installed() == {"idna-3.11"}


@pytest.mark.parametrize("kind", ["loose", "path_dependency"])
def test_sources_and_path_dependencies_are_found_in_such_a_directory(
    project: Callable[[str], Project], tmp_path: Path, kind: str
) -> None:
    plain = project(kind)
    plain.nox("-s", "pex")
    other = moved(plain, tmp_path / EVERYTHING / kind)
    other.nox("-s", "pex", "verify")
    (binary,) = (plain.root / "dist").glob("*.pex")
    assert digest(other.root / "dist" / binary.name) == digest(binary)


def test_a_directory_that_is_not_utf_8_is_refused(project: Callable[[str], Project], tmp_path: Path) -> None:
    plain = project("loose")
    name = "lat\udce9"
    other = moved(plain, tmp_path / name / "loose")
    assert r"the path of the project is not UTF-8: " in other.refused("usage", "-s", "install")
