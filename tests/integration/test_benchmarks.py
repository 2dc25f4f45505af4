"""The smallest part of the benchmark runs and measures."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import results
from tests.support.commands import clean_environ, run
from tests.support.nox_project import CHECKOUT

pytestmark = pytest.mark.slow


def test_the_idle_part_measures_every_round_and_notices_every_change(tmp_path: Path) -> None:
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

    result = run(argv, cwd=CHECKOUT, env=environ)

    assert result.status == 0, result.output
    measured = results.read(tmp_path / "partial.json")
    assert {one.key.case for one in measured.series} == {"idle", "size"}
    assert all(len(one.values) == 5 for one in measured.series if one.key.case == "idle"), result.output
    assert [check for check in measured.noticed if not check.passed] == []
    assert result.said("nothing changed, hello: nox-pex ÷ three empty Nox sessions", "≤ 1.3 ×")
