"""Build times: a first build, with empty and with warm caches, and after each kind of change. The ways take turns."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks import locks
from benchmarks.bench import Bench
from benchmarks.checkout import EMPTY_NOXFILE, Checkout
from benchmarks.competitors import BUNDLE, PLAIN_PEX, RECIPE, WAYS, Job, Way
from benchmarks.execution import Step, Timed
from benchmarks.results import NOX_PEX, Key

PIECE: Final = "build"
EMPTY: Final = "three empty Nox sessions"
COPY: Final = "pex --version and a copy"

CASES: Final = {
    "cold": "first build, empty caches",
    "new": "first build of a new lock",
    "warm": "first build of a known lock",
    "unchanged": "nothing changed",
    "edit": "one source file changed",
    "bump": "one dependency bumped",
    "addition": "one bumped, one added",
    "removal": "one bumped, one removed",
    "setting": "one setting changed",
}
"""The cases, each with its text for the tables, in the order in which they are measured."""

SETTINGS: Final = {f"{NOX_PEX}, {line}": line for line in ("compress = false", "compile = true", 'layout = "packed"')}
"""Settings that change the members of the file, by the name of the subject."""

_ROUNDS: Final[Mapping[str, Mapping[str, int]]] = {
    "hello": {"cold": 1, "new": 3, "warm": 1, "unchanged": 1, "edit": 3, "bump": 2, "removal": 1, "setting": 3},
    "app": {"cold": 1, "new": 2, "warm": 1, "unchanged": 3, "edit": 3, "bump": 2, "removal": 1, "setting": 2},
    "data": {"warm": 1, "unchanged": 3, "edit": 2},
}
"""The largest number of rounds. Builds of a larger project take longer, and their times vary less."""

_QUICK: Final[Mapping[str, int]] = {"cold": 1, "new": 1, "unchanged": 2, "edit": 2, "bump": 1, "setting": 1}
_QUICK_WAYS: Final = (NOX_PEX, "pex --pylock", "pex --venv-repository", "shiv", BUNDLE, RECIPE)

_OF_RECIPE: Final[Mapping[str, tuple[str, ...]]] = {
    "hello": ("cold", "warm", "unchanged", "edit", "bump", "setting"),
    "app": ("warm",),
}
"""The cases of each project in which the recipe of 2019 takes part. It takes 8 to 50 seconds for each build."""

_SLOW: Final = (PLAIN_PEX, "shiv")
"""Ways that compress the whole file in each build, so they do the same work in all cases."""

_WITH_REMOVAL: Final = ("pex --pylock", "pex --venv-repository", "uv and pex")

_MOST_FAILURES: Final = 2


@dataclass(kw_only=True)
class _Place:
    """The checkout that one way works in, and the state of that checkout.

    `releases` are those in which its lock differs from that of the project. `failures` counts the builds that failed.
    """

    project: str
    way: Way
    checkout: Checkout = field(default_factory=lambda: Checkout(root=Path()))
    lock_changed: bool = True
    releases: locks.Releases = field(default_factory=dict)
    greeting: int = 0
    edits: int = 0
    failures: int = 0


def measure(bench: Bench, project: str) -> dict[str, Path]:
    """Measure the wanted builds of a project; return the checkouts that have a finished build, by the way."""
    places = [_Place(project=project, way=way) for way in ways(bench, project)]
    return {place.way.name: place.checkout.root for place in places} if _measured(bench, project, places) else {}


def ways(bench: Bench, project: str) -> tuple[Way, ...]:
    """The ways to measure."""
    wanted = tuple(way for way in WAYS.values() if not bench.wanted.quick or way.name in _QUICK_WAYS)
    return tuple(way for way in wanted if way.name != RECIPE or project in _OF_RECIPE)


def built(bench: Bench, project: str, way: Way) -> Path | None:
    """Build `project` with `way`, not timed; return its checkout, or None if the build fails."""
    place = _Place(project=project, way=way)
    _change(bench, "", place, 0)
    return None if _build(bench, "", place).failure else place.checkout.root


def empty_sessions(bench: Bench) -> Timed:
    """Run as many Nox sessions as a build has, which do nothing."""
    root = bench.work / "empty"
    root.mkdir(exist_ok=True)
    (root / "noxfile.py").write_text(EMPTY_NOXFILE, "utf-8")
    return bench.runner.run([bench.nox("-s", "pex")], cwd=root, env=bench.own_environ(), label="empty")


def _measured(bench: Bench, project: str, places: list[_Place]) -> bool:
    """Measure the wanted cases of one project; False if there are none. Ways that fail are removed from `places`."""
    at_most = _QUICK if bench.wanted.quick else _ROUNDS[project]
    cases = [case for case in at_most if bench.wanted.has(PIECE, case)]
    if not cases:
        return False
    if "cold" not in cases:
        cases.insert(0, "")  # not timed: the other cases need warm caches and a build
    for case in cases:
        rounds = bench.wanted.at_most(at_most.get(case, 1))
        for number in range(rounds):
            bench.say(f"{PIECE}: {project}: {CASES.get(case, 'first build, not timed')}, {number + 1} of {rounds}")
            if case == "removal":
                _round(bench, "addition", places, number)
            _round(bench, case, places, number)
    return True


def _round(bench: Bench, case: str, places: list[_Place], number: int) -> None:
    """Build with every way in turn, and then measure the lower limit of the case."""
    for place in [place for place in places if _takes_part(bench, case, place, number)]:
        _change(bench, case, place, number)
        timed = _build(bench, case, place)
        if case:
            _note(bench, case, place, place.way.name, timed)
        if timed.failure:
            bench.say(f"{PIECE}: {place.project}: {place.way.name} fails: {timed.failure}")
            place.failures += 1
            if place.failures == _MOST_FAILURES:
                places.remove(place)  # it would fail in every other case too
    ours = next((place for place in places if place.way.name == NOX_PEX), None)
    if ours is None:
        return
    if case == "unchanged":
        _note(bench, case, ours, EMPTY, empty_sessions(bench))
    if case == "edit":
        _note(bench, case, ours, COPY, _version_and_copy(bench, ours))
    if case == "setting" and number == 0:
        _other_settings(bench, ours)


def _takes_part(bench: Bench, case: str, place: _Place, number: int) -> bool:
    """Whether a way is measured in a round of a case.

    A way that cannot detect that nothing changed does the same work as after an edit. The smallest project shows this,
    and the larger ones skip it. Slow ways are measured once. Cases in which a way does the same work as in another case
    are left out, so that a run of everything takes about half an hour.
    """
    name, is_small = place.way.name, place.project == "hello"
    if not case or name == NOX_PEX:
        return True
    if name == RECIPE:
        return case in _OF_RECIPE[place.project] and number == 0
    if name in _SLOW and not is_small and (number > 0 or case == "cold"):
        return False
    wanted = {
        "cold": name != "pex --pex-repository",
        "new": name == BUNDLE or (place.way.is_pex and name != "pex --pex-repository"),
        "unchanged": is_small and not bench.wanted.quick,
        "addition": name in _WITH_REMOVAL,
        "removal": name in _WITH_REMOVAL,
        "setting": name != BUNDLE,
    }
    return wanted.get(case, True)


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


def _change(bench: Bench, case: str, place: _Place, number: int) -> None:
    """Make the change that the case measures a build after."""
    match case:
        case "" | "cold" | "new" | "warm":  # a fresh checkout: no environment, no state
            place.checkout = bench.checkout(place.project, place.way.name)
            place.lock_changed, place.releases = True, {}
            if case == "cold":
                bench.empty_caches(place.way.name)
            if case == "new":
                bench.keep_downloads(place.way.name)
        case "edit":
            place.edits += 1
            place.checkout.edit(f"edit {place.edits}")
        case "bump" | "addition" | "removal":
            place.releases = {**place.releases, **locks.CHANGES[case][place.project][number]}
            place.checkout.lock(place.releases)
            place.lock_changed = True
        case "setting":
            place.greeting += 1
            if place.way.name == NOX_PEX:
                place.checkout.settings(f'inject-env = {{ GREETING = "{place.greeting % 10}" }}')


def _other_settings(bench: Bench, place: _Place) -> None:
    """Change a setting that changes the members of the file, and change it back, which is not timed."""
    for subject, line in SETTINGS.items():
        before = f'inject-env = {{ GREETING = "{place.greeting % 10}" }}'
        place.checkout.settings(before, line)
        _note(bench, "setting", place, subject, _build(bench, "setting", place))
        place.checkout.settings(before)
        _build(bench, "", place)


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
