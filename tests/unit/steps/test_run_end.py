from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.steps import journal, run_end
from nox_pex.steps.journal import Journal, Place

Ends = list[tuple[Any, ...]]


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Ends:
    """What runs when the process ends."""
    found: Ends = []
    monkeypatch.setattr(run_end, "_WATCHED", [])
    monkeypatch.setattr(atexit, "register", lambda _guarded, *call: found.append(call))
    return found


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that lets a step of a new process fail for a project."""

    def failed(label: str) -> None:
        own = Journal()
        own.failed(NoxPexError("lock-stale", "old", "run it"), "install", Place(label, Path("/src"), None))
        monkeypatch.setattr(journal, "JOURNAL", own)

    return failed


def test_a_run_ends_once_and_only_if_others_belong_to_it_it_has_a_directory(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"GITHUB_STEP_SUMMARY": "", "GITHUB_ACTIONS": "false"}
    for _ in range(2):
        run_end.watch(environ)
    assert [call[:2] for call in ends] == [(run_end.finish, None)]
    assert "NOX_PEX_RUN" not in environ
    monkeypatch.setattr(run_end, "_WATCHED", [])
    run_end.watch(environ, parallel=True)
    assert environ["NOX_PEX_RUN"] == f"{os.getpid()}:{ends[1][1]}"


def test_a_run_of_several_binaries_ends_in_a_table(fail: Callable[[str], None], capsys: Any) -> None:
    fail("api")
    run_end.finish(None, {}, time.monotonic())
    assert capsys.readouterr() == ("", "")
    place = Place("worker", Path("/src"), None)
    journal.JOURNAL.failed(NoxPexError("no-lock", "there is none", "run it"), "install", place)
    run_end.finish(None, {}, time.monotonic())
    shown = capsys.readouterr()
    assert [line.split()[:3] for line in shown.err.splitlines()] == [
        ["binary", "result", "reason"],
        ["api", "FAILED", "lock-stale:"],
        ["worker", "FAILED", "no-lock:"],
        ["2", "of", "2"],
    ]
    assert shown.out == ""


def test_a_process_of_parallel_leaves_its_outcomes_for_the_one_that_started_it(
    ends: Ends, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fail: Callable[[str], None], capsys: Any
) -> None:
    file = tmp_path / "summary.md"
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(file)}
    run_end.watch(environ)
    monkeypatch.setattr(run_end, "_WATCHED", [])
    monkeypatch.setattr(sys, "argv", ["nox", "--parallel-worker"])
    environ["NOX_PEX_RUN"] = environ["NOX_PEX_RUN"].replace(str(os.getpid()), str(os.getppid()))
    run_end.watch(environ)
    (finish, *parent), (deliver, *worker) = ends
    assert parent[0] == worker[0]
    try:
        for number, label in enumerate(("worker", "api")):
            fail(label)
            monkeypatch.setattr(os, "getpid", lambda number=number: number)
            deliver(*worker)
        assert parent[0].stat().st_mode & 0o777 == 0o700
        monkeypatch.setattr(journal, "JOURNAL", Journal())
    finally:
        finish(*parent)
    assert not parent[0].exists()
    assert (
        capsys.readouterr().out
        == "::error title=install api%2C worker,file=poetry.lock::error[lock-stale]: old; run it\n"
    )
    assert file.read_text("utf-8").count("#### ❌ install api, worker: lock-stale") == 1


def test_a_directory_named_by_anything_but_the_process_that_started_this_one_is_not_used(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["nox", "--parallel-worker"])
    environ = {"GITHUB_ACTIONS": "true", "NOX_PEX_RUN": "1234567:/elsewhere"}
    run_end.watch(environ)
    assert ends[0][0] is run_end.finish
    assert environ["NOX_PEX_RUN"].startswith(f"{os.getpid()}:")


@pytest.mark.parametrize("content", [b"", b"[1]", b"[" * 100_000, b'[{"project": 1}]', b"\xff", None])
def test_what_no_process_of_the_run_wrote_is_ignored(tmp_path: Path, content: bytes | None) -> None:
    directory = tmp_path / "left"
    directory.mkdir()
    if content is None:
        os.mkfifo(directory / "1.json")
    else:
        (directory / "1.json").write_bytes(content)
    run_end.finish(directory, {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}, time.monotonic())
    assert not directory.exists()


def test_a_summary_that_cannot_be_written_is_one_line_and_no_failure(
    tmp_path: Path, fail: Callable[[str], None], capsys: Any
) -> None:
    fail("api")
    run_end.finish(tmp_path / "none", {"GITHUB_STEP_SUMMARY": str(tmp_path)}, time.monotonic())
    shown = capsys.readouterr()
    line = f"nox-pex: warning: the summary of the job is not written: {tmp_path}: it is not a regular file\n"
    assert (shown.out, shown.err) == ("", line)
