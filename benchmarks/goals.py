"""The goals of nox-pex, each with the measured value. They are only shown; no test fails because of them."""

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
class Goal:
    """A goal and the measured value, which is None if nothing was measured.

    The value must be `sense` `bound`. `detail` adds a remark to the case.
    """

    case: str
    sense: Literal["≥", "≤", "<"]
    bound: float
    measured: float | None
    detail: str = ""
    unit: Literal["×", "s"] = "×"

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None if nothing was measured."""
        if self.measured is None:
            return None
        if self.sense == "≥":
            return self.measured >= self.bound
        return self.measured <= self.bound if self.sense == "≤" else self.measured < self.bound

    @property
    def text(self) -> str:
        """The goal as one line: `goal ≥ 15 ×, measured 42 ×`."""
        return f"goal {self.sense} {self.bound:g} {self.unit}, measured {self.written}"

    @property
    def written(self) -> str:
        """The measured value as text."""
        if self.measured is None:
            return "not measured"
        return shown(self.measured) if self.unit == "s" else f"{times(self.measured)} ×"


def all_goals(results: Results) -> list[Goal]:
    """All goals, in the order of the tables."""
    return [goal for group in _GROUPS for goal in group(results)]


def _first_build(results: Results) -> Iterator[Goal]:
    yield Goal(
        case="first build, warm caches, hello: 2019 recipe ÷ nox-pex",
        sense="≥",
        bound=6,
        measured=_built(results, "hello", "warm", over="2019 recipe"),
        detail="the lock was built before: another CI run, another clone",
    )
    ours, recipe = (results.find(builds.PIECE, "hello", "warm", name) for name in (builds.NEW_LOCK, "2019 recipe"))
    yield Goal(
        case="first build, warm download caches only, hello: 2019 recipe ÷ nox-pex",
        sense="≥",
        bound=6,
        measured=ratio(recipe, ours),
        detail="a new lock",
    )


def _edit(results: Results) -> Iterator[Goal]:
    yield Goal(
        case="one source file changed, hello: 2019 recipe ÷ nox-pex",
        sense="≥",
        bound=15,
        measured=_built(results, "hello", "edit", over="2019 recipe"),
    )
    yield Goal(
        case="one source file changed, app: plain pex (`--pylock`) ÷ nox-pex",
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
        yield Goal(
            case=f"one source file changed, {project}: the fastest pex invocation ÷ nox-pex",
            sense="≥",
            bound=1,
            measured=fastest,
            detail=name,
        )
    yield Goal(
        case="one source file changed, app: nox-pex ÷ `pex --version` and a copy of the file",
        sense="≤",
        bound=2,
        measured=ratio(
            results.find(builds.PIECE, "app", "edit", NOX_PEX), results.find(builds.PIECE, "app", "edit", builds.COPY)
        ),
    )


def _idle(results: Results) -> Iterator[Goal]:
    yield Goal(
        case="nothing changed: nox-pex ÷ three empty Nox sessions",
        sense="≤",
        bound=1.3,
        measured=_library(results, "idle", builds.EMPTY),
    )
    yield Goal(
        case="`nox --list`: noxfile with nox-pex ÷ the same noxfile without it",
        sense="≤",
        bound=1.15,
        measured=_library(results, "list", library.WITHOUT),
    )


def _boots(results: Results) -> Iterator[Goal]:
    for project in _PROJECTS:
        plain = results.find(boots.PIECE, project, "warm-boot", boots.VENV)
        yield Goal(
            case=f"warm boot, {project}: nox-pex ÷ plain virtual environment",
            sense="≤",
            bound=1.1,
            measured=ratio(results.find(boots.PIECE, project, "warm-boot", NOX_PEX), plain),
        )
        yield Goal(
            case=f"boot of the unpacked binary, {project}: nox-pex ÷ plain virtual environment",
            sense="≤",
            bound=1.1,
            measured=ratio(results.find(boots.PIECE, project, "cold-boot", boots.UNPACKED), plain),
            detail="its first boot",
        )
    for project in ("hello", "app"):
        yield _cold(results, project)


def _cold(results: Results, project: str) -> Goal:
    """The default compared with the fastest cold boot of all settings that build one file."""
    single = [
        one
        for one in results.among(shapes.PIECE, project)
        if one.key.case == "cold-boot" and not one.key.subject.startswith("layout") and one.values
    ]
    best = min(single, key=lambda one: middle(one) or 0.0, default=None)
    default = results.find(shapes.PIECE, project, "cold-boot", shapes.DEFAULT)
    return Goal(
        case=f"cold boot of the single file, {project}: default ÷ best setting of pex",
        sense="≤",
        bound=1,
        measured=ratio(default, best),
        detail=f"`{best.key.subject}`" if best and best.key.subject != shapes.DEFAULT else "the default is the best",
    )


def _scale(results: Results) -> Iterator[Goal]:
    yield Goal(
        case="nothing changed: 100 binaries ÷ one binary",
        sense="≤",
        bound=5,
        measured=ratio(
            results.find(scale.PIECE, "", "binaries", "100"), results.find(scale.PIECE, "", "binaries", "1")
        ),
    )
    few, some, many = (results.find(scale.PIECE, "", "sources", str(count)) for count in scale.SOURCES)
    scan, tenth = _difference(many, few), _difference(some, few)
    yield Goal(
        case="source scan: extra time for 10,000 files compared with 100",
        sense="<",
        bound=0.5,
        measured=scan,
        unit="s",
        detail="" if scan is None or tenth is None else f"1,000 files add {shown(max(tenth, 0.0))}",
    )


def _memory(results: Results) -> Iterator[Goal]:
    for case in ("build", "edit", "verify"):
        small, large = (results.find(library.MEMORY, project, case, NOX_PEX) for project in ("hello", "data"))
        low, high = middle(small), middle(large)
        yield Goal(
            case=f"memory of the Nox process, {case}: data ÷ hello",
            sense="≤",
            bound=1.5,
            measured=ratio(large, small),
            detail="" if low is None or high is None else f"{shown(low, 'bytes')} and {shown(high, 'bytes')}",
        )


_GROUPS: Final[tuple[Callable[[Results], Iterator[Goal]], ...]] = (
    _first_build,
    _edit,
    _idle,
    _boots,
    _scale,
    _memory,
)


def _built(results: Results, project: str, case: str, *, over: str) -> float | None:
    ours, other = (results.find(builds.PIECE, project, case, name) for name in (NOX_PEX, over))
    return ratio(other, ours)


def _library(results: Results, case: str, floor: str) -> float | None:
    ours, other = (results.find(library.PIECE, "", case, name) for name in (NOX_PEX, floor))
    return ratio(ours, other)


def _difference(more: Series | None, fewer: Series | None) -> float | None:
    """The difference between the smallest samples, because a disturbance can only make a run longer."""
    one, other = least(more), least(fewer)
    return None if one is None or other is None else one - other
