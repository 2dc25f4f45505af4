from __future__ import annotations

import os

import pytest

from nox_pex.system import processors


def test_only_the_processors_that_this_process_may_use_count(monkeypatch: pytest.MonkeyPatch) -> None:
    if hasattr(os, "sched_getaffinity"):
        assert processors.count() == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert processors.count() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processors.count() == 1
