"""The promises that our own files make to each other."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nox.project

import nox_pex
from nox_pex.tools import pinned

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
README = (ROOT / "README.md").read_text("utf-8")


def test_the_noxfile_depends_on_what_the_library_depends_on() -> None:
    header = nox.project.load_toml(str(ROOT / "noxfile.py"))

    assert header["dependencies"] == PYPROJECT["project"]["dependencies"]
    assert header["requires-python"] == PYPROJECT["project"]["requires-python"]


def test_the_version_stands_in_two_places_and_is_the_same() -> None:
    assert nox_pex.__version__ == PYPROJECT["project"]["version"]


def test_ci_runs_the_line_of_the_readme() -> None:
    line = re.search(r"<!-- the tests -->\n```sh\n(?P<line>.+)\n```", README)

    assert line is not None
    assert line["line"] in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()


def test_the_readme_shows_a_complete_example() -> None:
    example = re.search(r"```python\n(?P<code># /// script\n.+?)```", README, re.DOTALL)

    assert example is not None
    compile(example["code"], "noxfile.py", "exec")
    assert re.findall(r"nox_pex\.(\w+)", example["code"]) == ["register"]


def test_our_own_lock_was_written_by_the_pinned_poetry() -> None:
    locked = (ROOT / "poetry.lock").read_text("utf-8").splitlines()[0]

    assert f"Poetry {pinned.POETRY} " in locked


def test_importing_the_library_loads_no_step() -> None:
    code = "import sys, nox_pex; print(*sorted(m for m in sys.modules if m.startswith('nox_pex.')))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "tasks")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == [
        "nox_pex.errors",
        "nox_pex.project",
        "nox_pex.project.discovery",
        "nox_pex.sessions",
        "nox_pex.steps",
        "nox_pex.steps.table",
        "nox_pex.system",
        "nox_pex.system.lazy",
        "nox_pex.system.supported",
        "nox_pex.version",
    ]


def test_no_file_names_a_registry() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    registry = re.compile(rb"pypi" + rb"\.org|python" + rb"hosted\.org")

    assert [file for file in files if registry.search(file.read_bytes())] == []
