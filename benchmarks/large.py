"""Large inputs: the time and the memory of builds of synthetic projects."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from benchmarks import memory, synthetic
from benchmarks.bench import Bench
from benchmarks.builds import EMPTY, empty_sessions, size
from benchmarks.checkout import Checkout
from benchmarks.execution import Step, Timed
from benchmarks.results import NOX_PEX, Key
from benchmarks.synthetic import Distribution

PIECE: Final = "large"
FLOOR: Final = "cp and sha256sum"
_ROUNDS: Final = 3
_MEGABYTE: Final = 10**6


@dataclass(frozen=True, kw_only=True)
class Large:
    """A synthetic project: its `distributions`, and the `cases` to measure, from `CASES`."""

    text: str
    distributions: tuple[Distribution, ...]
    cases: tuple[str, ...]


CASES: Final = {
    "build": "first build",
    "unchanged": "nothing changed",
    "edit": "one source file changed",
    "verify": "verify",
}


def _named(count: int, **form: object) -> tuple[Distribution, ...]:
    return tuple(Distribution(name=f"large-{number:03}", **form) for number in range(count))  # type: ignore[arg-type]


PROJECTS: Final[Mapping[str, Large]] = {
    "500 MB": Large(
        text="500 MB in 10 distributions",
        distributions=_named(10, files=10, size=5 * _MEGABYTE),
        cases=("unchanged", "edit"),
    ),
    "1.5 GB": Large(
        text="1.5 GB in 15 distributions",
        distributions=_named(15, files=10, size=10 * _MEGABYTE),
        cases=("build", "unchanged", "edit", "verify"),
    ),
    "60,000 files": Large(
        text="60,000 modules in 30 distributions",
        distributions=_named(30, files=1_999, size=1_000, suffix=".py"),
        cases=("build", "unchanged", "edit", "verify"),
    ),
}


def floors(case: str) -> tuple[str, ...]:
    """The subjects that are the lower limit of a case."""
    return {"unchanged": (EMPTY,), "edit": (FLOOR,)}.get(case, ())


def measure(bench: Bench, *, name: str) -> None:
    """Measure one of `PROJECTS`, if it is wanted. Nothing of it is left afterwards, because it needs gigabytes."""
    if bench.wanted.quick or sys.platform != "linux" or not bench.wanted.has(PIECE, name):
        return
    try:
        with _locked(bench, name, PROJECTS[name]) as checkout:
            _measure(bench, name, PROJECTS[name], checkout)
    finally:
        bench.empty_caches(NOX_PEX)
        bench.empty_caches("synthetic")


def _measure(bench: Bench, name: str, large: Large, checkout: Checkout) -> None:
    """Run each case once with its memory watched, and then those that are short in rounds with their lower limit."""
    session = {"verify": "verify"}
    if "build" not in large.cases:
        bench.build(checkout, f"{PIECE}.{name}.build")
    for case in large.cases:
        bench.say(f"{PIECE}: {name}: {CASES[case]}")
        _change(checkout, case, "first")
        label = f"{PIECE}.{name}.{case}"
        timed, peak = memory.run(bench, checkout, session.get(case, "pex"), label=label)
        bench.recorder.add(_key(name, f"{case}-memory", NOX_PEX), peak, unit="bytes", failure=timed.failure)
        if case in ("build", "verify"):
            bench.recorder.add(_key(name, case, NOX_PEX), timed.seconds, failure=timed.failure)
            continue
        for number in range(bench.wanted.at_most(_ROUNDS)):
            _change(checkout, case, str(number))
            timed = bench.runner.run([bench.nox("-s", "pex")], cwd=checkout.root, env=bench.own_environ(), label=label)
            bench.recorder.add(_key(name, case, NOX_PEX), timed.seconds, failure=timed.failure)
            floor = _copied(bench, checkout) if case == "edit" else empty_sessions(bench)
            bench.recorder.add(_key(name, case, *floors(case)), floor.seconds, failure=floor.failure)
    bench.recorder.add(_key(name, "size", NOX_PEX), size(checkout.root / "dist/service.pex"), unit="bytes")


def _change(checkout: Checkout, case: str, comment: str) -> None:
    if case == "edit":
        checkout.edit(comment)


def _copied(bench: Bench, checkout: Checkout) -> Timed:
    """Copy the binary and print its digest, as the least that a new binary with a record needs."""
    steps = (
        Step(name="cp", argv=("cp", "dist/service.pex", "copy.pex")),
        Step(name="sha256sum", argv=("sha256sum", "copy.pex")),
    )
    timed = bench.runner.run(steps, cwd=checkout.root, env=bench.own_environ(), label=f"{PIECE}.floor")
    (checkout.root / "copy.pex").unlink(missing_ok=True)
    return timed


@contextmanager
def _locked(bench: Bench, name: str, large: Large) -> Iterator[Checkout]:
    """Yield a checkout of the project with its lock, while its index is served. Nothing of it is left afterwards."""
    place = bench.work / PIECE
    try:
        bench.say(f"{PIECE}: {name}: writing the wheels")
        with synthetic.index(place / "index", large.distributions) as url:
            synthetic.write_project(place / "project", name="large", distributions=large.distributions, url=url)
            yield synthetic.locked(bench, place / "project")
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _key(project: str, case: str, subject: str) -> Key:
    return Key(piece=PIECE, project=project, case=case, subject=subject)
