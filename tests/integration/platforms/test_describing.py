"""`nox -s platform`, and files that describe no platform."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.integration.platforms.conftest import OTHER
from tests.support.interpreters import pythons
from tests.support.nox_project import Project

pytestmark = pytest.mark.integration

Make = Callable[[str], Project]


def printed(project: Project, *words: str) -> str:
    """What Nox puts on the standard output."""
    done = subprocess.run(
        project.argv(*words), cwd=project.root, env=project.environ, capture_output=True, text=True, check=True
    )
    assert "nox > " in done.stderr
    return done.stdout


@pytest.mark.skipif(OTHER is None, reason="needs another Python, from pyenv or on PATH")
def test_it_prints_the_description_and_nothing_else(project: Make) -> None:
    abroad = project("abroad")
    own = json.loads(printed(abroad, "-s", "platform"))
    assert own["marker_environment"]["python_version"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert own.keys() == {"compatible_tags", "marker_environment"}
    assert printed(abroad, "-s", "platform") == printed(abroad, "-s", "platform", "--", "--force")
    abroad.environ["PATH"] += f":{pythons()[str(OTHER)].parent}"
    abroad.write_noxfile(f"python={[OTHER]!r}")
    there = json.loads(printed(abroad, "-s", f"platform-{OTHER}"))
    assert there["marker_environment"]["python_version"] == OTHER
    assert any(tag.startswith(f"cp{str(OTHER).replace('.', '')}-") for tag in there["compatible_tags"])


def test_a_target_that_is_not_there_or_is_none(project: Make) -> None:
    abroad = project("abroad")
    line = abroad.refused("source-missing", "-s", "pex")
    assert "tool.nox-pex.binary.abroad.complete-platforms names platforms/there.json" in line
    (abroad.root / "platforms").mkdir()
    (abroad.root / "platforms" / "there.json").write_text('{"compatible_tags": []}', "utf-8")
    line = abroad.refused("config", "-s", "pex")
    assert "platforms/there.json" in line
    assert "nox -s platform > platforms/there.json" in line


def test_a_target_that_the_project_does_not_allow(project: Make) -> None:
    abroad = project("abroad")
    (abroad.root / "platforms").mkdir()
    own = json.loads(printed(abroad, "-s", "platform"))
    old = {"python_version": "3.8", "python_full_version": "3.8.18"}
    value = {**own, "marker_environment": {**own["marker_environment"], **old}}
    (abroad.root / "platforms" / "there.json").write_text(json.dumps(value), "utf-8")
    assert "allows Python >=3.9, and a target has 3.8.18" in abroad.refused("python-mismatch", "-s", "pex")
