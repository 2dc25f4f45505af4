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
    files = {"__init__.py": "", "__main__.py": SHOW, "repositories/pypi_repository.py": INDEX}
    for name, text in files.items():
        (tmp_path / "modules/poetry" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "modules/poetry" / name).write_text(text, "utf-8")
    (tmp_path / "script.py").write_text(SHOW, "utf-8")
    argv = cli.poetry_argv(
        Poetry(python=Path(sys.executable), version="2"), *(str(tmp_path / name) for name in script), "sync", "-q"
    )
    argv.remove("-I")  # the test's Poetry is on PYTHONPATH
    environ = {**os.environ, "PYTHONPATH": f"{tmp_path}/modules", **variables}
    done = subprocess.run(argv, env=environ, check=True, capture_output=True, text=True)
    assert done.stdout == f"{['sync', '-q']} {mirror}\n"
