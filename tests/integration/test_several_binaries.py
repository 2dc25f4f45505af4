"""Several binaries in one project, from one environment or several, built at the same time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.binaries import answer, launch
from tests.support.nox_project import Project

_MORE = """
[tool.nox-pex.binary.errand]
executable = "errand.py"

[tool.nox-pex.binary.server]
entry-point = "counter:main"
groups = ["main", "server"]
extras = ["ini"]

[tool.nox-pex.binary.broken]
entry-point = "counter:main"
sources.include = ["gone/*"]
"""


@pytest.fixture
def several(built: Callable[[str], Project]) -> Project:
    """A project with four binaries: one was built, and one cannot be built."""
    loose = built("loose")
    loose.append("pyproject.toml", _MORE)
    return loose


def test_binaries_are_built_at_the_same_time_and_a_failure_stops_no_other(several: Project, home: Path) -> None:
    result = several.run("-s", "pex", "--", "--jobs", "3")
    assert result.status == 1
    assert result.said("error[source-missing]", "tool.nox-pex.binary.broken", "gone/*")
    assert result.output.count("error[") == 1
    assert result.said("errand | pex: errand built")
    assert result.said("server | pex: server built")
    assert result.said("loose | pex: loose unchanged")
    assert answer(several.binary("loose"), home=home)["distributions"] == ["idna"]
    assert answer(several.binary("server"), home=home)["distributions"] == ["h11", "idna", "iniconfig"]
    assert "errand" in launch(several.binary("errand"), home=home).output
    assert not several.binary("broken").exists()


def test_every_failure_is_shown(several: Project) -> None:
    several.append(
        "pyproject.toml",
        '\n[tool.nox-pex.binary.adrift]\nentry-point = "counter:main"\nsources.include = ["nowhere/*"]\n',
    )
    for jobs in ((), ("--jobs", "1")):
        result = several.run("-s", "pex", "--", "broken", "adrift", *jobs)
        assert result.status == 1
        assert result.said("error[source-missing]", "gone/*")
        assert result.said("error[source-missing]", "nowhere/*")
        assert result.output.count("error[") == 2


def test_builds_one_at_a_time_and_at_the_same_time_give_the_same_bytes(several: Project) -> None:
    names = ("errand", "server", "loose")
    several.nox("-s", "pex", "--", *names, "--jobs", "1")
    one_by_one = several.dist()
    result = several.nox("-s", "pex", "--", *names, "--jobs", "3", "--force")
    assert all(result.said(f"{name} | pex: {name} built") for name in names)
    assert {name: one_by_one[f"{name}.pex"] for name in names} == {
        name: several.dist()[f"{name}.pex"] for name in names
    }


def test_zero_jobs_are_refused(several: Project) -> None:
    assert "--jobs" in several.refused("usage", "-s", "pex", "--", "--jobs", "0")
