"""The files of this repository agree with each other."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import nox.project
import pytest

import nox_pex
from nox_pex.tools import pinned

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
README = (ROOT / "README.md").read_text("utf-8")

EXCLUDED_BY_RUFF: Final = {
    *("__pypackages__", "_build", "buck-out", "build", "dist", "node_modules", "site-packages", "venv"),
}
"""Directories that ruff 0.14 excludes by default (its setting `exclude`), without those that begin with a dot."""


def tracked(*patterns: str) -> list[Path]:
    """The files that Git tracks and that exist, relative to the root."""
    argv = ["git", "ls-files", "-z", "--", *patterns]
    listed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_pytest_collects_every_test_file() -> None:
    fixtures = {"projects", "programs/programs"}  # what tests build, run or copy
    on_disk = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    expected = {name for name in on_disk if not any(f"/{directory}/" in name for directory in fixtures)}
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    argv = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cacheprovider"]

    result = subprocess.run(argv, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout
    assert set(re.findall(r"^(\S+\.py): \d+$", result.stdout, re.MULTILINE)) == expected


def test_no_python_file_is_in_a_directory_that_ruff_excludes_by_default() -> None:
    assert [file for file in tracked("*.py") if EXCLUDED_BY_RUFF & set(file.parts)] == []


def test_ruff_checks_every_python_file() -> None:
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent))
    if ruff is None:
        pytest.skip("ruff is not installed next to this Python")

    listed = subprocess.run(
        [ruff, "check", "--show-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert {ROOT / file for file in tracked("*.py")} <= {Path(line) for line in listed.splitlines()}


def test_the_noxfile_depends_on_what_the_library_depends_on() -> None:
    header = nox.project.load_toml(str(ROOT / "noxfile.py"))

    assert header["dependencies"] == PYPROJECT["project"]["dependencies"]
    assert header["requires-python"] == PYPROJECT["project"]["requires-python"]


def test_the_version_in_the_code_is_the_version_in_pyproject() -> None:
    assert nox_pex.__version__ == PYPROJECT["project"]["version"]


def test_ci_runs_the_command_of_the_readme_for_the_tests() -> None:
    line = re.search(r"<!-- the tests -->\n```sh\n(?P<line>.+)\n```", README)

    assert line is not None
    assert line["line"] in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()


def test_the_noxfile_in_the_readme_is_complete() -> None:
    example = re.search(r"```python\n(?P<code># /// script\n.+?)```", README, re.DOTALL)

    assert example is not None
    compile(example["code"], "noxfile.py", "exec")
    assert re.findall(r"nox_pex\.(\w+)", example["code"]) == ["register"]


def test_our_lock_was_written_by_the_pinned_poetry() -> None:
    locked = (ROOT / "poetry.lock").read_text("utf-8").splitlines()[0]

    assert f"Poetry {pinned.POETRY} " in locked


def imported_by(expression: str, *, also: str = "nox_pex") -> list[str]:
    """The modules of nox-pex, and of the package `also`, that `import nox_pex` and an expression import."""
    modules = f"sorted(m for m in sys.modules if m.partition('.')[0] in ('nox_pex', {also!r}))"
    result = subprocess.run(
        [sys.executable, "-c", f"import sys, nox_pex; {expression}; print(*{modules})"],
        env={"PYTHONPATH": str(ROOT / "tasks")},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.split()


def test_importing_the_library_imports_no_step() -> None:
    assert imported_by("nox_pex.register") == [
        "nox_pex",
        "nox_pex.errors",
        "nox_pex.nox_queue",
        "nox_pex.register_arguments",
        "nox_pex.required_session",
        "nox_pex.sessions",
        "nox_pex.site",
        "nox_pex.steps",
        "nox_pex.steps.table",
        "nox_pex.system",
        "nox_pex.system.import_path",
        "nox_pex.system.lazy",
        "nox_pex.system.supported",
        "nox_pex.system.withheld",
        "nox_pex.version",
    ]


def test_importing_the_package_alone_imports_nearly_nothing() -> None:
    assert imported_by("nox_pex", also="nox") == [
        "nox_pex",
        "nox_pex.system",
        "nox_pex.system.import_path",
        "nox_pex.system.lazy",
        "nox_pex.version",
    ]


def test_the_public_names_are_there() -> None:
    code = (
        "import nox_pex; from nox_pex import register, NoxPexError; from nox_pex import smoke;"
        "assert nox_pex.register is register and nox_pex.NoxPexError is NoxPexError;"
        "assert nox_pex.smoke.launch is smoke.launch and nox_pex.errors.CODES;"
        "assert {*nox_pex.__all__} <= {*dir(nox_pex)};"
        "exec('from nox_pex import *');"
        "assert not hasattr(nox_pex, 'nothing')"
    )
    environ = {"PYTHONPATH": str(ROOT / "tasks")}

    subprocess.run([sys.executable, "-c", code], env=environ, check=True)


def test_no_file_names_a_registry() -> None:
    registry = re.compile(rb"pypi" + rb"\.org|python" + rb"hosted\.org")

    assert [file for file in tracked() if registry.search((ROOT / file).read_bytes())] == []
