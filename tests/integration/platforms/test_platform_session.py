"""`nox -s platform`, and files of `complete-platforms` that do not describe a platform."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

from tests.support.interpreters import pythons
from tests.support.nox_project import Project
from tests.support.target_platforms import OTHER, THIS

Make = Callable[[str], Project]


def nox_stdout(project: Project, *arguments: str) -> str:
    """Run Nox, whose own lines must be on stderr. Return its stdout."""
    result = subprocess.run(
        project.argv(*arguments), cwd=project.root, env=project.environ, capture_output=True, text=True, check=True
    )
    assert "nox > " in result.stderr
    return result.stdout


@pytest.mark.skipif(OTHER is None, reason="needs another Python, from pyenv or on PATH")
def test_the_session_platform_prints_the_description_of_its_python_and_nothing_else(project: Make) -> None:
    abroad = project("abroad")
    here = json.loads(nox_stdout(abroad, "-s", "platform"))
    assert here["marker_environment"]["python_version"] == THIS
    assert here.keys() == {"compatible_tags", "marker_environment"}
    assert nox_stdout(abroad, "-s", "platform") == nox_stdout(abroad, "-R", "-s", "platform")
    abroad.environ["PATH"] += f":{pythons()[str(OTHER)].parent}"
    abroad.write_noxfile(f"python={[OTHER]!r}")
    there = json.loads(nox_stdout(abroad, "-s", f"platform-{OTHER}"))
    assert there["marker_environment"]["python_version"] == OTHER
    assert any(tag.startswith(f"cp{str(OTHER).replace('.', '')}-") for tag in there["compatible_tags"])


def test_a_missing_description_and_an_incomplete_one_are_refused(project: Make) -> None:
    abroad = project("abroad")
    line = abroad.refused("source-missing", "-s", "pex")
    assert "tool.nox-pex.binary.abroad.complete-platforms[0]" in line
    assert "platforms/there.json" in line
    (abroad.root / "platforms").mkdir()
    (abroad.root / "platforms" / "there.json").write_text('{"compatible_tags": []}', "utf-8")
    line = abroad.refused("config", "-s", "pex")
    assert "platforms/there.json" in line
    assert "nox -s platform > platforms/there.json" in line


def test_a_target_that_requires_python_excludes_is_refused(project: Make) -> None:
    abroad = project("abroad")
    (abroad.root / "platforms").mkdir()
    here = json.loads(nox_stdout(abroad, "-s", "platform"))
    old = {"python_version": "3.8", "python_full_version": "3.8.18"}
    description = {**here, "marker_environment": {**here["marker_environment"], **old}}
    (abroad.root / "platforms" / "there.json").write_text(json.dumps(description), "utf-8")
    assert "allows Python >=3.9, but a target has 3.8.18" in abroad.refused("python-mismatch", "-s", "pex")
