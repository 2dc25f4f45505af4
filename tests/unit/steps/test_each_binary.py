from __future__ import annotations

import concurrent.futures
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.pex.target import Target
from nox_pex.steps.each_binary import each_binary, remove_results
from tests.unit.steps.conftest import MakeContext

WIDTHS = pytest.mark.parametrize("at_once", [1, 2, 3])


def test_older_results_are_removed_unless_a_directory_is_in_their_place(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    (tmp_path / "b.json").symlink_to(tmp_path)
    remove_results(tmp_path / "a.json", tmp_path / "b.json", tmp_path / "missing.json")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "c.json").mkdir()
    with pytest.raises(NoxPexError, match="a directory with this name exists; move the directory away"):
        remove_results(tmp_path / "c.json")


@WIDTHS
def test_each_selected_binary_is_worked_on_once(make_context: MakeContext, at_once: int) -> None:
    worked: list[str] = []
    each_binary(make_context(names=("cron", "api")), lambda target: worked.append(target.name), at_once=at_once)
    assert sorted(worked) == ["api", "cron"]


@WIDTHS
def test_every_failure_but_the_first_is_shown_and_the_first_is_raised(
    make_context: MakeContext, shown: list[str], at_once: int
) -> None:
    worked: list[str] = []

    def fail(target: Target) -> None:
        worked.append(target.name)
        if target.name != "worker":
            raise NoxPexError("leak", f"{target.name} leaks", "stop it", log=(f"log of {target.name}",))

    with pytest.raises(NoxPexError) as caught:
        each_binary(make_context(), fail, at_once=at_once)
    assert sorted(worked) == ["api", "cron", "worker"]
    assert caught.value.problem == "api leaks"
    assert shown == [
        "FAILED    cron",
        "its log   | log of cron",
        "see       https://nox-pex.readthedocs.io/en/latest/errors.html#leak",
        "error[leak]: cron leaks; stop it",
    ]


def test_a_shown_failure_hides_the_secrets_of_the_settings(make_context: MakeContext, shown: list[str]) -> None:
    def fail(target: Target) -> None:
        raise NoxPexError("leak", f"{target.name}: abcde-fghij and ghp_0123456789", "stop it")

    environ = {"LICENCE": "abcde-fghij", "API_TOKEN": "ghp_0123456789"}
    with pytest.raises(NoxPexError):
        each_binary(make_context(environ=environ), fail)
    lines = [line for line in shown if "error[" in line]
    assert lines == [f"error[leak]: {name}: **** and ****; stop it" for name in ("worker", "cron")]


def test_a_failure_of_another_kind_stops_at_once(make_context: MakeContext) -> None:
    worked: list[str] = []

    def fail(target: Target) -> None:
        worked.append(target.name)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        each_binary(make_context(), fail)
    assert worked == ["api"]


def test_after_an_interruption_no_further_binary_is_started(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of three are at work when the user presses Ctrl-C; they end, and the third is not started."""
    cancelled, worked = threading.Event(), []

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002  # the signature of the class
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            cancelled.set()
            super().shutdown(wait=wait)

    def work(target: Target) -> None:
        worked.append(target.name)
        if target.name == "worker":
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        assert cancelled.wait(timeout=60)

    monkeypatch.setattr(concurrent.futures, "ThreadPoolExecutor", Pool)
    with pytest.raises(KeyboardInterrupt):
        each_binary(make_context(), work, at_once=2)
    assert sorted(worked) == ["api", "worker"]


def test_one_at_a_time_an_interruption_stops_at_once(make_context: MakeContext) -> None:
    worked: list[Any] = []

    def work(target: Target) -> None:
        worked.append(target.name)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        each_binary(make_context(), work)
    assert worked == ["api"]
