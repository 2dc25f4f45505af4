"""Programs that run commands and end."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.smoke_test import SmokeTest


def test_commands_that_meet_all_requirements_pass(smoke_test: SmokeTest) -> None:
    commands = [
        {"args": ["--version"], "stdout-matches": r"^commands \d"},
        {"args": ["cat"], "stdin": "héllo {tmpx}", "stdout-matches": "HÉLLO {TMPX}"},
        {"args": ["complain"], "exit-code": 2, "stderr-matches": "no bread", "env": {"THING": "bread"}},
    ]
    tested = smoke_test("commands", command=commands, conditions=["cold", "warm"])
    assert tested.code is None, tested.problem
    assert [outcome.passed_checks for outcome in tested.report.boot_results] == [3, 3]
    assert tested.report.ready_after("cold") is not None


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ({"args": ["complain"]}, "check-failed", "program complain: expected exit status 0, got 2"),
        ({"args": ["abort"]}, "check-failed", "expected exit status 0, got SIGABRT"),
        (
            {"args": ["hang"], "timeout": 0.5},
            "check-failed",
            "program hang: still running after 1.5 s (`timeout` and `startup-timeout`), so it was killed",
        ),
        ({"stdout-matches": "2.0"}, "check-failed", "stdout that matches '2.0', got \"commands 1.2.3\""),
        ({"stdout-not-contains": "1.2"}, "check-failed", 'stdout without "1.2"'),
        ({"stderr-matches": "x"}, "check-failed", "stderr that matches 'x'"),
        ({"args": ["leave"]}, "left-processes", "program leave left a process behind"),
    ],
)
def test_each_requirement_of_a_command_can_fail(
    command: dict[str, Any], code: str, message: str, smoke_test: SmokeTest
) -> None:
    tested = smoke_test("commands", command=[command], startup_timeout=1.0)
    assert tested.code == code
    assert message in tested.problem
    assert tested.seconds < 8


def test_a_command_runs_while_the_server_runs(smoke_test: SmokeTest) -> None:
    command = {"args": ["not-at-all", "0"], "stdout-matches": "listens 1.0"}
    tested = smoke_test("listens", "well", "{port}", http=[{"path": "/"}], command=[command])
    assert tested.code is None, tested.problem
    assert tested.report.boot_results[0].passed_checks == 2


def test_commands_run_even_if_a_request_failed(smoke_test: SmokeTest) -> None:
    commands = [{"args": ["not-at-all", "0"]}, {"args": ["not-at-all", "0"], "exit-code": 3}]
    tested = smoke_test("listens", "well", "{port}", http=[{"path": "/", "status": 418}], command=commands)
    assert tested.code == "check-failed"
    assert "expected status 418" in tested.problem
    assert [result.passed for result in tested.report.boot_results[0].check_results] == [False, True, False]
    assert tested.report.failure is not None
    assert " well " in tested.report.failure.by_hand


def test_the_output_of_the_command_that_failed_is_shown(smoke_test: SmokeTest) -> None:
    tested = smoke_test("commands", command=[{"args": ["complain"]}, {"args": ["--version"]}])
    assert tested.log == "no thing"
    assert (tested.report.boot_results[0].passed_checks, tested.report.boot_results[0].check_count) == (1, 2)


def test_a_failure_has_a_line_that_repeats_it(smoke_test: SmokeTest) -> None:
    commands = [{"args": ["--version"]}, {"args": ["complain"], "env": {"THING": "it's {tmp}/x"}}, {"args": ["cat"]}]
    tested = smoke_test("commands", command=commands)
    failure = tested.report.failure
    assert failure is not None
    assert failure.lines[-2] == f"by hand: {failure.by_hand}"
    again = subprocess.run(["/bin/sh", "-c", f"{failure.by_hand}; pwd"], capture_output=True, text=True, check=True)
    directory = Path(again.stdout.strip())
    assert again.stderr == f"no it's {directory}/x\n"
    directory.rmdir()
    tested = smoke_test("listens", "well", "{port}", "a b", http=[{"path": "/", "status": 404}], conditions=["offline"])
    assert tested.report.failure is not None
    line = tested.report.failure.by_hand
    assert re.search(r"/listens.pex well \d+ 'a b' # without the limits of the condition offline$", line), line


def test_a_failed_command_of_the_project_has_a_line_that_repeats_it(smoke_test: SmokeTest, project: Path) -> None:
    command = ["sh", "-c", "echo no $THING; exit 3"]
    tested = smoke_test("listens", "well", "{port}", before=[command], env={"THING": "bread and butter"})
    assert tested.code == "launch-failed"
    assert tested.report.failure is not None
    line = tested.report.failure.by_hand
    again = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout) == (3, "no bread and butter\n")
    assert str(project) in line


def test_a_seed_that_fails_is_reported_once(smoke_test: SmokeTest) -> None:
    tested = smoke_test("commands", command=[{"args": ["complain"]}], conditions=["warm"])
    assert [outcome.state for outcome in tested.report.boot_results] == ["failed"]
