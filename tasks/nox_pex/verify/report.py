"""The result of `verify`, as a table for people and as JSON for scripts. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.system import outside_text
from nox_pex.system.messages import Line

Gate = Literal["closure", "integrity", "leaks", "reproducible", "budget"]


GATES: Final[tuple[Gate, ...]] = ("closure", "integrity", "leaks", "reproducible", "budget")
"""All gates, in the order in which they run."""


class GateResult(Struct, frozen=True, kw_only=True):
    """The result of one gate: a short `summary`, all `problems`, `notes` and `details`, and the `seconds` that it took.

    `failure` is the error to raise; None unless `state` is `failed`.
    """

    gate: Gate
    state: Literal["passed", "failed", "skipped"]
    summary: str
    seconds: float = 0.0
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] = {}
    failure: NoxPexError | None = None


class VerifyReport(Struct, frozen=True, kw_only=True):
    """The results for one binary: its name, its file's name, its SHA-256 and its size in bytes."""

    name: str
    binary: str
    sha256: str
    size: int
    results: tuple[GateResult, ...]

    @property
    def failure(self) -> NoxPexError | None:
        """The first failure; None if all gates passed or were skipped."""
        return next((result.failure for result in self.results if result.failure is not None), None)


def table(report: VerifyReport, *, mask: Callable[[str], str] = str) -> Iterator[Line]:
    """Yield a line for each gate, with its notes, then the errors of all failures except the first, each once.

    The caller raises the first. `mask` masks the secrets in an error, before the characters in it are escaped.
    """
    for result in report.results:
        text = f"{result.gate:<12}  {result.state:<7}  {result.seconds:5.1f} s  {result.summary}"
        yield Line(text=text, meaning=result.state)
        yield from (Line(text=f"{result.gate:<12}  note: {note}", meaning="warned") for note in result.notes)
    failures = [result.failure for result in report.results if result.failure is not None]
    errors = dict.fromkeys(str(failure.masked(mask)) for failure in failures)  # several may have one cause
    yield from (Line(text=error, meaning="failed") for error in tuple(errors)[1:])


def json_text(report: VerifyReport, *, obtained: Mapping[str, Any] | None = None) -> str:
    """Return the text of `NAME.verify.json`.

    `obtained` are the keys that say under which circumstances the result was obtained, and when.
    """
    value = {
        "name": report.name,
        "binary": report.binary,
        "sha256": report.sha256,
        "size": report.size,
        "passed": report.failure is None,
        **(obtained or {}),
        "gates": [_as_json(result) for result in report.results],
    }
    return outside_text.json_text(value)


def _as_json(result: GateResult) -> dict[str, Any]:
    failure = result.failure
    return {
        "gate": result.gate,
        "state": result.state,
        "summary": result.summary,
        "seconds": round(result.seconds, 3),
        "problems": list(result.problems),
        "notes": list(result.notes),
        "details": dict(result.details),
        "failure": failure and {"code": failure.code, "problem": failure.problem, "remedy": failure.remedy},
    }
