from __future__ import annotations

import datetime as dt
import json

from nox_pex.evidence.check import report
from nox_pex.evidence.check.bundle import IgnoredLine
from nox_pex.evidence.check.report import Checked
from nox_pex.evidence.check.verdict import Counted, Verdict

TIME = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)
STATEMENTS = (
    Counted(line=1, kind="provenance", keyid="ab" * 32, time=TIME),
    Counted(line=12, kind="smoke", keyid="cd" * 32, result="PASSED"),
)


def checked(verdict: Verdict) -> Checked:
    return Checked(file="dist/service.pex", sha256="3a" * 32, bundle="dist/service.pex.intoto.jsonl", verdict=verdict)


def test_the_table_of_a_file_that_passed() -> None:
    found = checked(Verdict(statements=STATEMENTS, ignored=(IgnoredLine(number=3, reason="it is not JSON"),)))

    assert list(report.lines(found)) == [
        f"dist/service.pex  sha256 {'3a' * 32}",
        "  KIND        RESULT  TIME                  KEY           LINE",
        "  provenance  -       2026-11-26T12:00:00Z  abababababab  1",
        "  smoke       PASSED  -                     cdcdcdcdcdcd  12",
        "  ignored  line 3: it is not JSON",
        "passed: 2 statements about this file, signed by a given key",
    ]
    assert report.error(found) is None


def test_the_lines_of_a_file_that_failed() -> None:
    found = checked(Verdict(problems=("smoke is missing", "verify is missing"), code="signature"))

    assert list(report.lines(found))[1:] == ["  FAILED   smoke is missing", "  FAILED   verify is missing"]
    assert str(report.error(found)) == (
        "error[signature]: dist/service.pex: smoke is missing (and 1 other problem); do not deploy the file"
    )


def test_the_json_of_a_verdict() -> None:
    found = checked(
        Verdict(statements=STATEMENTS, ignored=(IgnoredLine(number=3, reason="x"),), problems=("smoke is missing",))
    )

    assert json.loads(json.dumps(report.json_value(found))) == {
        "passed": False,
        "code": "not-proven",
        "file": "dist/service.pex",
        "sha256": "3a" * 32,
        "bundle": "dist/service.pex.intoto.jsonl",
        "statements": [
            {"line": 1, "kind": "provenance", "keyid": "ab" * 32, "result": None, "time": "2026-11-26T12:00:00Z"},
            {"line": 12, "kind": "smoke", "keyid": "cd" * 32, "result": "PASSED", "time": None},
        ],
        "ignored": [{"line": 3, "reason": "x"}],
        "problems": ["smoke is missing"],
    }
    assert report.json_value(checked(Verdict(statements=STATEMENTS)))["code"] is None


def test_text_from_a_bundle_is_short_and_obeyed_by_no_terminal() -> None:
    odd = "\x1b[2J##[error]" + "x" * 100_000 + "\n::error::"
    found = checked(
        Verdict(
            statements=(Counted(line=1, kind="smoke", keyid="ab" * 32, result=odd),),
            ignored=(IgnoredLine(number=1, reason=odd),),
            problems=(odd,),
        )
    )

    lines = list(report.lines(found))

    assert all(len(each) < 300 for each in lines)
    assert not any("\x1b" in each or "##[" in each or "\n" in each for each in lines)
    assert len(json.dumps(report.json_value(found))) < 2000
    assert len(str(report.error(found))) < 500


def test_a_year_of_few_digits() -> None:
    old = Counted(line=1, kind="verify", keyid="", time=dt.datetime(1, 1, 1, tzinfo=dt.UTC))

    assert report.json_value(checked(Verdict(statements=(old,))))["statements"][0]["time"] == "0001-01-01T00:00:00Z"
