"""The report of a real run, and the lines that it prints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nox_pex.smoke import report
from tests.support.junit import assert_valid_junit
from tests.support.smoke_test import SmokeTest


def test_the_junit_report_of_a_real_run_is_valid(smoke_test: SmokeTest) -> None:
    assert_valid_junit(report.junit_text(smoke_test("listens", "well", "{port}").report))


def test_the_lines_for_people_have_no_secrets(smoke_test: SmokeTest, binary: Callable[[str], Path]) -> None:
    token = "s3cr3t-t0ken"
    program = binary("listens")
    tested = smoke_test(program, "well", "{port}", env={"SERVICE_TOKEN": token}, before=[["true", token]])
    assert any("****" in line for line in tested.said)
    assert not any(token in line for line in tested.said)
