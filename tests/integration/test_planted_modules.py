"""Modules in the project's directory that have the names of libraries and of the standard library.

No Python that nox-pex starts may import one of them, nor may nox-pex itself.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.support.commands import Result, run
from tests.support.nox_project import CHECKOUT, Project

pytestmark = pytest.mark.usefixtures("cold_tools")

STANDARD = {name for name in sys.stdlib_module_names if name not in ("antigravity", "this")}
STARTUP = {"sitecustomize", "usercustomize"}
SMOKE = '[tool.nox-pex.binary.greet]\nscript = "greet"\n[[tool.nox-pex.binary.greet.smoke.command]]\n'
OWN = {"nox_pex", "tests", "noxfile", "greeting", "counter", "errand", "wares"}


def libraries(*directories: Path) -> set[str]:
    """The names of all modules and packages in directories of libraries."""
    names = {entry.name.partition(".")[0] for directory in directories for entry in directory.iterdir()}
    return {name for name in names if name.isidentifier() and not name.startswith("__")}


def plant(project: Project, names: Iterable[str]) -> Path:
    """Write a module of each name that notes its import in a directory, which is returned, and fails."""
    imported = project.root.parent / "imported"
    imported.mkdir()
    for name in names:
        text = f"open({str(imported / name)!r}, 'w').close()\nraise SystemError('this is the module of the project')\n"
        (project.root / f"{name}.py").write_text(text, "utf-8")
    return imported


def needed_by_nox() -> set[str]:
    """The modules that Nox itself imports: with `python -m nox`, those of the project's directory come first."""
    return imported_by("nox.__main__, nox.tasks, nox.virtualenv, runpy, uv")


def imported_by(names: str) -> set[str]:
    """The top-level modules that the modules `names` import."""
    code = f"import sys, {names}; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return {name.partition(".")[0] for name in shown.split()}


@pytest.fixture
def all_libraries(built: Callable[[str], Project]) -> set[str]:
    """The names of what Poetry, pex, a build backend, Nox and nox-pex have installed."""
    tools = built("mixed").cache / "tools"
    here = [Path(entry) for entry in sys.path if entry.endswith("site-packages")]
    return libraries(*tools.glob("*/lib/python*/site-packages"), *here) - OWN


@pytest.fixture
def greet(project: Callable[[str], Project], scratch: Path) -> Project:
    """A packaged project with a smoke test, and a new cache, so that every tool is installed."""
    packaged = project("packaged")
    packaged.append("pyproject.toml", SMOKE)
    environ = {**packaged.environ, "NOX_PEX_CACHE_DIR": str(scratch / "cache")}
    return Project(root=packaged.root, environ=environ)


def run_script(project: Project, *arguments: str) -> Result:
    """Run the script `nox`, which does not put the project's directory on `sys.path`."""
    script = shutil.which("nox", path=str(Path(sys.executable).parent))
    assert script is not None
    return run([script, *arguments], cwd=project.root, env={**project.environ, "PWD": str(project.root)})


@pytest.mark.long
def test_no_tool_imports_a_module_of_a_package(greet: Project, all_libraries: set[str]) -> None:
    assert {"build", "requests", "packaging", "installer", "pex", "uv", "msgspec"} <= all_libraries
    imported = plant(greet, all_libraries | STANDARD | STARTUP)
    result = run_script(greet, "-s", "pex", "smoke", "verify", "platform")
    assert [path.name for path in imported.iterdir()] == []
    assert result.status == 0, result.output


def test_no_tool_imports_a_loose_source(project: Callable[[str], Project], all_libraries: set[str]) -> None:
    """They ship, and shadow the libraries in the binary as in a checkout. But nothing imports them during the build."""
    loose = project("loose")
    imported = plant(loose, all_libraries | STANDARD | STARTUP)
    result = run_script(loose, "-s", "pex", "verify")
    assert [path.name for path in imported.iterdir()] == []
    assert result.status == 0, result.output


@pytest.mark.long
def test_nox_pex_itself_imports_no_module_of_the_project(greet: Project, all_libraries: set[str]) -> None:
    """`python -m nox` and PYTHONPATH put the project's directory on `sys.path`."""
    existing = {name for name in STANDARD if importlib.util.find_spec(name) is not None}  # the library tries others
    imported = plant(greet, (all_libraries | existing) - needed_by_nox())
    result = greet.run("-s", "pex", "smoke", "verify", "platform")
    assert [path.name for path in imported.iterdir()] == []
    assert result.status == 0, result.output


def test_the_tasks_of_invoke_import_no_module_of_the_project(greet: Project, all_libraries: set[str]) -> None:
    (greet.root / "tasks.py").write_text("from nox_pex.invoke import ns\n", "utf-8")
    imported = plant(greet, all_libraries - imported_by("invoke.main, nox, nox.virtualenv, runpy"))
    environ = {**greet.environ, "PYTHONPATH": str(CHECKOUT / "tasks")}
    result = run([sys.executable, "-m", "invoke", "pex"], cwd=greet.root, env=environ)
    assert [path.name for path in imported.iterdir()] == []
    assert result.status == 0, result.output


def test_no_tool_imports_a_module_through_pythonpath(greet: Project, all_libraries: set[str]) -> None:
    imported = plant(greet, all_libraries - needed_by_nox())
    result = greet.run("-s", "pex", env={"PYTHONPATH": "."})
    assert [path.name for path in imported.iterdir()] == []
    assert result.status == 0, result.output


def test_uv_reads_no_settings_of_the_project(greet: Project) -> None:
    greet.append("pyproject.toml", '[tool.uv]\nrequired-version = "==0.0.1"\n')
    (greet.root / "uv.toml").write_text('required-version = "==0.0.1"\n', "utf-8")
    greet.nox("-s", "install")
