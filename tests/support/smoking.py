"""What the smoke tests share, beside the fixtures."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from nox_pex.smoke.report import SmokeReport

ROOT: Final = Path(__file__).resolve().parents[2]
IMPORTABLE: Final = os.pathsep.join([str(ROOT / "tasks"), str(ROOT)])
"""PYTHONPATH of a Python that runs nox-pex, and what these tests share."""


@dataclass
class Tested:
    """What one smoke test reported and said, and how long it took."""

    __test__ = False  # pytest: this is no test itself

    report: SmokeReport
    said: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def code(self) -> str | None:
        return None if self.report.failure is None else self.report.failure.code

    @property
    def problem(self) -> str:
        return "" if self.report.failure is None else self.report.failure.problem

    @property
    def log(self) -> str:
        return "" if self.report.failure is None else "\n".join(self.report.failure.log)


SmokeTest = Callable[..., Tested]
QUICK = {"conditions": ["cold"], "soak": 0.05, "startup-timeout": 15.0, "stop-timeout": 5.0}
GREETING = {"path": "/", "status": 200, "json": {"message": "Hello World"}, "timeout": 5.0}

LEFT_OPEN: list[int] = []
"""Ports on which a test itself listens."""


def assert_nothing_left(*places: Path) -> None:
    """No directory in the first place, and no process that names one of them."""
    names = [str(place) for place in places]
    left = []
    for process in psutil.process_iter(["cmdline", "pid"]):
        line = " ".join(process.info["cmdline"] or ())
        if process.pid != os.getpid() and any(name in line for name in names):
            left.append(line)
    assert left == []
    assert list(places[0].iterdir()) == []


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
