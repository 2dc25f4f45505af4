from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nox_pex.poetry import cli
from nox_pex.tools.pinned import Poetry

SHOW = "import os, sys; print(sys.argv[1:], os.environ.get('POETRY_PYPI_MIRROR_URL'))\n"
INDEX = """\
class PyPiRepository:
    url = "https://index.example/simple/"
"""
GIT = """\
import sys
from poetry.vcs.git import Git
print("poetry.vcs.git.backend" in sys.modules)
print(Git.clone("board"), "poetry.vcs.git.backend" in sys.modules)
from poetry.vcs.git.system import SystemGit
print(SystemGit.name)
"""
BACKEND = """\
class Git:
    @classmethod
    def clone(cls, url):
        return cls.__module__, url
"""


def launched(tmp_path: Path, files: dict[str, str], *arguments: str, **variables: str) -> str:
    """The output of the launcher with a Poetry that has these files."""
    for name, text in {"__init__.py": "", **files}.items():
        (tmp_path / "modules/poetry" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "modules/poetry" / name).write_text(text, "utf-8")
    argv = cli.poetry_argv(Poetry(python=Path(sys.executable), version="2"), *arguments)
    argv.remove("-I")  # the test's Poetry is on PYTHONPATH
    environ = {**os.environ, "PYTHONPATH": f"{tmp_path}/modules", **variables}
    return subprocess.run(argv, env=environ, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("script", [(), ("script.py",)])
@pytest.mark.parametrize(
    ("variables", "mirror"),
    [
        ({"NOX_PEX_DEFAULT_INDEX": "1"}, "https://index.example/simple/"),
        ({"POETRY_PYPI_MIRROR_URL": "https://mirror.example/"}, "https://mirror.example/"),
        ({}, None),
    ],
)
def test_poetry_or_a_script_runs_with_the_default_index_as_its_mirror_on_request(
    tmp_path: Path, script: tuple[str, ...], variables: dict[str, str], mirror: str | None
) -> None:
    files = {"__main__.py": SHOW, "repositories/pypi_repository.py": INDEX}
    (tmp_path / "script.py").write_text(SHOW, "utf-8")
    arguments = [*(str(tmp_path / name) for name in script), "sync", "-q"]
    assert launched(tmp_path, files, *arguments, **variables) == f"{['sync', '-q']} {mirror}\n"


def test_the_git_client_of_poetry_is_imported_when_it_is_used(tmp_path: Path) -> None:
    files = {
        "__main__.py": GIT,
        "vcs/__init__.py": "",
        "vcs/git/__init__.py": "from poetry.vcs.git.backend import Git\n",
        "vcs/git/backend.py": BACKEND,
        "vcs/git/system.py": "class SystemGit:\n    name = 'git'\n",
    }
    assert launched(tmp_path, files) == "False\n('poetry.vcs.git.backend', 'board') True\ngit\n"
