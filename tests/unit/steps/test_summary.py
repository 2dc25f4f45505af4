from __future__ import annotations

from typing import Any, Final

from nox_pex.steps import summary
from nox_pex.steps.outcome import Cause, Outcome, Part

ENOUGH: Final = 1 << 20
CAUSE: Final = Cause(
    code="check-failed",
    problem="GET /: $.a is 8, not 7",
    remedy="fix the program",
    rows=(("expected", "$.a = 7"), ("got", "$.a = 8")),
    log=("one", "two"),
    by_hand="dist/api.pex --port 1",
)
COLD: Final = Part(name="cold", result="passed", text="1 of 1 checks", seconds=2.25, memory=60_000_000)


def outcome(name: str = "api", step: str = "smoke", **fields: Any) -> Outcome:
    known = {"project": name, "binary": name, "step": step, "result": "passed", "seconds": 1.0}
    return Outcome(**{**known, **fields})


def markdown(*outcomes: Outcome, limit: int = ENOUGH) -> str:
    return summary.markdown(outcomes, limit=limit)


def test_a_binary_has_one_row_for_all_of_its_steps() -> None:
    shown = markdown(
        outcome(step="install", result="unchanged"),
        outcome(step="pex", file="dist/api.pex", size=12_012_000, size_before=12_000_000),
        outcome(parts=(COLD,)),
    )
    assert shown.startswith("### ✅ nox-pex: 1 of 1 passed\n\npex, smoke\n\n")
    row = next(line for line in shown.split("\n") if line.startswith("| api |"))
    assert row == ("| api | ✅&nbsp;passed |  | 12.0 MB (+12 kB) | cold 2.2 s | 2.0 | <code>dist/api.pex</code> |")
    assert "<details><summary>What ran</summary>" in shown
    assert "smoke: cold | ✅&nbsp;passed | 1 of 1 checks, 60.0 MB of memory | 2.2 |" in shown


def test_failures_come_first_and_each_cause_is_told_once() -> None:
    shown = markdown(
        outcome("worker"), outcome("api", result="failed", cause=CAUSE), outcome("cron", result="failed", cause=CAUSE)
    )
    assert shown.startswith("### ❌ nox-pex: 2 of 3 failed\n")
    rows = [line.split(" | ")[0] for line in shown.split("\n") if line.startswith("| ")]
    assert rows[2:5] == ["| api", "| cron", "| worker"]
    assert shown.count("#### ❌ smoke api, cron: check-failed\n") == 1
    assert shown.count("by hand   dist/api.pex --port 1\n") == 1
    assert "```text\nexpected  $.a = 7\ngot       $.a = 8\nlog       one\n          two\nby hand " in shown


def test_a_project_that_failed_before_any_binary_has_a_row() -> None:
    stale = Cause(code="lock-stale", problem="the lock is old", remedy="run `poetry lock`")
    shown = markdown(outcome("shop", "install", binary="", result="failed", cause=stale))
    assert "| shop | ❌&nbsp;**failed** | lock-stale: the lock is old |" in shown
    assert "What ran" not in shown
    alone = markdown(outcome("", "install", result="failed", cause=stale))
    assert "| project | ❌&nbsp;**failed** |" in alone


def test_the_reason_of_a_skip_is_in_the_row_and_that_of_a_gate_with_nothing_to_check_is_not() -> None:
    offline = Part(name="offline", result="skipped", text="no namespaces")
    budget = Part(name="budget", result="skipped", text="no budget")
    shown = markdown(outcome(parts=(COLD, offline)), outcome(step="verify", parts=(budget,)))
    assert "| api | ✅&nbsp;passed | offline skipped: no namespaces |" in shown


def test_a_run_that_only_prepared_says_nothing() -> None:
    assert markdown() == ""
    assert markdown(outcome(step="install"), outcome(step="freeze", result="unchanged")) == ""


def test_a_section_that_a_step_handed_over_comes_last() -> None:
    shown = markdown(outcome(step="diff", section="### Difference\n\n| a |\n"), outcome("b"))
    assert shown.endswith("</details>\n\n### Difference\n\n| a |\n\n")


def test_it_fits_into_what_is_left_of_the_file_in_whole_sections() -> None:
    log = tuple("ü" * 500 for _ in range(40))
    causes = [Cause(code="crashed", problem=f"{number}", remedy="r", log=log) for number in range(60)]
    outcomes = [outcome(f"b{n}", result="failed", cause=cause) for n, cause in enumerate(causes)]
    for limit in (ENOUGH, 100_000, 20_000, 200, 10, 0):
        shown = markdown(*outcomes, limit=limit)
        assert len(shown.encode()) <= limit
        assert shown.count("```") % 2 == 0
        assert shown.count("<details>") == shown.count("</details>")
        assert not shown or "The rest does not fit" in shown


def test_nothing_in_an_outcome_becomes_markup() -> None:
    nasty = "|<img src=x>`@octocat`|\\"
    cause = Cause(code="crashed", problem=nasty, remedy=nasty, subject=nasty, rows=(("got", "```\n".strip()),))
    part = Part(name=nasty, result="failed", text=nasty)
    shown = markdown(outcome(nasty, result="failed", cause=cause, parts=(part,), file=nasty, reason=nasty))
    assert "<img" not in shown
    assert "@octocat" not in shown
    tables = [line for line in shown.split("\n") if line.startswith("| ")]
    assert {line.count("|") for line in tables} == {8, 6}
