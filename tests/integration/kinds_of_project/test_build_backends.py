"""The build of the project itself: build scripts, other backends, versions from Git, and `requires-poetry`."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.binaries import launch, members
from tests.support.git_repository import GitRepository
from tests.support.interpreters import pythons
from tests.support.locker import Locker
from tests.support.nox_project import Project

WriteProject = Callable[..., Project]

MAIN = """\
from importlib.metadata import entry_points, version


def main() -> None:
    print(version("app"), sorted(point.name for point in entry_points(group="app.plugins")))
"""
GITIGNORE = ".nox\ndist\n__pycache__\n"
PROJECT = '[project]\nname = "app"\nrequires-python = ">=3.10"\n'
POINTS = '[project.scripts]\nrun-app = "app:main"\n[project.entry-points."app.plugins"]\nown = "app:main"\n'


def git_status(project: Project) -> str:
    """The files of the checkout that are neither committed nor ignored by `.gitignore`, as Git prints them."""
    argv = ["git", "status", "--porcelain", "--untracked-files=all"]
    return subprocess.run(
        argv, cwd=project.root, env=project.environ, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.skipif("3.9" not in pythons(), reason="needs Python 3.9, from pyenv or on PATH")
@pytest.mark.parametrize("requirement", ["poetry-core", "poetry-core>=1.0.0,<2.0.0"])
def test_a_python_that_the_newest_poetry_core_no_longer_supports_gets_an_older_one(
    write_project: WriteProject, lock: Locker, home: Path, requirement: str
) -> None:
    files = {
        "pyproject.toml": (
            '[tool.poetry]\nname = "app"\nversion = "1.0"\ndescription = ""\nauthors = []\n'
            '[tool.poetry.dependencies]\npython = ">=3.9"\n[tool.poetry.scripts]\nrun-app = "app:main"\n'
            f'[build-system]\nrequires = ["{requirement}"]\nbuild-backend = "poetry.core.masonry.api"\n'
        ),
        "app.py": "import sys\n\n\ndef main():\n    print(sys.version_info[:2])\n",
    }
    app = write_project("app", files)
    lock(app)
    app.write_noxfile('python=["3.9"]')
    app.nox("-s", "pex")
    path = {"PATH": f"{pythons()['3.9'].parent}:/usr/bin:/bin"}
    assert launch(app.binary("app-py3.9"), home=home, env=path).output == "(3, 9)\n"


def test_a_build_script_that_compiles_is_run_again_after_an_edit_and_leaves_no_path_of_this_machine(
    write_project: WriteProject, lock: Locker, environ: dict[str, str], home: Path
) -> None:
    app = write_project(
        "app",
        {
            "pyproject.toml": (
                f'{PROJECT}version = "1.0"\n{POINTS}'
                '[tool.poetry.build]\nscript = "build.py"\ngenerate-setup-file = false\n'
                '[tool.poetry]\ninclude = [{ path = "app/*.so", format = "wheel" }]\n'
                '[build-system]\nrequires = ["poetry-core>=2.0", "setuptools>=77,<82"]\n'
                'build-backend = "poetry.core.masonry.api"\n'
            ),
            "build.py": (
                "import os, shutil\nfrom setuptools import Distribution, Extension\n"
                'extension = Extension("app.fast", [os.path.abspath("app/fast.c")])\n'
                'distribution = Distribution({"name": "app", "ext_modules": [extension]})\n'
                'command = distribution.get_command_obj("build_ext")\ncommand.build_temp = "build"\n'
                "command.ensure_finalized()\ncommand.run()\n"
                "for output in command.get_outputs():\n"
                "    shutil.copyfile(output, f\"app/{output.rpartition('/')[2]}\")\n"
            ),
            "app/__init__.py": MAIN.replace("print(", "from app.fast import ask\n\n    print(ask(), "),
            "app/fast.c": (
                "#include <Python.h>\n"
                "static PyObject *ask(PyObject *s, PyObject *a) { return PyLong_FromLong(42); }\n"
                'static PyMethodDef methods[] = {{"ask", ask, METH_NOARGS, __FILE__}, {NULL, NULL, 0, NULL}};\n'
                'static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fast", "", -1, methods};\n'
                "PyMODINIT_FUNC PyInit_fast(void) { return PyModule_Create(&module); }\n"
            ),
            ".gitignore": f"{GITIGNORE}build\n*.so\n",
        },
    )
    lock(app)
    GitRepository(root=app.root, environ=environ).commit()
    app.nox("-s", "pex")
    assert launch(app.binary("app"), home=home).output == "42 1.0 ['own']\n"
    assert git_status(app) == ""
    assert app.nox("-s", "pex").said("pex: app unchanged")
    app.edit("app/fast.c", "42", "43")
    result = app.nox("-s", "verify")  # its second build compiles in another directory
    assert result.said("leaks", "passed")
    assert result.said("reproducible", "passed")
    assert launch(app.binary("app"), home=home).output == "43 1.0 ['own']\n"


SMOKE = '[tool.nox-pex.binary.app]\nscript = "run-app"\n[[tool.nox-pex.binary.app.smoke.command]]\nargs = ["x"]\n'
OTHER_BACKENDS = {
    "hatchling": (
        '[tool.hatch.build.targets.wheel]\npackages = ["src/app"]\n'
        '[build-system]\nrequires = ["hatchling>=1.27,<2"]\nbuild-backend = "hatchling.build"\n'
    ),
    "setuptools": '[build-system]\nrequires = ["setuptools>=77,<82"]\nbuild-backend = "setuptools.build_meta"\n',
    "flit": '[build-system]\nrequires = ["flit_core>=3.11,<5"]\nbuild-backend = "flit_core.buildapi"\n',
    "pdm": '[build-system]\nrequires = ["pdm-backend>=2,<3"]\nbuild-backend = "pdm.backend"\n',
}


@pytest.mark.parametrize("backend", OTHER_BACKENDS)
def test_a_project_of_another_build_backend_is_built_and_rebuilt_without_removed_modules(
    write_project: WriteProject, lock: Locker, environ: dict[str, str], home: Path, backend: str
) -> None:
    app = write_project(
        "app",
        {
            "pyproject.toml": f'{PROJECT}version = "1.0"\ndescription = "An app"\n{POINTS}{OTHER_BACKENDS[backend]}',
            "src/app/__init__.py": MAIN,
            "src/app/gone.py": "",
            ".gitignore": GITIGNORE,
        },
    )
    lock(app)
    GitRepository(root=app.root, environ=environ).commit()
    app.nox("-s", "pex")
    assert launch(app.binary("app"), home=home).output == "1.0 ['own']\n"
    assert git_status(app) == ""
    assert app.nox("-s", "pex").said("pex: app unchanged")
    app.append("pyproject.toml", f"{SMOKE}[tool.ruff]\nline-length = 100\n")
    assert app.nox("-s", "pex").said("pex: app unchanged")
    # A removed module does not come back from files of an earlier build.
    (app.root / "src" / "app" / "gone.py").unlink()
    assert app.nox("-s", "pex").said("rebuilding app", "src/app/gone.py")
    assert "app/gone.py" not in app.record("app")["sources"]["taken"]


@pytest.mark.parametrize("kind", ["poetry-dynamic-versioning", "setuptools-scm", "hatch-vcs"])
def test_a_version_from_git_ships_and_a_new_tag_rebuilds_the_binary(
    write_project: WriteProject, lock: Locker, environ: dict[str, str], home: Path, kind: str
) -> None:
    tables = {
        "poetry-dynamic-versioning": (
            f'{PROJECT}dynamic = ["version"]\n{POINTS}'
            '[tool.poetry]\nversion = "0.0.0"\n[tool.poetry.requires-plugins]\npoetry-dynamic-versioning = ">=1.8"\n'
            "[tool.poetry-dynamic-versioning]\nenable = true\n"
            '[build-system]\nrequires = ["poetry-core>=2.0", "poetry-dynamic-versioning>=1.8,<2"]\n'
            'build-backend = "poetry_dynamic_versioning.backend"\n'
        ),
        "setuptools-scm": (
            f'{PROJECT}dynamic = ["version"]\n{POINTS}[tool.poetry]\nversion = "0.0.0"\n[tool.setuptools_scm]\n'
            '[build-system]\nrequires = ["setuptools>=77,<82", "setuptools-scm>=8,<10"]\n'
            'build-backend = "setuptools.build_meta"\n'
        ),
        "hatch-vcs": (
            f'{PROJECT}dynamic = ["version"]\n{POINTS}[tool.poetry]\nversion = "0.0.0"\n'
            '[tool.hatch.version]\nsource = "vcs"\n'
            '[build-system]\nrequires = ["hatchling>=1.27,<2", "hatch-vcs"]\nbuild-backend = "hatchling.build"\n'
        ),
    }
    app = write_project(
        "app", {"pyproject.toml": tables[kind], "app.py": MAIN, ".gitignore": GITIGNORE, "noxfile.py": ""}
    )
    lock(app)
    origin = GitRepository(root=app.root, environ=environ)
    origin.commit()
    origin.git("tag", "v1.2.3")
    before = (app.root / "pyproject.toml").read_bytes()
    result = app.nox("-s", "pex")
    assert launch(app.binary("app"), home=home).output == "1.2.3 ['own']\n", result.output
    assert app.record("app")["version"] == "1.2.3"
    assert (app.root / "pyproject.toml").read_bytes() == before
    assert git_status(app) == ""
    assert app.nox("-s", "pex").said("pex: app unchanged")
    # Only the tag changes, no file of the checkout.
    origin.git("tag", "--delete", "v1.2.3")
    origin.git("tag", "v2.0.0")
    assert app.nox("-s", "pex").said("rebuilding app", "version")
    assert launch(app.binary("app"), home=home).output == "2.0.0 ['own']\n"
    # A commit that no file of the binary is in.
    commit = origin.commit({"notes.txt": "text\n"})
    assert app.nox("-s", "pex").said("rebuilding app", "version")
    record = app.record("app")
    assert record["version"].startswith("2.0.")
    assert record["version"] != "2.0.0"
    assert record["git"] == {"commit": commit, "dirty": False}


def test_a_poetry_that_requires_poetry_excludes_is_refused_and_poetry_version_selects_another(
    write_project: WriteProject, lock: Locker
) -> None:
    app = write_project(
        "app",
        {
            "pyproject.toml": (
                '[tool.poetry]\nname = "app"\npackage-mode = false\nrequires-poetry = ">=2.0"\n'
                '[tool.poetry.dependencies]\npython = ">=3.10"\n'
                '[tool.nox-pex.binary.app]\nentry-point = "main:main"\n'
            ),
            "main.py": "def main() -> None:\n    print('here')\n",
        },
    )
    lock(app)
    app.nox("-s", "pex")
    app.edit("pyproject.toml", '">=2.0"', '">=2.0,<2.5"')
    line = app.refused("poetry-version", "-s", "pex")
    assert ">=2.0,<2.5" in line
    assert "tool.nox-pex.poetry-version" in line
    app.append("pyproject.toml", '[tool.nox-pex]\npoetry-version = "2.0.1"\n')
    app.nox("-s", "pex")
    assert app.record("app")["tools"]["poetry"] == "2.0.1"


def test_a_plugin_that_the_project_requires_leaves_the_checkout_clean(
    write_project: WriteProject, lock: Locker, environ: dict[str, str]
) -> None:
    app = write_project(
        "app",
        {
            "pyproject.toml": (
                '[tool.poetry]\nname = "app"\npackage-mode = false\n'
                '[tool.poetry.requires-plugins]\npoetry-plugin-shell = "==1.0.1"\n'
                '[tool.poetry.dependencies]\npython = ">=3.10"\n'
                '[tool.nox-pex.binary.app]\nentry-point = "main:main"\n'
            ),
            "main.py": "def main() -> None:\n    print('here')\n",
            ".gitignore": GITIGNORE,
        },
    )
    GitRepository(root=app.root, environ=environ).commit()
    lock(app)
    GitRepository(root=app.root, environ=environ).commit()
    app.nox("-s", "pex")
    assert git_status(app) == ""
    assert app.nox("-s", "pex").said("install: unchanged")
    assert (app.root / ".poetry" / "plugins" / "poetry_plugin_shell").is_dir()
    assert [name for name in members(app.binary("app")) if "plugin" in name] == []
