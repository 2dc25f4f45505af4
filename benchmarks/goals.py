"""The goals that nox-pex sets itself, each beside what was measured. They are figures to look at, no tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from benchmarks import boots, builds, library, scale, shapes
from benchmarks.competitors import WAYS
from benchmarks.figures import least, middle, ratio, shown, times
from benchmarks.results import NOX_PEX, Results, Series

_PROJECTS: Final = ("hello", "app", "data")


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A goal and what was measured: None where it was not. `detail` says between what."""

    case: str
    sense: Literal["≥", "≤", "<"]
    bound: float
    measured: float | None
    detail: str = ""
    unit: Literal["×", "s"] = "×"

    @property
    def met(self) -> bool | None:
        """Whether it is reached; None where nothing was measured."""
        if self.measured is None:
            return None
        if self.sense == "≥":
            return self.measured >= self.bound
        return self.measured <= self.bound if self.sense == "≤" else self.measured < self.bound

    @property
    def text(self) -> str:
        """As one line: `goal ≥ 15 ×, measured 42 ×`."""
        return f"goal {self.sense} {self.bound:g} {self.unit}, measured {self.written}"

    @property
    def written(self) -> str:
        """What was measured, in words."""
        if self.measured is None:
            return "not measured"
        return shown(self.measured) if self.unit == "s" else f"{times(self.measured)} ×"


def judged(results: Results) -> list[Judged]:
    """Every goal, in the order of the tables."""
    return [goal for judge in _JUDGES for goal in judge(results)]


def _first_build(results: Results) -> Iterator[Judged]:
    yield Judged(
        case="first build, warm caches, hello: the recipe against it",
        sense="≥",
        bound=6,
        measured=_built(results, "hello", "warm", over="2019 recipe"),
        detail="a lock that was built before: CI again, another clone",
    )
    own, recipe = (results.find(builds.PIECE, "hello", "warm", name) for name in (builds.NEW_LOCK, "2019 recipe"))
    yield Judged(
        case="first build, warm download caches alone, hello: the recipe against it",
        sense="≥",
        bound=6,
        measured=ratio(recipe, own),
        detail="a new lock",
    )


def _edit(results: Results) -> Iterator[Judged]:
    yield Judged(
        case="one source file changed, hello: the recipe against it",
        sense="≥",
        bound=15,
        measured=_built(results, "hello", "edit", over="2019 recipe"),
    )
    yield Judged(
        case="one source file changed, app: plain pex (`--pylock`) against it",
        sense="≥",
        bound=4,
        measured=_built(results, "app", "edit", over="pex --pylock"),
    )
    for project in ("hello", "app"):
        by_way = {way.name: _built(results, project, "edit", over=way.name) for way in WAYS.values() if way.is_pex}
        name, fastest = min(
            ((name, one) for name, one in by_way.items() if one is not None),
            key=lambda pair: pair[1],
            default=("", None),
        )
        yield Judged(
            case=f"one source file changed, {project}: the fastest pex invocation against it",
            sense="≥",
            bound=1,
            measured=fastest,
            detail=name,
        )
    yield Judged(
        case="one source file changed, app: against `pex --version` and a copy of the file",
        sense="≤",
        bound=2,
        measured=ratio(
            results.find(builds.PIECE, "app", "edit", NOX_PEX), results.find(builds.PIECE, "app", "edit", builds.COPY)
        ),
    )


def _idle(results: Results) -> Iterator[Judged]:
    yield Judged(
        case="nothing changed: against three empty Nox sessions",
        sense="≤",
        bound=1.3,
        measured=_library(results, "idle", builds.EMPTY),
    )
    yield Judged(
        case="`nox --list`: against the same noxfile without us",
        sense="≤",
        bound=1.15,
        measured=_library(results, "list", library.WITHOUT),
    )


def _boots(results: Results) -> Iterator[Judged]:
    for project in _PROJECTS:
        plain = results.find(boots.PIECE, project, "warm-boot", boots.VENV)
        yield Judged(
            case=f"warm boot, {project}: against the plain virtual environment",
            sense="≤",
            bound=1.1,
            measured=ratio(results.find(boots.PIECE, project, "warm-boot", NOX_PEX), plain),
        )
        yield Judged(
            case=f"boot of the unpacked binary, {project}: against the plain virtual environment",
            sense="≤",
            bound=1.1,
            measured=ratio(results.find(boots.PIECE, project, "cold-boot", boots.UNPACKED), plain),
            detail="its first boot",
        )
    for project in ("hello", "app"):
        yield _cold(results, project)


def _cold(results: Results, project: str) -> Judged:
    """The default against the shape that boots cold the fastest of those that are one file."""
    single = [
        one
        for one in results.among(shapes.PIECE, project)
        if one.key.case == "cold-boot" and not one.key.subject.startswith("layout") and one.values
    ]
    best = min(single, key=lambda one: middle(one) or 0.0, default=None)
    default = results.find(shapes.PIECE, project, "cold-boot", shapes.DEFAULT)
    return Judged(
        case=f"cold boot of the single file, {project}: against the best setting of pex",
        sense="≤",
        bound=1,
        measured=ratio(default, best),
        detail=f"`{best.key.subject}`" if best and best.key.subject != shapes.DEFAULT else "the default is the best",
    )


def _scale(results: Results) -> Iterator[Judged]:
    yield Judged(
        case="100 binaries unchanged: against one",
        sense="≤",
        bound=5,
        measured=ratio(
            results.find(scale.PIECE, "", "binaries", "100"), results.find(scale.PIECE, "", "binaries", "1")
        ),
    )
    few, some, many = (results.find(scale.PIECE, "", "sources", str(count)) for count in scale.SOURCES)
    scan, tenth = _difference(many, few), _difference(some, few)
    yield Judged(
        case="source scan, 10,000 files: what they add to a run over 100",
        sense="<",
        bound=0.5,
        measured=scan,
        unit="s",
        detail="" if scan is None or tenth is None else f"1,000 files add {shown(max(tenth, 0.0))}",
    )


def _memory(results: Results) -> Iterator[Judged]:
    for case in ("build", "edit", "verify"):
        small, large = (results.find(library.MEMORY, project, case, NOX_PEX) for project in ("hello", "data"))
        low, high = middle(small), middle(large)
        yield Judged(
            case=f"memory of our own process, {case}: data against hello",
            sense="≤",
            bound=1.5,
            measured=ratio(large, small),
            detail="" if low is None or high is None else f"{shown(low, 'bytes')} and {shown(high, 'bytes')}",
        )


_JUDGES: Final[tuple[Callable[[Results], Iterator[Judged]], ...]] = (
    _first_build,
    _edit,
    _idle,
    _boots,
    _scale,
    _memory,
)


def _built(results: Results, project: str, case: str, *, over: str) -> float | None:
    own, other = (results.find(builds.PIECE, project, case, name) for name in (NOX_PEX, over))
    return ratio(other, own)


def _library(results: Results, case: str, floor: str) -> float | None:
    own, other = (results.find(library.PIECE, "", case, name) for name in (NOX_PEX, floor))
    return ratio(own, other)


def _difference(more: Series | None, fewer: Series | None) -> float | None:
    """Of the smallest samples: what disturbs a run only ever adds to it."""
    one, other = least(more), least(fewer)
    return None if one is None or other is None else one - other
