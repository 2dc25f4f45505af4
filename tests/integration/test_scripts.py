"""Every script that starts in the environment that Poetry installs starts from the binary, in each way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.support.binaries import launch, pex_info
from tests.support.distribution_files import write_wheel
from tests.support.locker import Locker
from tests.support.nox_project import Project
from tests.support.target_platforms import THIS, describe

CLI: Final = """\
import json
import os
import subprocess
import sys


def say(name):
    print(json.dumps({"name": name, "args": sys.argv[1:], "argv0": os.path.basename(sys.argv[0])}))


def entry():
    say("entry")


class Tool:
    @staticmethod
    def main():
        say("tool")


def window():
    say("window")


def outer():
    for script in ("lazy-run", "lazy-tool", "lazy-window", "lazy-sh", "lazy-py"):
        subprocess.run([script, "from-outer"], check=True)
"""

ENTRY_POINTS: Final = """\
[console_scripts]
lazy-run = lazy:cli.entry
lazy-tool = lazy : cli.Tool.main [fast]
outer = lazy.cli:outer

[gui_scripts]
lazy-window = lazy:cli.window
"""

LAZY: Final = {
    "lazy/__init__.py": "",
    "lazy/cli.py": CLI,
    "lazy-1.0.dist-info/entry_points.txt": ENTRY_POINTS,
    "lazy-1.0.data/scripts/lazy-sh": '#!/bin/sh\necho "shell $*"\n',
    "lazy-1.0.data/scripts/lazy-py": "#!python\nfrom lazy.cli import say\n\nsay('python')\n",
}

SAID: Final = {
    "lazy-run": '"name": "entry", "args": ["one"]',
    "lazy-tool": '"name": "tool", "args": ["one"]',
    "lazy-window": '"name": "window", "args": ["one"]',
    "lazy-sh": "shell one",
    "lazy-py": '"name": "python", "args": ["one"]',
}
"""The scripts of the wheel, and what each prints with the argument `one`."""

PYPROJECT: Final = """\
[tool.poetry]
name = "app"
package-mode = false

[tool.poetry.dependencies]
python = ">=3.10"
lazy = { path = "wheels/lazy-1.0-py3-none-any.whl" }
"""


def check(binary: str, said: str, script: str | None = None) -> str:
    """The table of a `command` check that gives the argument `one`."""
    lines = [
        f"[[tool.nox-pex.binary.{binary}.smoke.command]]",
        *([f'script = "{script}"'] if script else []),
        'args = ["one"]',
        f"stdout-matches = {json.dumps(re.escape(said))}",
    ]
    return "\n".join([*lines, ""])


def table(binary: str, script: str, *lines: str, more: str = "") -> str:
    """The tables of a binary that starts `script`, and whose smoke test starts that and every other script."""
    own = SAID[script].replace("one", 'zero", "one') if "zero" in "".join(lines) else SAID[script]
    every = "".join(check(binary, said, other) for other, said in SAID.items())
    first = [f"\n[tool.nox-pex.binary.{binary}]", f'script = "{script}"', *lines, check(binary, own)]
    return "\n".join(first) + every + more


def outer(binary: str) -> str:
    """A check of the script that starts every other script from PATH."""
    return f'[[tool.nox-pex.binary.{binary}.smoke.command]]\nscript = "outer"\nstdout-matches = "shell from-outer"\n'


@pytest.fixture
def app(write_project: Callable[..., Project], lock: Locker) -> Callable[[str], Project]:
    """Write a project of loose sources with these tables, whose dependency is the wheel, and lock it."""

    def make(tables: str) -> Project:
        project = write_project("app", {"pyproject.toml": PYPROJECT + tables, "main.py": ""})
        write_wheel(project.root / "wheels", "lazy", LAZY)
        lock(project)
        return project

    return make


@pytest.mark.long
def test_every_script_of_a_dependency_starts_in_every_mode(app: Callable[[str], Project]) -> None:
    there = ('complete-platforms = ["here.json"]', 'venv-bin-path = "append"')
    project = app(
        table("venv", "lazy-run", 'venv-bin-path = "prepend"', 'inject-args = ["zero"]', more=outer("venv"))
        + table("zip", "lazy-tool", 'execution-mode = "zipapp"', 'inject-args = ["zero"]')
        + table("window", "lazy-window", "validate-entry-point = true", "sh-boot = false", "pre-install-wheels = false")
        + table("shell", "lazy-sh", 'layout = "packed"')
        + table("python", "lazy-py", 'layout = "loose"', "strip-pex-env = false")
        + table("there", "lazy-run", *there, more=outer("there"))
    )
    (project.root / "here.json").write_text(json.dumps(describe(THIS)), "utf-8")
    result = project.nox("-s", "smoke")
    for count in (7, 6):  # with and without `outer`
        assert result.said("cold", f"{count} of {count}"), result.output
        assert result.said("warm", f"{count} of {count}"), result.output
    assert result.said("lazy 1.0 has `lazy-tool = lazy : cli.Tool.main [fast]` in its metadata")
    assert "lazy-run" in {each["text"].partition(" ")[0] for each in project.record("venv")["disagreements"]}
    assert pex_info(project.binary("venv"))["entry_point"] == "lazy.cli:entry"
    assert pex_info(project.binary("shell"))["script"] == "lazy-sh"

    assert project.nox("-s", "verify", "--", "venv", "there").said("integrity", "passed")

    # A name that the binary does not have is an error before anything is started; also for another file.
    of_window = 'binary.window.smoke.command]]\nscript = "{}"'
    project.edit("pyproject.toml", of_window.format("lazy-tool"), of_window.format("lasy-tool"))
    for arguments in ((), ("--binary", "dist/zip.pex")):
        result = project.run("-s", "smoke", "--", "window", *arguments)
        assert result.said("error[entry-missing]", "command[2].script is 'lasy-tool'", "did you mean 'lazy-tool'?")
        assert not result.said("cold:")
    project.edit("pyproject.toml", 'script = "lazy-py"\nlayout', 'script = "lazy-py"\ninject-args = ["zero"]\nlayout')
    assert "inject-args has no effect" in project.refused("config", "-s", "pex", "--", "python")


def test_every_script_of_the_project_itself_starts(
    write_project: Callable[..., Project], lock: Locker, home: Path
) -> None:
    pyproject = """\
[project]
name = "own"
version = "1.0"
requires-python = ">=3.10"

[project.gui-scripts]
own-window = "own:cli.window"

[tool.poetry]
packages = [{ include = "own" }]

[build-system]
requires = ["poetry-core>=2.0,<3.0"]
build-backend = "poetry.core.masonry.api"
"""
    own = write_project("own", {"pyproject.toml": pyproject, "own/__init__.py": "", "own/cli.py": CLI})
    lock(own)
    own.nox("-s", "pex")  # without a table: the only script
    assert '"name": "window"' in launch(own.binary("own"), home=home).output

    file = '[tool.poetry.scripts]\nrun = { reference = "bin/own-sh", type = "file" }\n'
    (own.root / "bin").mkdir()
    (own.root / "bin" / "own-sh").write_text('#!/bin/sh\necho "shell $*"\n', "utf-8")
    tables = '[project.scripts]\nown-run = "own:cli.entry"\n' + file
    tables += '[tool.nox-pex.binary.own]\nscript = "own-sh"\n' + check("own", "shell one")
    tables += check("own", '"name": "entry"', "own-run") + check("own", '"name": "window"', "own-window")
    own.append("pyproject.toml", tables)
    result = own.nox("-s", "smoke", "verify")
    assert result.said("warm", "3 of 3"), result.output
    assert result.said("reproducible", "passed")


def test_a_script_of_two_distributions_is_the_installed_one(
    write_project: Callable[..., Project], lock: Locker
) -> None:
    wheels = "".join(f'{name} = {{ path = "wheels/{name}-1.0-py3-none-any.whl" }}\n' for name in ("one", "two"))
    tables = '[tool.nox-pex.binary.app]\nscript = "speak"\nexecution-mode = "zipapp"\n' + check("app", "two")
    text = PYPROJECT.replace('lazy = { path = "wheels/lazy-1.0-py3-none-any.whl" }\n', wheels)
    app = write_project("app", {"pyproject.toml": f"{text}\n{tables}", "main.py": ""})
    for name in ("one", "two"):
        module = {f"{name}.py": f"def main():\n    print('{name}')\n"}
        write_wheel(app.root / "wheels", name, module, scripts={"speak": f"{name}:main"})
    lock(app)
    assert app.nox("-s", "smoke").said("warm", "1 of 1")
