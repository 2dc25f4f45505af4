"""A script that reads only the beginning of what a session prints."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.support.nox_project import Project, copy_fixture_project

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("session", ["platform", "cache-key"])
@pytest.mark.parametrize("end", ["| true", "| head -1 >/dev/null", "<&-", "2>&-"])
def test_no_traceback_and_success(tmp_path: Path, session: str, end: str) -> None:
    project = Project(root=copy_fixture_project("standard", tmp_path / "standard"))
    project.write_noxfile()
    command = f"set -o pipefail; {shlex.join(project.argv('-s', session))} 2>{tmp_path}/shown {end}"
    result = run(["bash", "-c", command], cwd=project.root, env=project.environ)
    shown = (tmp_path / "shown").read_text("utf-8")
    assert result.status == 0, shown
    for said in ("Traceback", "Exception ignored", "BrokenPipe"):
        assert said not in shown + result.output
