"""The table that ends a run of several binaries: one row for each, with the reason why it failed. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from nox_pex.screen.form import Form
from nox_pex.screen.lines import INDENT
from nox_pex.screen.table import Cell, table
from nox_pex.steps.outcome import Outcome, Result
from nox_pex.system.messages import Meaning
from nox_pex.system.wording import megabytes

_HEADER: Final = ("binary", "result", "reason", "seconds", "file")


_RESULTS: Final[dict[Result, tuple[str, Meaning]]] = {
    "passed": ("passed", "passed"),
    "failed": ("FAILED", "failed"),
    "skipped": ("skipped", "skipped"),
    "unchanged": ("unchanged", "unchanged"),
}


class Row(Struct, frozen=True, kw_only=True):
    """All outcomes of one binary together, or those of a project of which no binary was reached."""

    name: str
    result: Result
    reason: str
    seconds: float
    file: str


def rows(outcomes: Sequence[Outcome]) -> list[Row]:
    """Return a row for each binary, in the order in which they came.

    A failure of a project before any binary is in the rows of its binaries, or in a row of its own if there are none.
    """
    keys = dict.fromkeys((each.project, each.binary) for each in outcomes)
    with_binaries = {project for project, binary in keys if binary}
    return [
        _row([each for each in outcomes if each.project == project and each.binary in {binary, ""}])
        for project, binary in keys
        if binary or project not in with_binaries
    ]


def _row(outcomes: Sequence[Outcome]) -> Row:
    failed = [each for each in outcomes if each.result == "failed"]
    results = {each.result for each in outcomes}
    result: Result = "failed" if failed else outcomes[0].result if len(results) == 1 else "passed"
    told = failed or [each for each in outcomes if each.result == "skipped"]
    named = next((each for each in reversed(outcomes) if each.binary), outcomes[0])
    return Row(
        name=named.name,
        result=result,
        reason=told[0].explanation if told else "",
        seconds=sum(each.seconds for each in outcomes),
        file=_file(outcomes),
    )


def _file(outcomes: Sequence[Outcome]) -> str:
    """Return the file of the binary with its size, or the first file that was made."""
    sized = next((each for each in outcomes if each.file and each.size is not None), None)
    if sized is not None and sized.size is not None:
        return f"{sized.file} {megabytes(sized.size)}"
    return next((each.file for each in outcomes if each.file), "")


def lines(outcomes: Sequence[Outcome], form: Form, *, width: int | None, seconds: float) -> Iterator[str]:
    """Yield the lines of the table, and how many failed in how many `seconds`; none if there is only one binary."""
    found = rows(outcomes)
    if len(found) <= 1:
        return
    cells = [
        (
            Cell(each.name),
            Cell(*_RESULTS[each.result]),
            Cell(each.reason),
            Cell(f"{each.seconds:.1f}", number=True),
            Cell(each.file),
        )
        for each in found
    ]
    reasons = any(each.reason for each in found)
    shown = [number for number, name in enumerate(_HEADER) if reasons or name != "reason"]
    picked = [[row[number] for number in shown] for row in cells]
    flexible = "reason" if reasons else "file"
    yield from table([_HEADER[number] for number in shown], picked, form, flexible=flexible, width=width)
    counts = Counter(each.result for each in found)
    others = ", ".join(f"{counts[result]} {result}" for result in _RESULTS if counts[result])
    said = f"{counts['failed']} of {len(found)} failed" if counts["failed"] else others
    yield f"{INDENT}{said} in {seconds:.1f} s"
