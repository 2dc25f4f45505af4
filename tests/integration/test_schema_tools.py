"""The JSON Schemas of the settings as the tools see them that users have: Taplo, validate-pyproject, Ajv."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from nox_pex.settings.schema import FILE
from reference import schemastore
from tests.support import npm_project
from tests.support.nox_project import CHECKOUT

pytestmark = pytest.mark.integration

AJV: Final = CHECKOUT / "tests" / "support" / "ajv"
OF_PYPROJECT: Final = CHECKOUT / "docs" / "schemas" / "pyproject.schema.json"
PAGE: Final = (CHECKOUT / "docs" / "settings.md").read_text("utf-8")
NAME: Final = '[project]\nname = "service"\nversion = "1.0.0"\n'
BINARY: Final = '[tool.nox-pex.binary.service]\nscript = "uvicorn"\n'


def run(directory: Path, name: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a program that is installed next to this Python, without the user's own files."""
    argv = [str(Path(sys.executable).with_name(name)), *args]
    environ = {"PATH": os.defpath, "HOME": str(directory)}
    return subprocess.run(
        argv, cwd=directory, env=environ, capture_output=True, text=True, check=False, timeout=60, encoding="utf-8"
    )


def taplo(directory: Path, text: str) -> list[tuple[str, str]]:
    """The finding of Taplo in a `pyproject.toml` with the line of the page: its message and the underlined text."""
    shutil.copy(OF_PYPROJECT, directory)
    (directory / "pyproject.toml").write_text(f"#:schema ./{OF_PYPROJECT.name}\n{text}", "utf-8")
    result = run(directory, "taplo", "lint", "--no-auto-config", "--colors=never", "pyproject.toml")
    shown = re.findall(r"^error: (.+)\n .+\n .+\n.+│ (.+)\n .+│ ( *)(\^+)", result.stderr, re.MULTILINE)
    assert (result.returncode == 0) is (not shown), result.stderr
    return [(message, line[len(before) :][: len(marks)]) for message, line, before, marks in shown]


def test_taplo_accepts_what_else_is_in_a_pyproject(tmp_path: Path) -> None:
    assert taplo(tmp_path, f"{NAME}[tool.poetry]\npackage-mode = false\n[tool.other]\nx = 1\n{BINARY}") == []


SECTION: Final = "https://nox-pex.readthedocs.io/en/latest/settings.html#toolnox-pexbinaryname"
UNKNOWN: Final = f'{{"title":"unknown key: {SECTION}"}} is not allowed for '
ONE_ENTRY: Final = UNKNOWN.replace("unknown key", "a binary has one of script, entry-point, executable")
OF_HEADER: Final = UNKNOWN.replace("toolnox-pexbinaryname", "a-condition-on-a-header")


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ("sh_boot = true", (f"{UNKNOWN}true", "true")),
        ("compress = 1", ('1 is not of type "boolean"', "1")),
        ('layout = "zip"', ('"zip" is not one of ["zipapp","packed","loose"]', '"zip"')),
        ('smoke.http = [{ path = "/", status = 1.5 }]', ('1.5 is not of types "array", "integer", "string"', "1.5")),
        ('smoke.http = [{ path = "/", headers.A = { is = "x" } }]', (f'{OF_HEADER}"x"', '"x"')),
        ("budget.warm-boot = 0", ("0 is less than or equal to the minimum of 0", "0")),
    ],
)
def test_taplo_underlines_only_what_is_wrong_and_says_why(
    tmp_path: Path, wrong: str, expected: tuple[str, str]
) -> None:
    found = taplo(tmp_path, f"{NAME}{BINARY}{wrong}\n")

    assert [(message, marked.strip('"')) for message, marked in found] == [(expected[0], expected[1].strip('"'))]


def test_taplo_underlines_both_of_two_entries(tmp_path: Path) -> None:
    assert {message for message, _ in taplo(tmp_path, f'{NAME}{BINARY}executable = "run.py"\n')} == {
        f'{ONE_ENTRY}"uvicorn"',
        f'{ONE_ENTRY}"run.py"',
    }


def test_the_message_in_the_page_is_that_of_taplo(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```toml\n#:schema \S+\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (message, line) = re.findall(r"^```text\nerror: (.+)\n.+\n.+\n\d+ │ (.+)$", PAGE, re.MULTILINE)[0]

    begin, end = message.split("…")
    assert [found.startswith(begin) and found.endswith(end) for found, _ in taplo(tmp_path, f"{example}{line}\n")] == [
        True
    ]


def test_validate_pyproject_names_a_wrong_key(tmp_path: Path) -> None:
    for name, text in (("good", BINARY), ("bad", f"{BINARY}sh_boot = true\n")):
        (tmp_path / f"{name}.toml").write_text(f"{NAME}{text}", "utf-8")
    tool = f"nox-pex={FILE.as_uri()}"

    good = run(tmp_path, "validate-pyproject", "--tool", tool, "good.toml")
    bad = run(tmp_path, "validate-pyproject", "--tool", tool, "bad.toml")

    assert good.returncode == 0, good.stderr
    assert "`tool.nox-pex.binary.service` must not contain {'sh_boot'} properties" in bad.stderr


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_ajv_finds_nothing_in_its_strict_mode(tmp_path: Path) -> None:
    directory = tmp_path / "ajv"
    npm_project.install(AJV, directory)
    partial = tmp_path / "partial-nox-pex.json"
    partial.write_text(schemastore.files()["src/schemas/json/partial-nox-pex.json"], "utf-8")
    argv = ["node", str(directory / "strict.cjs")]

    def findings(*files: Path, **environ: str) -> str:
        return subprocess.run(
            [*argv, *map(str, files)], env={**os.environ, **environ}, capture_output=True, text=True, check=True
        ).stdout

    assert findings(partial) == ""
    assert findings(FILE, OF_PYPROJECT, UNIONS="1") == ""
    assert "allowUnionTypes" in findings(FILE)
