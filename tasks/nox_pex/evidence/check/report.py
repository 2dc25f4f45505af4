"""A verdict as lines for people, and as JSON for scripts. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.evidence.check.verdict import Counted, Verdict
from nox_pex.system import outside_text
from nox_pex.system.wording import counted

_LONGEST: Final = 200
"""Characters of a text from a bundle. A line may have millions."""


_KEYID: Final = 12
"""Characters of a `keyid` that are shown to people."""


_HEADER: Final = ("KIND", "RESULT", "TIME", "KEY")


class Checked(Struct, frozen=True, kw_only=True):
    """A file, its SHA-256 in hexadecimal, the path of its bundle, and the verdict.

    `subject` is `file`, or `image`: then `file` is its name with its digest, and `bundle` is the repository that has
    its statements. `entry` names the place of a statement: a line, or a referrer.
    """

    file: str
    sha256: str
    bundle: str
    verdict: Verdict
    subject: str = "file"
    entry: str = "line"


def lines(checked: Checked) -> Iterator[str]:
    """Yield the table of a verdict, each line without anything that a terminal or a CI system would obey."""
    verdict = checked.verdict
    yield outside_text.shown(f"{_short(checked.file)}  sha256 {checked.sha256}")
    rows = [(*_HEADER, checked.entry.upper()), *map(_row, verdict.statements)] if verdict.statements else []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    for line in verdict.ignored:
        yield f"  ignored  {checked.entry} {line.number}: {outside_text.shown(_short(line.reason))}"
    for problem in verdict.problems:
        yield f"  FAILED   {outside_text.shown(_short(problem))}"
    if verdict.passed:
        yield f"passed: {counted(verdict.statements, 'statement')} about this {checked.subject}, signed by a given key"


def error(checked: Checked) -> NoxPexError | None:
    """Return the error of a verdict, with the first of its problems; None if the file passed."""
    problems = checked.verdict.problems
    if not problems:
        return None
    others = f" (and {counted(problems[1:], 'other problem')})" if len(problems) > 1 else ""
    remedy = f"do not deploy the {checked.subject}"
    return NoxPexError(checked.verdict.code, f"{_short(checked.file)}: {_short(problems[0])}{others}", remedy)


def json_value(checked: Checked) -> dict[str, Any]:
    """Return the verdict as a JSON object. Its form is that of docs/check.md."""
    verdict = checked.verdict
    return {
        "passed": verdict.passed,
        "code": None if verdict.passed else verdict.code,
        "file": checked.file,
        "sha256": checked.sha256,
        "bundle": checked.bundle,
        "statements": [
            {
                "line": each.line,
                "kind": each.kind,
                "keyid": each.keyid,
                "result": None if each.result is None else _short(each.result),
                "time": _time(each.time),
            }
            for each in verdict.statements
        ],
        "ignored": [{"line": line.number, "reason": _short(line.reason)} for line in verdict.ignored],
        "problems": [_short(problem) for problem in verdict.problems],
    }


def _row(statement: Counted) -> tuple[str, ...]:
    result = "-" if statement.result is None else outside_text.shown(_short(statement.result, 16))
    time = _time(statement.time) or "-"
    return statement.kind, result, time, statement.keyid[:_KEYID], str(statement.line)


def _time(time: dt.datetime | None) -> str | None:
    return None if time is None else f"{time.replace(tzinfo=None):%Y-%m-%dT%H:%M:%S}Z".rjust(20, "0")


def _short(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"
