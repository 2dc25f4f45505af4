"""nox-pex compared with the best other way in each case: one row for each, with the losses in plain words."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks import boots, builds, images, proof
from benchmarks.competitors import WAYS
from benchmarks.figures import middle, ratio
from benchmarks.results import NOX_PEX, Results, Series

_EVEN: Final = 0.1
"""A difference of less than a tenth is noise."""

_PROJECTS: Final = ("hello", "app", "data")

_BOOTS: Final = {boots.COLD: "first start of the single file", boots.WARM: "later starts"}

_WHY: Final = {
    boots.COLD: "its runtime unpacks and starts, and does nothing else",
    boots.WARM: "its runtime does less",
    "verify": "the tools are installed again, and the gates run",
}
"""Why the other way is faster in a case, if that is not what the way leaves out."""

_WHY_IMAGE: Final = {
    "file": "the layer is the whole file",
    "unpacked": "the engine unpacks and compiles all distributions again, before it finds their layer unchanged",
}
"""The same for each form of an image."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A case of a project: the series of nox-pex, and that of the best other way, which is `other`.

    `ratio` is the time of nox-pex divided by that of the other way.
    """

    case: str
    project: str
    ours: Series
    other: str
    best: Series
    ratio: float
    why: str

    @property
    def standing(self) -> str:
        """How nox-pex compares: `faster`, `as fast` or `slower`."""
        return "faster" if self.ratio < 1 - _EVEN else "as fast" if self.ratio <= 1 + _EVEN else "slower"

    @property
    def verdict(self) -> str:
        """Who is faster, and if it is the other way, why."""
        if self.standing != "slower":
            return {"faster": "nox-pex is faster", "as fast": "as fast"}[self.standing]
        catch = WAYS[self.other].catch if self.other in WAYS else ""
        reason = self.why or (f"it {catch}" if catch else "")
        winner = f"**{self.other} is faster**" if self.other in WAYS else "**slower**"
        return f"{winner}: {reason}" if reason else winner


def rows(results: Results) -> list[Row]:
    """The rows that were measured: builds, starts, and `verify`, which has only its lower limit to compare with."""
    return [*_builds(results), *_boots(results), *_images(results), *_proofs(results)]


def in_short(results: Results) -> dict[str, dict[str, list[Row]]]:
    """The rows by standing (`faster`, `as fast`, `slower`), and then by case."""
    short: dict[str, dict[str, list[Row]]] = {"faster": {}, "as fast": {}, "slower": {}}
    for row in rows(results):
        short[row.standing].setdefault(row.case, []).append(row)
    return short


def best_other(
    results: Results, piece: str, project: str, case: str, *, among: Sequence[str] | None = None
) -> tuple[str, Series] | None:
    """The name and the series of the fastest other way that builds one file; None if none was measured.

    `among` are the names of the ways to compare with, by default all of those.
    """
    names = [way.name for way in WAYS.values() if way.is_file] if among is None else among
    found = [(name, results.find(piece, project, case, name)) for name in names if name != NOX_PEX]
    measured = [(name, series) for name, series in found if series is not None and series.values]
    return min(measured, key=lambda pair: middle(pair[1]) or 0.0, default=None)


def _builds(results: Results) -> Iterator[Row]:
    for case, text in builds.CASES.items():
        for project in _PROJECTS:
            yield from _row(results, builds.PIECE, project, case, text=text)


def _boots(results: Results) -> Iterator[Row]:
    for case, text in _BOOTS.items():
        for project in _PROJECTS:
            yield from _row(results, boots.PIECE, project, case, text=text)


def _images(results: Results) -> Iterator[Row]:
    names = [one.key.subject for one in results.among(images.PIECE) if not one.key.subject.startswith(NOX_PEX)]
    for project in results.projects(images.PIECE):
        for form in images.FORMS:
            text = f"container image, rebuild after an edit (`{form}`)"
            among = list(dict.fromkeys(names))
            for row in _row(results, images.PIECE, project, "edit", text=text, ours=f"{NOX_PEX}, {form}", among=among):
                yield dataclasses.replace(row, why=_WHY_IMAGE[form])


def _proofs(results: Results) -> Iterator[Row]:
    for project in results.projects(proof.PIECE):
        yield from _row(results, proof.PIECE, project, "verify", text="`verify`", among=[proof.FLOOR])


def _row(
    results: Results,
    piece: str,
    project: str,
    case: str,
    *,
    text: str,
    ours: str = NOX_PEX,
    among: Sequence[str] | None = None,
) -> Iterator[Row]:
    own = results.find(piece, project, case, ours)
    best = best_other(results, piece, project, case, among=among)
    compared = ratio(own, best[1]) if best else None
    if own is not None and best is not None and compared is not None:
        why = _WHY.get(case, "")
        yield Row(case=text, project=project, ours=own, other=best[0], best=best[1], ratio=compared, why=why)
