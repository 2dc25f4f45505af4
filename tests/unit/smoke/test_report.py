"""The reports that people, scripts and CI systems read."""

from __future__ import annotations

import datetime as dt
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.settings.smoke import Budget
from nox_pex.smoke import report, result_line
from nox_pex.smoke.checks.results import CheckResult
from nox_pex.smoke.phases import Phase
from nox_pex.smoke.report import BootResult, SmokeReport
from nox_pex.smoke.stop import Stop
from tests.support.junit import assert_valid_junit

NOW = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)
PASSED = CheckResult(check="GET /", passed=True, expected="status 200", actual="200", seconds=0.25)
WRONG = CheckResult(check="GET /x\x00<y>", passed=False, expected="status 200", actual='"\x1b]]>&"', seconds=0.5)
FAILED = SmokeReport(
    name="service",
    binary=Path("service.pex"),
    size=12_000_000,
    boot_results=(
        BootResult(
            condition="cold", state="passed", check_count=2, ready_after=3.25, check_results=(PASSED, PASSED),
            stop=Stop(signal="TERM", status=-15, seconds=0.1), memory=60_000_000,
        ),
        BootResult(
            condition="warm", state="failed", check_count=2, ready_after=1.0, check_results=(PASSED, WRONG),
            reason="GET /x",
        ),
        BootResult(condition="offline", state="skipped", check_count=2, reason="this machine does not support it"),
    ),
    failure=NoxPexError("check-failed", "warm: GET /x: 100% wrong", "fix it", log=("one", "two \x01")),
)  # fmt: skip
CRASHED = SmokeReport(
    name="service",
    binary=Path("service.pex"),
    size=1,
    boot_results=(BootResult(condition="cold", state="failed", check_count=1, reason="cold: the program ended"),),
    failure=NoxPexError("exited-early", "cold: the program ended", "see its log"),
)


def skipped(condition: Any, reason: str) -> BootResult:
    return BootResult(condition=condition, state="skipped", check_count=1, reason=reason)


def test_the_lines_of_the_conditions_are_a_table() -> None:
    lines = [result_line.of_boot(boot) for boot in FAILED.boot_results]
    assert [line.text for line in lines] == [
        "cold:     passed   ready in 3.2 s   2 of 2 checks  stopped in 0.1 s  60 MB RAM",
        "warm:     failed   ready in 1.0 s   1 of 2 checks",
        "offline:  skipped  this machine does not support it",
    ]
    assert [line.meaning for line in lines] == ["passed", "failed", "skipped"]
    by_hand = replace(FAILED.boot_results[0], stop=Stop(signal="INT", status=0, seconds=0.1))
    assert "stopped by SIGINT in 0.1 s" in result_line.of_boot(by_hand).text
    assert len(result_line.of_boot(FAILED.boot_results[0]).text) <= 78, "with its margin it fits into 80 columns"
    wide = [result_line.of_boot(boot, labels=["cold", "unprivileged"]).text for boot in FAILED.boot_results]
    assert {line.index(boot.state) for line, boot in zip(wide, FAILED.boot_results, strict=True)} == {15}
    never = result_line.of_boot(CRASHED.boot_results[0])
    assert (never.text, never.meaning) == ("cold:     failed   not ready        0 of 1 checks", "failed")


def test_one_line_tells_what_a_failure_left_out() -> None:
    boots = [CRASHED.boot_results[0], *(skipped(each, report.AFTER_FAILURE) for each in ("warm", "offline"))]
    rest = result_line.of_rest(boots)
    assert rest is not None
    assert (rest.text, rest.meaning) == ("warm, offline: skipped  an earlier step failed", "skipped")
    assert result_line.of_rest(FAILED.boot_results) is None


def test_the_json_report_has_stable_keys() -> None:
    value = json.loads(report.json_text(FAILED))
    assert list(value) == ["name", "binary", "sha256", "size", "passed", "conditions", "failure"]
    assert value["passed"] is False
    assert value["failure"]["code"] == "check-failed"
    assert [condition["state"] for condition in value["conditions"]] == ["passed", "failed", "skipped"]
    assert value["conditions"][0]["ready-after"] == 3.25
    assert value["conditions"][0]["stop"] == {"signal": "TERM", "status": -15, "seconds": 0.1}
    assert value["conditions"][1]["verdicts"][1] == {
        "check": "GET /x\x00<y>", "passed": False, "expected": "status 200", "came": '"\x1b]]>&"', "seconds": 0.5,
        "request": "", "answer": None,
    }  # fmt: skip


def test_the_json_report_has_the_line_to_paste() -> None:
    failure = NoxPexError("crashed", "it ended", "see its log", by_hand="./service.pex")
    found = json.loads(report.json_text(replace(CRASHED, failure=failure)))["failure"]
    assert found == {
        "code": "crashed", "problem": "it ended", "remedy": "see its log", "by-hand": "./service.pex", "subject": "",
        "rows": [], "cause": [], "log": [], "log-lines": 0, "log-file": None,
    }  # fmt: skip


def test_a_program_that_is_served_has_no_verdict() -> None:
    stop = Stop(signal="TERM", status=0, seconds=0.1)
    boot = BootResult(
        condition="cold", state="passed", check_count=3, ready_after=1.5, stop=stop, memory=10**9, served=61.7
    )
    served = SmokeReport(name="service", binary=Path("service.pex"), size=1, boot_results=(boot,))
    line = result_line.of_boot(boot)
    assert line.text == "cold:     served   ready in 1.5 s, for 62 s, stopped by SIGTERM in 0.1 s"
    assert line.meaning == "plain"
    assert served.passed is None
    assert json.loads(report.json_text(served))["passed"] is None
    assert_valid_junit(report.junit_text(served, now=NOW))
    assert report.budget_error(served, Budget(memory="1 MB", cold_boot=0.1)) is None
    assert replace(served, failure=NoxPexError("crashed", "the program ended", "see its log")).passed is False


BEFORE = replace(
    FAILED,
    boot_results=(skipped("cold", report.AFTER_FAILURE),),
    failure=NoxPexError("launch-failed", "`before` failed\x00", "run it by hand", log=("one",)),
)


@pytest.mark.parametrize("each", [FAILED, CRASHED, BEFORE])
def test_the_junit_report_matches_both_schemas(each: SmokeReport) -> None:
    assert_valid_junit(report.junit_text(each, now=NOW))


def test_the_junit_report_says_what_failed() -> None:
    root = ET.fromstring(report.junit_text(FAILED, now=NOW))  # noqa: S314  # nox-pex wrote it
    assert [(suite.get("name"), suite.get("failures"), suite.get("skipped")) for suite in root] == [
        ("cold", "0", "0"),
        ("warm", "1", "0"),
        ("offline", "0", "1"),
    ]
    failure = root.find("testsuite/testcase/failure")
    assert failure is not None
    assert failure.get("message") == 'expected status 200, got "\\x1b]]>&"'
    assert root[1].findtext("system-out") == "one\ntwo \\x01"
    root = ET.fromstring(report.junit_text(CRASHED, now=NOW))  # noqa: S314  # nox-pex wrote it
    assert [failure.get("message") for failure in root.iter("failure")] == ["cold: the program ended"]


def test_the_junit_report_says_why_a_condition_was_skipped() -> None:
    root = ET.fromstring(report.junit_text(FAILED, now=NOW))  # noqa: S314  # nox-pex wrote it
    assert [each.get("message") for each in root.iter("skipped")] == ["this machine does not support it"]


def test_the_junit_report_has_a_failure_that_belongs_to_no_condition() -> None:
    root = ET.fromstring(report.junit_text(BEFORE, now=NOW))  # noqa: S314  # nox-pex wrote it
    assert [(suite.get("name"), suite.get("failures")) for suite in root] == [("cold", "0"), ("smoke", "1")]
    case = root.find("testsuite[@name='smoke']/testcase")
    assert case is not None
    assert case.attrib == {"name": "launch-failed", "classname": "service.smoke", "time": "0.000"}
    assert [each.get("message") for each in case] == [r"`before` failed\x00"]
    assert root[1].findtext("system-out") == "one"


@pytest.mark.parametrize(
    ("budget", "problem"),
    [
        ({"size": "11 MB"}, "size is 12000000 bytes, over its budget of 11000000 bytes"),
        ({"cold_boot": 3.0}, "cold-boot is 3.25 s, over its budget of 3.00 s"),
        ({"warm_boot": 0.5}, "warm-boot is 1.00 s, over its budget of 0.50 s"),
        ({"memory": "59 MB"}, "memory is 60000000 bytes, over its budget of 59000000 bytes"),
        ({"size": "12 MB", "cold_boot": 3.25, "warm_boot": 1.0, "memory": "60 MB"}, None),
        ({}, None),
    ],
)
def test_a_budget_allows_its_limit_and_nothing_more(budget: dict[str, Any], problem: str | None) -> None:
    error = report.budget_error(FAILED, Budget(**budget))
    assert problem == (None if error is None else error.problem)


def test_a_slow_boot_says_what_took_so_long() -> None:
    took = (Phase(name="launch", start=0.0, end=0.2), Phase(name="imports", start=0.2, end=1.0))
    boots = (FAILED.boot_results[0], replace(FAILED.boot_results[1], phases=took))
    error = report.budget_error(replace(FAILED, boot_results=boots), Budget(warm_boot=0.5))
    assert error is not None
    assert error.subject == "service: warm-boot"
    assert error.rows == (
        ("expected", "at most 0.50 s (`budget.warm-boot`)"),
        ("got", "1.00 s"),
        ("phases", "launch 0.2 s, imports 0.8 s"),
    )


def test_the_scie_is_named_and_its_memory_is_not_in_the_budget() -> None:
    scie = BootResult(condition="scie", state="passed", check_count=0, ready_after=9.0, memory=900_000_000)
    cold = BootResult(condition="cold", state="passed", check_count=0, ready_after=1.0, memory=10_000_000)
    both = SmokeReport(
        name="service",
        binary=Path("service.pex"),
        size=1,
        boot_results=(cold, scie),
        scie=("service-linux-x86_64", "0" * 64),
    )
    assert both.memory == 10_000_000
    assert report.budget_error(both, Budget(memory="20 MB", cold_boot=2.0)) is None
    assert json.loads(report.json_text(both))["scie"] == {"file": "service-linux-x86_64", "sha256": "0" * 64}
    assert "scie" not in json.loads(report.json_text(FAILED))
