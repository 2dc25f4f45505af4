"""The benchmark measures: its smallest slice, for real."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import results
from tests.support.commands import clean_environ, run
from tests.support.nox_project import CHECKOUT

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_the_smallest_slice(tmp_path: Path) -> None:
    argv = [
        sys.executable,
        "-m",
        "benchmarks",
        "--quick",
        "--only",
        "idle",
        "--only",
        "noticed",
        "--home",
        str(tmp_path),
    ]
    environ = {**clean_environ(), "PYTHONPATH": str(CHECKOUT / "tasks")}

    done = run(argv, cwd=CHECKOUT, env=environ)

    assert done.status == 0, done.output
    measured = results.read(tmp_path / "partial.json")
    assert {one.key.case for one in measured.series} == {"idle"}
    assert all(len(one.values) == 5 for one in measured.series), done.output
    assert [check for check in measured.noticed if not check.passed] == []
    assert done.said("nothing changed: against three empty Nox sessions", "≤ 1.3 ×")
