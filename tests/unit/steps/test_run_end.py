from __future__ import annotations

import atexit
import json
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


@pytest.fixture(autouse=True)
def _new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without outcomes: other tests may have left some."""
    monkeypatch.setattr(journal, "JOURNAL", Journal())


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Ends:
    """What runs when the process ends."""
    found: Ends = []
    monkeypatch.setattr(run_end, "_WATCHED", [])
    own = (run_end.finish, run_end.deliver)  # a module that is imported meanwhile may register something too
    monkeypatch.setattr(
        atexit, "register", lambda _, *call: found.append(call) if call[:1] and call[0] in own else None
    )
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


def left_by(directory: Path, *outcomes: dict[str, Any]) -> Path:
    """A directory in which somebody left these outcomes."""
    directory.mkdir(mode=0o700)
    (directory / "1.json").write_text(json.dumps(outcomes), "utf-8")
    return directory


def test_what_a_program_of_the_run_forges_moves_no_cursor_and_is_no_command(tmp_path: Path, capsys: Any) -> None:
    evil = "\x1b]0;title\x07\x1b[2A\r\n::error::x\n##[error]y\u202e"
    cause = {
        "code": "check-failed",
        "problem": evil,
        "remedy": evil,
        "rows": [[evil, evil]],
        "log": [evil],
        "file": evil,
    }
    texts = {"binary": evil, "step": evil, "file": evil, "reason": evil, "section": f"# x\n{evil}"}
    forged = {**texts, "project": evil, "result": "failed", "cause": cause}
    directory = left_by(tmp_path / "left", forged, {**forged, "project": "other"})
    summary = tmp_path / "summary.md"
    run_end.finish(directory, {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}, time.monotonic())
    shown = capsys.readouterr()
    for text in (shown.out, shown.err, summary.read_text("utf-8")):
        assert text
        assert not set("\x1b\x07\r\u202e") & set(text)
        assert "##[" not in text
    assert [line[:8] for line in shown.out.splitlines()] == ["::error "]
    assert len(shown.err.splitlines()) == 4  # the header, two rows, and the numbers


@pytest.mark.parametrize("number", ["1e400", "-1", "1" + "0" * 400])
def test_a_number_that_nothing_can_show_is_ignored(tmp_path: Path, number: str) -> None:
    forged = {"project": "a", "binary": "b", "step": "pex", "result": "passed"}
    for key in ("seconds", "size", "size_before"):
        directory = left_by(tmp_path / key)
        (directory / "1.json").write_text(f'[{json.dumps(forged)[:-1]}, "{key}": {number}}}]', "utf-8")
        summary = tmp_path / "summary.md"
        run_end.finish(directory, {"GITHUB_STEP_SUMMARY": str(summary)}, time.monotonic())
        assert not summary.exists()


@pytest.mark.parametrize("kind", ["link", "open to others"])
def test_a_directory_in_which_others_may_write_is_not_used(
    tmp_path: Path, kind: str, fail: Callable[[str], None], capsys: Any
) -> None:
    forged = {"project": "a", "binary": "b", "step": "pex", "result": "passed"}
    directory = left_by(tmp_path / "left", forged, {**forged, "project": "other"})
    if kind == "link":
        (tmp_path / "link").symlink_to(directory)
        directory = tmp_path / "link"
    else:
        directory.chmod(0o777)
    run_end.finish(directory, {}, time.monotonic())
    assert capsys.readouterr() == ("", "")
    fail("api")
    run_end.deliver(directory, {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}, time.monotonic())
    assert [file.name for file in directory.iterdir()] == ["1.json"]
    assert "lock-stale" in (tmp_path / "summary.md").read_text("utf-8")


def test_a_summary_that_cannot_be_written_is_one_line_and_no_failure(
    tmp_path: Path, fail: Callable[[str], None], capsys: Any
) -> None:
    fail("api")
    run_end.finish(tmp_path / "none", {"GITHUB_STEP_SUMMARY": str(tmp_path)}, time.monotonic())
    shown = capsys.readouterr()
    line = f"nox-pex: warning: the summary of the job is not written: {tmp_path}: it is not a regular file\n"
    assert (shown.out, shown.err) == ("", line)
