"""What `verify` found, and how people and scripts read it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from nox_pex.errors import NoxPexError

Gate = Literal["closure", "integrity", "leaks", "reproducible", "budget"]


GATES: Final[tuple[Gate, ...]] = ("closure", "integrity", "leaks", "reproducible", "budget")
"""All gates, in the order in which they run."""


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """What one gate gave. `summary` is a few words, `problems` and `details` all that was found, `seconds` its time."""

    gate: Gate
    state: Literal["passed", "failed", "skipped"]
    summary: str
    seconds: float = 0.0
    problems: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    failure: NoxPexError | None = None


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """What `verify` found of a binary. `binary` is the name of the file, `size` in bytes, `sha256` of what was read."""

    name: str
    binary: str
    sha256: str
    size: int
    outcomes: tuple[GateResult, ...]

    @property
    def failure(self) -> NoxPexError | None:
        """The first failure."""
        return next((outcome.failure for outcome in self.outcomes if outcome.failure is not None), None)


def table(report: VerifyReport) -> Iterator[str]:
    """A line for each gate, and below them what failed in full."""
    for outcome in report.outcomes:
        yield f"{outcome.gate:<12}  {outcome.state:<7}  {outcome.seconds:5.1f} s  {outcome.summary}"
    failures = [outcome.failure for outcome in report.outcomes if outcome.failure is not None]
    yield from (str(failure) for failure in failures[1:])  # the first one ends the session


def json_text(report: VerifyReport) -> str:
    """`NAME.verify.json`."""
    value = {
        "name": report.name,
        "binary": report.binary,
        "sha256": report.sha256,
        "size": report.size,
        "passed": report.failure is None,
        "gates": [_as_json(outcome) for outcome in report.outcomes],
    }
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def _as_json(outcome: GateResult) -> dict[str, Any]:
    failure = outcome.failure
    return {
        "gate": outcome.gate,
        "state": outcome.state,
        "summary": outcome.summary,
        "seconds": round(outcome.seconds, 3),
        "problems": list(outcome.problems),
        "details": dict(outcome.details),
        "failure": failure and {"code": failure.code, "problem": failure.problem, "remedy": failure.remedy},
    }
