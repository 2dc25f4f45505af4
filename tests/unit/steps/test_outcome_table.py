"""The table that ends a run of several binaries."""

from __future__ import annotations

from typing import Any

from nox_pex.screen.form import LOG
from nox_pex.steps import outcome_table
from nox_pex.steps.outcome import Cause, Outcome


def outcome(binary: str, step: str, **values: Any) -> Outcome:
    return Outcome(**{"project": "", "binary": binary, "step": step, "result": "passed", "seconds": 1.0, **values})


CAUSE = Cause(code="lock-stale", problem="poetry.lock is older than pyproject.toml", remedy="run `poetry lock`")


def test_one_binary_has_no_table() -> None:
    steps = [outcome("api", "pex"), outcome("api", "smoke")]
    assert list(outcome_table.lines(steps, LOG, width=None, seconds=2.0)) == []


def test_each_binary_has_a_row_with_its_first_failure_and_all_its_seconds() -> None:
    outcomes = [
        outcome("api", "pex", file="dist/api.pex", size=12_000_000),
        outcome("worker", "pex", file="dist/worker.pex", size=31_200_000),
        outcome("api", "smoke", seconds=3.1, file="dist/api.smoke.json"),
        outcome("worker", "smoke", seconds=8.0, result="failed", cause=CAUSE),
    ]
    assert list(outcome_table.lines(outcomes, LOG, width=None, seconds=13.4)) == [
        "  binary   result   reason                                                 seconds   file",
        "  api      passed                                                              4.1   dist/api.pex 12.0 MB",
        "  worker   FAILED   lock-stale: poetry.lock is older than pyproject.toml       9.0   dist/worker.pex 31.2 MB",
        "  1 of 2 failed in 13.4 s",
    ]


def test_a_project_that_failed_before_its_binaries_has_a_row() -> None:
    outcomes = [
        outcome("api", "pex", project="api", result="unchanged"),
        outcome("", "install", project="cron", result="failed", cause=CAUSE),
    ]
    api, cron = outcome_table.rows(outcomes)
    assert (api.name, api.result, api.reason) == ("api", "unchanged", "")
    assert (cron.name, cron.result) == ("cron", "failed")
    assert cron.reason == "lock-stale: poetry.lock is older than pyproject.toml"


def test_a_failure_of_the_project_counts_for_each_of_its_binaries() -> None:
    outcomes = [
        outcome("api", "pex", project="shop"),
        outcome("cron", "pex", project="shop", result="skipped", reason="no image"),
        outcome("", "sbom", project="shop", result="failed", cause=CAUSE),
    ]
    assert [(row.name, row.result) for row in outcome_table.rows(outcomes)] == [
        ("shop: api", "failed"),
        ("shop: cron", "failed"),
    ]


def test_a_run_without_failures_says_how_many_of_each() -> None:
    outcomes = [
        outcome("api", "pex", result="unchanged"),
        outcome("cron", "pex", result="unchanged"),
        outcome("web", "pex"),
    ]
    head, *_, last = outcome_table.lines(outcomes, LOG, width=None, seconds=0.25)
    assert head.split() == ["binary", "result", "seconds", "file"]  # nothing has a reason
    assert last == "  1 passed, 2 unchanged in 0.2 s"


def test_a_skip_has_its_reason_unless_something_else_passed() -> None:
    skipped, both = outcome_table.rows(
        [
            outcome("api", "image", result="skipped", reason="no image"),
            outcome("cron", "pex"),
            outcome("cron", "image", result="skipped", reason="no image"),
        ]
    )
    assert (skipped.result, skipped.reason) == ("skipped", "no image")
    assert (both.result, both.reason) == ("passed", "no image")
