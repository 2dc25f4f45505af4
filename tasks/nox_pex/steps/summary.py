"""The outcomes of a run as Markdown, for the summary of a job of GitHub Actions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from nox_pex.errors import docs_page
from nox_pex.steps import github
from nox_pex.steps.markdown import block, code, table, text
from nox_pex.steps.outcome import Cause, Outcome, Part, Result
from nox_pex.system.wording import megabytes, size_change, size_text

_MARKS: Final = {"passed": "✅", "failed": "❌", "skipped": "⚠️", "unchanged": "✅"}


_PREPARATION: Final = ("install", "freeze")
"""The steps that a reader need not see if they did not fail."""


_LONGEST_REASON: Final = 300
"""Characters of a reason in the table. The whole text follows below it."""


_MOST_ROWS: Final = 100
"""The rows of a table. More make another one, which can be left out as a whole."""


_CUT: Final = "_The rest does not fit into the summary of a job: see the log._\n"


def markdown(outcomes: Sequence[Outcome], *, limit: int) -> str:
    """Return the summary of a run in at most `limit` bytes of UTF-8; empty if there is nothing to say.

    First comes a table with a row for each binary, then each cause of a failure, what ran, and the sections that steps
    handed over. A part that does not fit is left out as a whole, and a line says so.
    """
    shown = [each for each in outcomes if each.step not in _PREPARATION or each.result == "failed"]
    if not shown:
        return ""
    rows = _by_binary(shown)
    parts = [_heading(rows), *_tables(rows)]
    parts += [_failure(cause, found) for cause, found in github.by_cause(shown)]
    parts += [*_details(shown), *(each.section.strip() for each in shown if each.section)]
    return _fitting([f"{part}\n\n" for part in parts], limit)


def _fitting(parts: Sequence[str], limit: int) -> str:
    sizes = [len(part.encode()) for part in parts]
    if sum(sizes) <= limit:
        return "".join(parts)
    left = limit - len(_CUT)
    found = []
    for part, size in zip(parts, sizes, strict=True):
        if size <= left:
            found.append(part)
            left -= size
    return "".join([*found, _CUT]) if found else ""


def _by_binary(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    """Return the outcomes of each binary together, those with a failure first, else in their order."""
    found: dict[tuple[str, str], list[Outcome]] = {}
    for each in outcomes:
        found.setdefault((each.project, each.binary), []).append(each)
    return sorted(found.values(), key=lambda row: _result(row) != "failed")


def _result(outcomes: Sequence[Outcome]) -> Result:
    """Return the result of several steps for one binary: it failed if one of them did."""
    order: tuple[Result, ...] = ("failed", "passed", "unchanged", "skipped")
    results = {each.result for each in outcomes}
    return next(each for each in order if each in results)


def _heading(rows: Sequence[Sequence[Outcome]]) -> str:
    steps = ", ".join(dict.fromkeys(each.step for row in rows for each in row))
    failed = sum(_result(row) == "failed" for row in rows)
    if failed:
        return f"### ❌ nox-pex: {failed} of {len(rows)} failed\n\n{steps}"
    return f"### ✅ nox-pex: {len(rows)} of {len(rows)} passed\n\n{steps}"


def _tables(rows: Sequence[Sequence[Outcome]]) -> Iterator[str]:
    header = ["Binary", "Result", "Reason", "Size", "Boots", "Seconds", "File"]
    for start in range(0, len(rows), _MOST_ROWS):
        yield table(header, [_row(row) for row in rows[start : start + _MOST_ROWS]], right=(3, 5))


def _row(outcomes: Sequence[Outcome]) -> list[str]:
    result = _result(outcomes)
    word = "**failed**" if result == "failed" else result
    boots = [part for each in outcomes if each.step == "smoke" for part in each.parts if part.seconds is not None]
    return [
        text(outcomes[0].name or "project"),
        f"{_MARKS[result]}&nbsp;{word}",
        text(_reason(outcomes)),
        _size(outcomes),
        "<br>".join(text(f"{part.name} {part.seconds:.1f} s") for part in boots),
        f"{sum(each.seconds for each in outcomes):.1f}",
        code(next((each.file for each in outcomes if each.file), "")),
    ]


def _reason(outcomes: Sequence[Outcome]) -> str:
    """Return why a binary failed, or which parts of the steps were skipped."""
    failed = list(dict.fromkeys(each.explanation for each in outcomes if each.result == "failed"))
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        first = failed[0] if len(failed[0]) <= _LONGEST_REASON else f"{failed[0][:_LONGEST_REASON]}…"
        return f"{first}{more}"
    skipped = [each.reason for each in outcomes if each.result == "skipped"]
    skipped += [f"{part.name} skipped: {part.text}" for each in outcomes for part in github.skipped_boots(each)]
    reasons = "; ".join(dict.fromkeys(skipped))
    return reasons if len(reasons) <= _LONGEST_REASON else f"{reasons[:_LONGEST_REASON]}…"


def _size(outcomes: Sequence[Outcome]) -> str:
    sizes = [each for each in outcomes if each.size is not None]
    if not sizes or sizes[0].size is None:
        return ""
    size, before = sizes[0].size, sizes[0].size_before
    return size_text(size) if before in (None, size) else f"{size_text(size)} ({size_change(size - (before or 0))})"


def _failure(cause: Cause, found: Sequence[Outcome]) -> str:
    """Return a section about a cause: what failed, why, what to do, and the end of the log."""
    rows = [*cause.rows, *((("log" if not number else ""), each) for number, each in enumerate(cause.log))]
    rows += [("whole log", cause.log_file)] if cause.log_file else []
    rows += [("by hand", cause.by_hand)] if cause.by_hand else []
    width = max((len(label) for label, _ in rows), default=0)
    return "\n\n".join(
        [
            f"#### ❌ {text(github.names(found))}: {cause.code}",
            f"{text(cause.problem)}",
            f"**What to do:** {text(cause.remedy)} ({code(docs_page(cause.code))})",
            *([block([f"{label:<{width}}  {each}".rstrip() for label, each in rows])] if rows else []),
        ]
    )


def _details(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield what ran, folded: a row for each part of each step."""
    rows = [row for each in outcomes if each.binary for row in _detail_rows(each)]
    for start in range(0, len(rows), _MOST_ROWS):
        part = table(["Binary", "Step", "Result", "Details", "Seconds"], rows[start : start + _MOST_ROWS], right=(4,))
        yield f"<details><summary>What ran</summary>\n\n{part}\n\n</details>"


def _detail_rows(outcome: Outcome) -> Iterator[list[str]]:
    name = text(outcome.name or "project")
    whole = f"{_MARKS[outcome.result]}&nbsp;{outcome.result}"
    explanation = outcome.cause.code if outcome.cause is not None else outcome.reason
    yield [name, outcome.step, whole, text(explanation), f"{outcome.seconds:.1f}"]
    for part in outcome.parts:
        seconds = "" if part.seconds is None else f"{part.seconds:.1f}"
        shown = f"{_MARKS[part.result]}&nbsp;{part.result}"
        yield ["", f"{outcome.step}: {text(part.name)}", shown, text(_part_text(part)), seconds]


def _part_text(part: Part) -> str:
    memory = f"{megabytes(part.memory)} of memory" if part.memory is not None else ""
    return ", ".join(each for each in (part.text, memory) if each)
