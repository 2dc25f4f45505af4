"""The results of a run: every sample, and the machine and tools that were measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

Unit = Literal["s", "bytes"]
NOX_PEX = "nox-pex"
"""The subject that all others are compared with."""


class Key(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """The identity of a series: the `piece` of the benchmark, the `project`, the `case` and the `subject`."""

    piece: str
    project: str
    case: str
    subject: str


class Series(msgspec.Struct, kw_only=True):
    """The samples of one subject, one for each round; None for a failed run.

    `steps` has the seconds of each step, by its name, one for each round. `failure` is the reason of the last failure.
    """

    key: Key
    unit: Unit = "s"
    samples: list[float | None] = []
    steps: dict[str, list[float]] = {}
    failure: str = ""

    @property
    def values(self) -> list[float]:
        """The samples of the successful runs."""
        return [sample for sample in self.samples if sample is not None]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of change, with the expected reaction of nox-pex and the one that was seen."""

    change: str
    expected: str
    seen: str

    @property
    def passed(self) -> bool:
        """Whether the reaction is the expected one."""
        return self.expected == self.seen


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The machine that the samples are from. `memory` is in bytes."""

    cpu: str
    cores: int
    memory: int
    system: str
    python: str


class Results(msgspec.Struct, kw_only=True):
    """The results of a run. `date` is in UTC. `commit` is that of nox-pex, with `+` if there are uncommitted changes.

    `failures` are the failures that left a piece unfinished. `finished` names the pieces that were measured.
    """

    machine: Machine
    tools: dict[str, str]
    commit: str
    date: str
    command: str
    series: list[Series] = []
    noticed: list[Check] = []
    failures: list[str] = []
    finished: list[str] = []

    def find(self, piece: str, project: str, case: str, subject: str) -> Series | None:
        """The series with this key; None if it was not measured."""
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
        """All series, in the order of their first samples."""
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
        """Record one sample. For a failed run it is None, and `failure` is the reason."""
        series = self._series.setdefault(key, Series(key=key, unit=unit, samples=[], steps={}))
        series.samples.append(sample)
        for name, seconds in (steps or {}).items():
            series.steps.setdefault(name, []).append(round(seconds, 4))
        series.failure = failure or series.failure


def merged(older: Results, newer: Results) -> Results:
    """Return `older` with each case that `newer` measured replaced by that of `newer`.

    Raises `ValueError` if the machine, the tools or the commit differ, because such figures cannot be compared.
    """
    for field in ("machine", "tools", "commit"):
        if getattr(older, field) != getattr(newer, field):
            msg = f"the results differ in their {field}: {getattr(older, field)} and {getattr(newer, field)}"
            raise ValueError(msg)
    measured = {_case(one) for one in newer.series}
    others = [one for one in older.series if _case(one) not in measured]
    return Results(
        machine=newer.machine,
        tools=newer.tools,
        commit=newer.commit,
        date=newer.date,
        command=f"{older.command}; {newer.command}",
        series=others + newer.series,
        noticed=newer.noticed or older.noticed,
        failures=older.failures + newer.failures,
        finished=list(dict.fromkeys(older.finished + newer.finished)),
    )


def _case(series: Series) -> tuple[str, str, str]:
    """The part of a key that is replaced as a whole, because subjects of different runs cannot be compared."""
    return series.key.piece, series.key.project, series.key.case


def read(path: Path) -> Results:
    """Read results from a JSON file."""
    return msgspec.json.decode(path.read_bytes(), type=Results)


def write(path: Path, results: Results) -> None:
    """Write `results` to a JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
