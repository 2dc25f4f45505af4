"""The goals of nox-pex, each with the measured value. They are only shown; no test fails because of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from benchmarks import boots, builds, large, library, memory, proof, scale, shapes, summary
from benchmarks.competitors import BUNDLE, PLAIN_PEX, RECIPE, WAYS
from benchmarks.figures import least, middle, ratio, shown, times
from benchmarks.results import NOX_PEX, Results, Series

_PROJECTS: Final = ("hello", "app", "data")
_SMALL: Final = 20e6
_PER_GIGABYTE: Final = 0.2
_WATCHED: Final = (
    *((large.PIECE, project, "-memory") for project in large.PROJECTS),
    *((memory.PIECE, project, "") for project in (scale.MANY_BINARIES, scale.MANY_DISTRIBUTIONS)),
)
"""The pieces and projects with a limit of memory, and the end of the name of each case."""


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
    unit: Literal["×", "s", "MB"] = "×"

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
        if self.unit == "×":
            return f"{times(self.measured)} ×"
        return shown(self.measured) if self.unit == "s" else shown(self.measured * 1e6, "bytes")


def all_goals(results: Results) -> list[Goal]:
    """All goals, in the order of the tables."""
    return [goal for group in _GROUPS for goal in group(results)]


def _first_build(results: Results) -> Iterator[Goal]:
    yield Goal(
        case="first build of a known lock, hello: 2019 recipe ÷ nox-pex",
        sense="≥",
        bound=6,
        measured=_built(results, "hello", "warm", over=RECIPE),
        detail="the lock was built before: another CI run, another clone",
    )
    for project, bound in (("hello", 1.5), ("app", 1.35)):
        ours, install = (results.find(builds.PIECE, project, "new", name) for name in (NOX_PEX, BUNDLE))
        yield Goal(
            case=f"first build of a new lock, {project}: nox-pex ÷ Poetry's own install (`{BUNDLE}`)",
            sense="≤",
            bound=bound,
            measured=ratio(ours, install),
        )
        installed = [way.name for way in WAYS.values() if way.is_installed]
        yield _against_best(
            results, project, "new", what="the fastest pex way from Poetry's environment", bound=1.0, among=installed
        )


def _change(results: Results) -> Iterator[Goal]:
    # A file that is three times as large is not the same result.
    compressed = [way.name for way in WAYS.values() if way.is_file and way.name != "shiv --uncompressed"]
    for case, bound in (("bump", 0.8), ("setting", 0.9)):
        yield _against_best(results, "app", case, what="the fastest other way", bound=bound, among=compressed)


def _against_best(results: Results, project: str, case: str, *, what: str, bound: float, among: Sequence[str]) -> Goal:
    best = summary.best_other(results, builds.PIECE, project, case, among=among)
    ours = results.find(builds.PIECE, project, case, NOX_PEX)
    return Goal(
        case=f"{builds.CASES[case]}, {project}: nox-pex ÷ {what}",
        sense="≤",
        bound=bound,
        measured=ratio(ours, best[1]) if best else None,
        detail=best[0] if best else "",
    )


def _edit(results: Results) -> Iterator[Goal]:
    yield Goal(
        case="one source file changed, hello: 2019 recipe ÷ nox-pex",
        sense="≥",
        bound=15,
        measured=_built(results, "hello", "edit", over=RECIPE),
    )
    yield Goal(
        case="one source file changed, app: plain pex (`--pylock`, its defaults) ÷ nox-pex",
        sense="≥",
        bound=4,
        measured=_built(results, "app", "edit", over=PLAIN_PEX),
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
    empty = results.find(library.PIECE, "", "idle", builds.EMPTY)
    yield Goal(
        case="nothing changed, hello: nox-pex ÷ three empty Nox sessions",
        sense="≤",
        bound=1.3,
        measured=ratio(results.find(library.PIECE, "hello", "idle", NOX_PEX), empty),
    )
    yield _large_idle(
        "app",
        ours=results.find(library.PIECE, "app", "idle", NOX_PEX),
        empty=empty,
        size=results.find(library.PIECE, "app", "size", NOX_PEX),
    )
    for project in large.PROJECTS:
        yield _large_idle(
            project,
            ours=results.find(large.PIECE, project, "unchanged", NOX_PEX),
            empty=results.find(large.PIECE, project, "unchanged", builds.EMPTY),
            size=results.find(large.PIECE, project, "size", NOX_PEX),
        )
    yield Goal(
        case="`nox --list`: noxfile with nox-pex ÷ the same noxfile without it",
        sense="≤",
        bound=1.15,
        measured=ratio(*(results.find(library.PIECE, "", "list", name) for name in (NOX_PEX, library.WITHOUT))),
    )


def _large_idle(project: str, *, ours: Series | None, empty: Series | None, size: Series | None) -> Goal:
    """1.3 times three empty sessions, and 0.2 s for each GB above 20 MB."""
    seconds, least_seconds, of_file = middle(ours), middle(empty), middle(size)
    known = least_seconds is not None and of_file is not None
    bound = 1.3 * (least_seconds or 0.0) + _PER_GIGABYTE * max((of_file or 0.0) - _SMALL, 0.0) / 1e9
    return Goal(
        case=f"nothing changed, {project}: 1.3 × three empty Nox sessions, and 0.2 s for each GB above 20 MB",
        sense="≤",
        bound=round(bound, 2),
        measured=seconds if known else None,
        detail=f"{shown(of_file, 'bytes')}; three empty sessions take {shown(least_seconds)}" if known else "",
        unit="s",
    )


def _verify(results: Results) -> Iterator[Goal]:
    for project in ("hello", "app"):
        ours, floor = (results.find(proof.PIECE, project, "verify", name) for name in (NOX_PEX, proof.FLOOR))
        yield Goal(
            case=f"`verify`, {project}: nox-pex ÷ Poetry's fresh install, then plain pex",
            sense="≤",
            bound=1.2,
            measured=ratio(ours, floor),
        )


def _large(results: Results) -> Iterator[Goal]:
    for project in large.PROJECTS:
        ours, floor = (results.find(large.PIECE, project, "edit", name) for name in (NOX_PEX, large.FLOOR))
        yield Goal(
            case=f"one source file changed, {project}: nox-pex ÷ `cp`, then `sha256sum`",
            sense="≤",
            bound=1.3,
            measured=ratio(ours, floor),
        )
    for piece, project, suffix in _WATCHED:
        found = [(text, results.find(piece, project, f"{case}{suffix}", NOX_PEX)) for case, text in large.CASES.items()]
        peaks = [(peak, text) for text, series in found if (peak := middle(series)) is not None]
        most, text = max(peaks, default=(None, ""))
        yield Goal(
            case=f"memory of nox-pex's own processes, {project}: the largest of all cases",
            sense="≤",
            bound=150,
            measured=None if most is None else most / 1e6,
            detail=text,
            unit="MB",
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
        small, large = (results.find(memory.PIECE, project, case, NOX_PEX) for project in ("hello", "data"))
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
    _change,
    _edit,
    _idle,
    _verify,
    _boots,
    _scale,
    _memory,
    _large,
)


def _built(results: Results, project: str, case: str, *, over: str) -> float | None:
    ours, other = (results.find(builds.PIECE, project, case, name) for name in (NOX_PEX, over))
    return ratio(other, ours)


def _difference(more: Series | None, fewer: Series | None) -> float | None:
    """The difference between the smallest samples, because a disturbance can only make a run longer."""
    one, other = least(more), least(fewer)
    return None if one is None or other is None else one - other
