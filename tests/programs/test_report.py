"""What people, scripts and CI systems read."""

from __future__ import annotations

import datetime as dt
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.smoke import report
from nox_pex.smoke.checks.verdicts import CheckResult
from nox_pex.smoke.report import BootResult, SmokeReport
from nox_pex.smoke.stop import Stop
from tests.support.smoke_test import SmokeTest

NOW = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)
GOOD = CheckResult(check="GET /", passed=True, expected="status 200", came="200", seconds=0.25)
BAD = CheckResult(check="GET /x\x00<y>", passed=False, expected="status 200", came='"\x1b]]>&"', seconds=0.5)
FAILED = SmokeReport(
    name="service",
    binary=Path("service.pex"),
    size=12_000_000,
    outcomes=(
        BootResult(
            condition="cold", state="passed", checks=2, ready_after=3.25, verdicts=(GOOD, GOOD),
            stop=Stop(signal="TERM", status=-15, seconds=0.1), memory=60_000_000,
        ),
        BootResult(condition="warm", state="failed", checks=2, ready_after=1.0, verdicts=(GOOD, BAD), reason="GET /x"),
        BootResult(condition="offline", state="skipped", checks=2, reason="this machine cannot give it"),
    ),
    failure=NoxPexError("check-failed", "warm: GET /x: 100% wrong", "mend it", log=("one", "two \x01")),
)  # fmt: skip
CRASHED = SmokeReport(
    name="service",
    binary=Path("service.pex"),
    size=1,
    outcomes=(BootResult(condition="cold", state="failed", checks=1, reason="cold: the program ended"),),
    failure=NoxPexError("exited-early", "cold: the program ended", "see its log"),
)


def test_table() -> None:
    assert list(report.table(FAILED)) == [
        "condition  ready after  checks  stop            memory",
        "cold       3.25 s       2 of 2  SIGTERM, 0.1 s  60 MB",
        "warm       1.00 s       1 of 2",
        "offline    skipped: this machine cannot give it",
        "warm: GET /x\x00<y>",
        "  expected  status 200",
        '  got       "\x1b]]>&"',
    ]


def test_json() -> None:
    value = json.loads(report.json_text(FAILED))
    assert value["passed"] is False
    assert value["failure"]["code"] == "check-failed"
    assert [condition["state"] for condition in value["conditions"]] == ["passed", "failed", "skipped"]
    assert value["conditions"][0]["ready-after"] == 3.25
    assert value["conditions"][0]["stop"] == {"signal": "TERM", "status": -15, "seconds": 0.1}


def test_github() -> None:
    assert list(report.github_lines(FAILED, {})) == []
    assert list(report.github_lines(FAILED, {"GITHUB_ACTIONS": "true"})) == [
        "::warning title=smoke service::offline: skipped: this machine cannot give it",
        "::error title=smoke service::error[check-failed]: warm: GET /x: 100%25 wrong; mend it",
    ]


@pytest.mark.parametrize("each", [FAILED, CRASHED])
def test_junit(each: SmokeReport) -> None:
    judge_junit(report.junit_text(each, now=NOW))


def test_junit_tells_what_failed() -> None:
    root = ET.fromstring(report.junit_text(FAILED, now=NOW))  # noqa: S314  # our own
    assert [(suite.get("name"), suite.get("failures"), suite.get("skipped")) for suite in root] == [
        ("cold", "0", "0"),
        ("warm", "1", "0"),
        ("offline", "0", "1"),
    ]
    failure = root.find("testsuite/testcase/failure")
    assert failure is not None
    assert failure.get("message") == 'expected status 200, got "\ufffd]]>&"'
    assert root[1].findtext("system-out") == "one\ntwo \ufffd"
    root = ET.fromstring(report.junit_text(CRASHED, now=NOW))  # noqa: S314  # our own
    assert [failure.get("message") for failure in root.iter("failure")] == ["cold: the program ended"]


def test_junit_of_a_real_run(smoke_test: SmokeTest) -> None:
    judge_junit(report.junit_text(smoke_test("listens", "well", "{port}").report))


SUITE = {
    "id": r"\d+", "package": r"\S+", "name": r"\S+", "hostname": r"\S+", "tests": r"\d+", "failures": r"\d+",
    "errors": r"\d+", "skipped": r"\d+", "time": r"\d+\.\d+", "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
}  # fmt: skip
CASE = {"name": ".+", "classname": r"\S+", "time": r"\d+\.\d+"}
FAILURE = {"message": ".*", "type": ".+"}


def judge_junit(text: str) -> None:
    """The rules that the schemas of Ant (JUnit.xsd) and of Jenkins (junit-10.xsd) have in common."""
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n')
    root = ET.fromstring(text)  # noqa: S314  # our own
    assert (root.tag, root.attrib) == ("testsuites", {})
    for number, suite in enumerate(root):
        judge_element(suite, "testsuite", SUITE)
        assert suite.get("id") == str(number)
        tags = [child.tag for child in suite]
        cases = suite.findall("testcase")
        assert tags == ["properties", *["testcase"] * len(cases), "system-out", "system-err"]
        assert int(suite.get("tests", "")) == len(cases) > 0
        assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("skipped", "")) == len(suite.findall("testcase/skipped"))
        for case in cases:
            judge_element(case, "testcase", CASE)
            assert len(case) <= 1
            for child in case:
                judge_element(child, child.tag, {"failure": FAILURE, "skipped": {}}[child.tag])


def judge_element(element: ET.Element, tag: str, attributes: dict[str, str]) -> None:
    assert element.tag == tag
    assert set(element.attrib) == set(attributes)
    for name, pattern in attributes.items():
        assert re.fullmatch(pattern, element.attrib[name], re.DOTALL), (name, element.attrib[name])


def test_say_is_masked(smoke_test: SmokeTest, binary: Callable[[str], Path]) -> None:
    token = "s3cr3t-t0ken"
    program = binary("listens")
    tested = smoke_test(program, "well", "{port}", env={"SERVICE_TOKEN": token}, before=[["true", token]])
    assert any("****" in line for line in tested.said)
    assert not any(token in line for line in tested.said)
