"""The verdict on each of the programs that misbehave: right, in time, readable, and nothing is left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from nox_pex.smoke import report
from tests.programs.misbehaviours import Misbehaviour, answers, bodies, files, listeners, logs, processes, workers
from tests.support.junit import assert_valid_junit
from tests.support.smoke_test import SmokeTest

KINDS: Final = (answers, bodies, files, listeners, logs, processes, workers)
ROWS: Final[tuple[Misbehaviour, ...]] = tuple(row for kind in KINDS for row in kind.ROWS)

LOG_SECONDS: Final = 1.0
"""Seconds that the search of one log may take here."""

LONGEST: Final = 2000
"""Characters of the longest message that people can read."""

PATIENCE: Final = 90
"""Seconds after which a test gives up."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the programs use what only Linux has")


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A directory that no smoke test may change."""
    directory = tmp_path / "outside"
    (directory / "tmp").mkdir(parents=True)
    (directory / "tmp" / "file").write_text("kept", encoding="utf-8")
    before = contents(directory)
    yield directory
    assert contents(directory) == before
    assert [(path.name, path.read_text(encoding="utf-8")) for path in directory.rglob("file")] == [("file", "kept")]


def contents(directory: Path) -> list[tuple[Path, int, int]]:
    return sorted((path, path.stat().st_mode, path.stat().st_uid) for path in (directory, *directory.rglob("*")))


@pytest.fixture
def unlocked(smoke_test: SmokeTest, temporary: Path) -> Iterator[SmokeTest]:
    """The smoke test. Afterwards, remove what it could not remove, because only root can lock and unlock it."""
    yield smoke_test
    for path in temporary.rglob("immutable"):
        subprocess.run(["chattr", "-i", path], check=True)
    for path in temporary.rglob("mounted"):
        subprocess.run(["umount", path], check=False)
    for directory in temporary.iterdir():
        shutil.rmtree(directory)


@pytest.fixture
def bounded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Raise `TimeoutError` in a test that takes minutes, so that a verdict which never comes is a failure."""
    monkeypatch.setattr("nox_pex.smoke.log._SECONDS", LOG_SECONDS)

    def give_up(*_: object) -> None:
        msg = f"no verdict within {PATIENCE} s"
        raise TimeoutError(msg)

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_misbehaviour_gets_its_verdict_in_time(
    row: Misbehaviour, unlocked: SmokeTest, temporary: Path, project: Path, outside: Path
) -> None:
    if row.only_root and os.geteuid() != 0:
        pytest.skip("only root can do that")
    for name, text in row.files.items():
        (project / name).write_text(text, encoding="utf-8")
    args = [] if "command" in row.settings else [row.mode, *row.args]
    tested = unlocked(row.program, *(arg.replace("{outside}", str(outside)) for arg in args), **row.settings)
    if row.only_contained and any("may outlive a run" in line for line in tested.said):
        pytest.skip("the kernel refuses a PID namespace")
    assert tested.code == row.code, tested.problem
    message = str(tested.report.failure)
    for words in row.words:
        assert words in message
    assert tested.seconds < row.seconds
    assert len(message) < LONGEST
    junit = report.junit_text(tested.report)
    assert_valid_junit(junit)
    block = [] if tested.report.failure is None else [text for _, text in tested.report.failure.block("smoke")]
    "\n".join((junit, report.json_text(tested.report), *block, *tested.said)).encode()
    left = list(temporary.iterdir())
    assert not left or row.may_leave
    assert not (left and row.only_root) or any("cannot be removed" in line for line in tested.said)


def test_there_are_enough_of_them() -> None:
    assert len({str(row) for row in ROWS}) >= 60
