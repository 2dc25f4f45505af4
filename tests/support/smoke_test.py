"""The result of one smoke test of a small program, and settings that keep it short."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

import msgspec
from msgspec import Struct

from nox_pex.smoke.report import SmokeReport


class Tested(Struct, frozen=True):
    """The report of one smoke test, the lines that it showed, and its duration in seconds."""

    __test__: ClassVar[bool] = False  # pytest must not collect it

    report: SmokeReport
    said: list[str] = msgspec.field(default_factory=list)
    seconds: float = 0.0

    @property
    def code(self) -> str | None:
        """The error code, or None if the smoke test passed."""
        return None if self.report.failure is None else self.report.failure.code

    @property
    def problem(self) -> str:
        """The message of the failure, or an empty text."""
        return "" if self.report.failure is None else self.report.failure.problem

    @property
    def log(self) -> str:
        """The program's output that the failure quotes, or an empty text."""
        return "" if self.report.failure is None else "\n".join(self.report.failure.log)


SmokeTest = Callable[..., Tested]

QUICK: Final[dict[str, Any]] = {"conditions": ["cold"], "soak": 0.05, "startup-timeout": 15.0, "stop-timeout": 5.0}
GREETING: Final[dict[str, Any]] = {
    "path": "/",
    "status": 200,
    "json": {"message": "Hello World"},
    "timeout": 5.0,
}

LEFT_OPEN: Final[list[int]] = []
"""Ports on which the test itself listens, so that they may still answer after the smoke test."""
