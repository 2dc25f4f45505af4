"""The deadline of a connection."""

from __future__ import annotations

import pytest

from nox_pex.smoke.checks.transport import Deadline


def test_a_machine_without_threads_is_an_error_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        msg = "can't start new thread"
        raise RuntimeError(msg)

    monkeypatch.setattr("_thread.start_new_thread", refuse)
    monkeypatch.setattr("threading._start_new_thread", refuse, raising=False)  # until Python 3.12
    monkeypatch.setattr("threading._start_joinable_thread", refuse, raising=False)  # from Python 3.13 on
    with pytest.raises(BlockingIOError, match="can't start new thread"), Deadline(1.0):
        pass
