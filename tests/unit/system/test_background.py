from __future__ import annotations

import threading

import pytest

from nox_pex.system.background import Background


def test_the_work_runs_in_another_thread_while_the_caller_goes_on() -> None:
    begun, released = threading.Event(), threading.Event()

    def work() -> int:
        begun.set()
        released.wait(10)
        return threading.get_ident()

    background = Background(work)
    assert begun.wait(10)
    released.set()
    assert background.get() == background.get() != threading.get_ident()


def test_an_error_is_raised_when_the_result_is_asked_for() -> None:
    def work() -> None:
        msg = "no answer"
        raise LookupError(msg)

    background = Background(work)
    for _ in range(2):
        with pytest.raises(LookupError, match="no answer"):
            background.get()


def test_the_work_is_done_at_once_if_the_system_refuses_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        msg = "can't start new thread"
        raise RuntimeError(msg)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert Background(threading.get_ident).get() == threading.get_ident()
