"""What a run of the benchmark leaves: every sample, and what it was measured on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

Unit = Literal["s", "bytes"]
NOX_PEX = "nox-pex"
"""The subject that all others are compared with."""


class Key(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """What a series is of: in a `piece` of the benchmark, with a `project`, in a `case`, a `subject`."""

    piece: str
    project: str
    case: str
    subject: str


class Series(msgspec.Struct, kw_only=True):
    """The samples of one subject, one for each round, None where the run failed.

    `steps` are the seconds of each step of a round, by its name, `failure` why the last failed run failed.
    """

    key: Key
    unit: Unit = "s"
    samples: list[float | None] = []
    steps: dict[str, list[float]] = {}
    failure: str = ""

    @property
    def values(self) -> list[float]:
        """The samples of the runs that succeeded."""
        return [sample for sample in self.samples if sample is not None]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a kind of change was noticed: what was done, what had to come of it, and what came."""

    change: str
    expected: str
    seen: str

    @property
    def passed(self) -> bool:
        """Whether it was as it had to be."""
        return self.expected == self.seen


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was measured. `memory` is in bytes."""

    cpu: str
    cores: int
    memory: int
    system: str
    python: str


class Results(msgspec.Struct, kw_only=True):
    """A run of the benchmark. `date` is a day in UTC, `commit` that of nox-pex, with `+` where it has changes.

    `failures` are those that left a piece unfinished.
    """

    machine: Machine
    tools: dict[str, str]
    commit: str
    date: str
    command: str
    series: list[Series] = []
    noticed: list[Check] = []
    failures: list[str] = []

    def find(self, piece: str, project: str, case: str, subject: str) -> Series | None:
        """A series; None where it was not measured."""
        key = Key(piece=piece, project=project, case=case, subject=subject)
        return next((series for series in self.series if series.key == key), None)

    def among(self, piece: str, project: str | None = None) -> list[Series]:
        """The series of a piece, in the order in which they were measured."""
        return [one for one in self.series if one.key.piece == piece and project in (None, one.key.project)]

    def projects(self, piece: str) -> list[str]:
        """The projects of a piece, in the order in which they were measured."""
        return list(dict.fromkeys(one.key.project for one in self.among(piece)))


class Recorder:
    """Collects samples while they are measured."""

    def __init__(self) -> None:
        self.noticed: list[Check] = []
        self.failures: list[str] = []
        self._series: dict[Key, Series] = {}

    @property
    def series(self) -> list[Series]:
        """All that was collected, in the order in which it began."""
        return list(self._series.values())

    def add(
        self,
        key: Key,
        sample: float | None,
        *,
        unit: Unit = "s",
        steps: Mapping[str, float] | None = None,
        failure: str = "",
    ) -> None:
        """Note one sample; None for a run that failed, and `failure` says why."""
        series = self._series.setdefault(key, Series(key=key, unit=unit, samples=[], steps={}))
        series.samples.append(sample)
        for name, seconds in (steps or {}).items():
            series.steps.setdefault(name, []).append(round(seconds, 4))
        series.failure = failure or series.failure


def merged(older: Results, newer: Results) -> Results:
    """`older` with all that `newer` measured too in its place.

    Raises `ValueError` where they are not of the same machine, tools and commit: figures of two days do not compare.
    """
    for what in ("machine", "tools", "commit"):
        if getattr(older, what) != getattr(newer, what):
            msg = f"the results differ in their {what}: {getattr(older, what)} and {getattr(newer, what)}"
            raise ValueError(msg)
    measured = {_case(one) for one in newer.series}
    kept = [one for one in older.series if _case(one) not in measured]
    return Results(
        machine=newer.machine,
        tools=newer.tools,
        commit=newer.commit,
        date=newer.date,
        command=f"{older.command}; {newer.command}",
        series=kept + newer.series,
        noticed=newer.noticed or older.noticed,
        failures=older.failures + newer.failures,
    )


def _case(series: Series) -> tuple[str, str, str]:
    """What is replaced as a whole: subjects that were not measured in the same run do not compare."""
    return series.key.piece, series.key.project, series.key.case


def read(path: Path) -> Results:
    """The results in a JSON file."""
    return msgspec.json.decode(path.read_bytes(), type=Results)


def write(path: Path, results: Results) -> None:
    """Write `results` as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
