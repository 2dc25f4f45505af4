"""Build times: a first build, with empty and with warm caches, and after each kind of change. The ways take turns."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.checkout import EMPTY_NOXFILE, Checkout
from benchmarks.competitors import WAYS, Job, Way
from benchmarks.execution import Step, Timed
from benchmarks.results import NOX_PEX, Key

PIECE: Final = "build"
EMPTY: Final = "three empty Nox sessions"
NEW_LOCK: Final = "nox-pex, a new lock"
"""The subject for a build whose caches have the downloads of a lock, but nothing that was built from them."""
COPY: Final = "pex --version and a copy"

CASES: Final = {
    "cold": "first build, empty caches",
    "warm": "first build, warm caches",
    "unchanged": "nothing changed",
    "edit": "one source file changed",
    "bump": "one dependency bumped",
    "setting": "one setting changed",
}
"""The cases, each with its text for the tables."""

_ROUNDS: Final[Mapping[str, Mapping[str, int]]] = {
    "hello": {"cold": 1, "warm": 3, "unchanged": 2, "edit": 3, "bump": 2, "setting": 1},
    "app": {"cold": 1, "warm": 1, "unchanged": 3, "edit": 3, "bump": 1},
    "data": {"warm": 1, "unchanged": 3, "edit": 2},
}
"""The largest number of rounds. Builds of a larger project take longer, and their times vary less."""

_QUICK: Final[Mapping[str, int]] = {"cold": 1, "warm": 1, "unchanged": 2, "edit": 2}
_QUICK_WAYS: Final = (NOX_PEX, "pex --pex-repository", "pex --pylock", "shiv", "2019 recipe")


@dataclass(kw_only=True)
class _Place:
    """The checkout that one way works in, and the state of that checkout."""

    project: str
    way: Way
    checkout: Checkout = field(default_factory=lambda: Checkout(root=Path()))
    lock_changed: bool = True
    greeting: int = 0
    edits: int = 0


def measure(bench: Bench) -> dict[tuple[str, str], Path]:
    """Measure the wanted builds; return the checkouts that have a finished build, by project and way."""
    finished: dict[tuple[str, str], Path] = {}
    for project in bench.projects("hello", "app", "data"):
        places = [_Place(project=project, way=way) for way in ways(bench)]
        if _measured(bench, project, places):
            finished |= {(project, place.way.name): place.checkout.root for place in places}
    return finished


def ways(bench: Bench) -> tuple[Way, ...]:
    """The ways to measure."""
    return tuple(way for way in WAYS.values() if not bench.wanted.quick or way.name in _QUICK_WAYS)


def built(bench: Bench, project: str, way: Way) -> Path | None:
    """Build `project` with `way`, not timed; return its checkout, or None if the build fails."""
    place = _Place(project=project, way=way)
    _change(bench, "", place)
    return None if _build(bench, "", place).failure else place.checkout.root


def _measured(bench: Bench, project: str, places: list[_Place]) -> bool:
    """Measure the wanted cases of one project; False if there are none. Ways that fail are removed from `places`."""
    at_most = _QUICK if bench.wanted.quick else _ROUNDS[project]
    cases = [case for case in at_most if at_most[case] and bench.wanted.has(PIECE, case)]
    if not cases:
        return False
    if "cold" not in cases:
        cases.insert(0, "")  # not timed: the other cases need warm caches and a build
    for case in cases:
        rounds = bench.wanted.at_most(at_most.get(case, 1))
        for number in range(rounds):
            bench.say(f"build: {project}: {CASES.get(case, 'first build, not timed')}, {number + 1} of {rounds}")
            _round(bench, case, places)
    return True


def _round(bench: Bench, case: str, places: list[_Place]) -> None:
    """Build with every way in turn, and then measure the lower limit of the case."""
    for place in [place for place in places if _differs(bench, case, place)]:
        _change(bench, case, place)
        timed = _build(bench, case, place)
        if case:
            _note(bench, case, place, place.way.name, timed)
        if timed.failure:
            bench.say(f"build: {place.project}: {place.way.name} fails: {timed.failure}")
            places.remove(place)  # it would fail in every other case too
    ours = next((place for place in places if place.way.name == NOX_PEX), None)
    if ours is not None and case == "unchanged":
        _note(bench, case, ours, EMPTY, _empty_sessions(bench))
    if ours is not None and case == "warm":
        bench.clear_lock_caches()
        _change(bench, case, ours)
        _note(bench, case, ours, NEW_LOCK, _build(bench, case, ours))
    if ours is not None and case == "edit":
        _note(bench, case, ours, COPY, _version_and_copy(bench, ours))


def _differs(bench: Bench, case: str, place: _Place) -> bool:
    """Whether a way must be measured separately in a case.

    A way that cannot detect that nothing changed does the same work as after an edit. The smallest project shows this,
    and the larger ones skip it.
    """
    return case != "unchanged" or place.way.name == NOX_PEX or (place.project == "hello" and not bench.wanted.quick)


def _note(bench: Bench, case: str, place: _Place, subject: str, timed: Timed) -> None:
    key = Key(piece=PIECE, project=place.project, case=case, subject=subject)
    steps = timed.steps if len(timed.steps) > 1 else None
    bench.recorder.add(key, timed.seconds, steps=steps, failure=timed.failure)


def _build(bench: Bench, case: str, place: _Place) -> Timed:
    root, way = place.checkout.root, place.way
    job = Job(sources=place.checkout.sources, greeting=str(place.greeting % 10), lock_changed=place.lock_changed)
    env = bench.own_environ() if way.name == NOX_PEX else bench.environ(way.name, project=root, inside=way.in_project)
    label = f"{PIECE}.{place.project}.{case or 'first'}.{way.name}"
    timed = bench.runner.run(way.steps(bench.tools, job), cwd=root, env=env, label=label)
    if timed.failure:
        return timed
    place.lock_changed = False
    if not (root / way.artifact).exists():
        return Timed(steps=timed.steps, failure=f"{way.artifact} does not exist")
    return timed


def _change(bench: Bench, case: str, place: _Place) -> None:
    """Make the change that the case measures a build after."""
    match case:
        case "" | "warm" | "cold":  # a fresh checkout: no environment, no state
            place.checkout = bench.checkout(place.project, place.way.name)
            place.lock_changed = True
            if case == "cold":
                bench.empty_caches(place.way.name)
        case "edit":
            place.edits += 1
            place.checkout.edit(f"edit {place.edits}")
        case "bump":
            place.checkout.bump()
            place.lock_changed = True
            if place.way.name == NOX_PEX:
                bench.clear_lock_caches()  # otherwise its cache has this lock from two rounds before
        case "setting":
            place.greeting += 1
            if place.way.name == NOX_PEX:
                place.checkout.settings(f'inject-env = {{ GREETING = "{place.greeting % 10}" }}')


def _empty_sessions(bench: Bench) -> Timed:
    root = bench.work / "empty"
    root.mkdir(exist_ok=True)
    (root / "noxfile.py").write_text(EMPTY_NOXFILE, "utf-8")
    return bench.runner.run([bench.nox("-s", "pex")], cwd=root, env=bench.own_environ(), label="empty")


def _version_and_copy(bench: Bench, place: _Place) -> Timed:
    root = place.checkout.root
    steps = (
        Step(name="pex --version", argv=(str(bench.tools.pex), "--version")),
        Step(name="cp", argv=("cp", place.way.artifact, "copy.pex")),
    )
    timed = bench.runner.run(steps, cwd=root, env=bench.environ("floor", project=root), label="floor")
    (root / "copy.pex").unlink(missing_ok=True)
    return timed


def size(path: Path) -> int:
    """The bytes of a file, or of all files in a directory."""
    if path.is_file():
        return path.stat().st_size
    return sum(os.lstat(file).st_size for file in path.rglob("*") if not file.is_dir() or file.is_symlink())


def clear(path: Path) -> Path:
    """Remove the directory `path`, and return the path."""
    shutil.rmtree(path, ignore_errors=True)
    return path
