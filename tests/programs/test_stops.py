"""The stop of a program, and the processes that it leaves."""

from __future__ import annotations

import pytest

from tests.support.smoke_test import SmokeTest


def test_a_program_that_ignores_the_signal_is_killed(smoke_test: SmokeTest) -> None:
    tested = smoke_test("stops", "never", "{port}", stop_timeout=0.5)
    assert tested.code == "stop-timeout"
    assert "0.5 s after SIGTERM" in tested.problem
    assert tested.seconds < 8


@pytest.mark.parametrize("mode", ["at-once", "with-143", "with-0", "ending-its-workers"])
def test_every_usual_way_to_stop_passes(mode: str, smoke_test: SmokeTest) -> None:
    tested = smoke_test("stops", mode, "{port}")
    assert tested.code is None, tested.problem
    assert any("stopped in" in line for line in tested.said)


def test_an_exit_status_that_is_not_allowed_fails(smoke_test: SmokeTest) -> None:
    tested = smoke_test("stops", "with-1", "{port}")
    assert tested.code == "stop-exit-code"
    assert "exit status 1, which is not among `stop-exit-codes` (0, TERM)" in tested.problem
    assert smoke_test("stops", "with-1", "{port}", stop_exit_codes=[1]).code is None


def test_another_signal_can_be_set(smoke_test: SmokeTest) -> None:
    assert smoke_test("stops", "never", "{port}", stop_signal="INT", stop_exit_codes=["INT", 1]).code is None


@pytest.mark.parametrize(
    "mode",
    [
        "leaving-a-worker",
        "leaving-a-worker-of-another-session",
        "leaving-a-daemon",
        "leaving-a-thousand",
        "from-another-group",
    ],
)
def test_processes_that_are_left_are_found_and_ended(mode: str, smoke_test: SmokeTest) -> None:
    tested = smoke_test("stops", mode, "{port}", startup_timeout=30.0)
    assert tested.code == "left-processes"
    if mode == "leaving-a-thousand":
        assert "1000 processes" in tested.problem
    assert tested.seconds < 25


def test_directories_without_permissions_are_removed(smoke_test: SmokeTest) -> None:
    tested = smoke_test("stops", "having-written", "{port}", conditions=["cold"])
    assert tested.code is None, tested.problem


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"size": "1 kB"}, "size is"),
        ({"cold-boot": 0.001}, "cold-boot is"),
        ({"warm-boot": 0.001}, "warm-boot is"),
        ({"memory": "80 MB"}, "memory is"),
    ],
)
def test_a_program_over_its_budget_fails(budget: dict[str, object], message: str, smoke_test: SmokeTest) -> None:
    conditions = ["warm"] if "warm-boot" in budget else ["cold"]
    tested = smoke_test("stops", "having-eaten", "{port}", budget=budget, conditions=conditions)
    assert tested.code == "budget"
    assert message in tested.problem


def test_a_program_within_its_budget_passes(smoke_test: SmokeTest) -> None:
    budget = {"size": "1 MB", "cold-boot": 10, "warm-boot": 10, "memory": "300 MB"}
    tested = smoke_test("stops", "having-eaten", "{port}", budget=budget, conditions=["cold", "warm"])
    assert tested.code is None, tested.problem
    assert 80_000_000 < (tested.report.memory or 0) < 300_000_000
