"""The phases of a boot, of a program that starts as a PEX does, and of programs that do not."""

from __future__ import annotations

import sys
from typing import Final

import pytest

from nox_pex.smoke.phases import Phase
from tests.support.smoke_test import SmokeTest, Tested

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /proc")

STEP: Final = 0.3
"""Seconds that each phase of the program takes."""


def phases(tested: Tested, number: int = 0) -> tuple[Phase, ...]:
    return tested.report.boot_results[number].phases


def names(tested: Tested, number: int = 0) -> list[str]:
    return [phase.name for phase in phases(tested, number)]


def test_the_phases_of_a_cold_and_a_warm_boot(smoke_test: SmokeTest) -> None:
    tested = smoke_test("unpacks", "serves", "{port}", conditions=["cold", "warm"], soak=0.2)
    assert tested.code is None, tested.problem
    assert names(tested) == ["launch", "unpack", "venv", "imports", "ready", "checks", "soak", "stop"]
    assert names(tested, 1) == ["launch", "imports", "ready", "checks", "soak", "stop"]
    seconds = {phase.name: phase.end - phase.start for phase in phases(tested)}
    assert seconds["unpack"] > 0.8 * STEP  # its beginning may be seen a little late
    assert seconds["venv"] > 1.8 * STEP
    assert seconds["imports"] > 0.8 * STEP
    assert seconds["soak"] >= 0.2
    ready = next(phase.end for phase in phases(tested) if phase.name == "ready")
    assert ready == pytest.approx(tested.report.ready_after("cold"), abs=0.001)
    ends = [phase.end for phase in phases(tested)]
    assert [phase.start for phase in phases(tested)] == pytest.approx([0.0, *ends[:-1]])


@pytest.mark.parametrize("condition", ["unprivileged", "read-only", "offline"])
def test_a_confined_boot_is_seen_too(smoke_test: SmokeTest, condition: str) -> None:
    tested = smoke_test("unpacks", "serves", "{port}", conditions=[condition])
    (boot,) = tested.report.boot_results
    if boot.state == "skipped":
        pytest.skip(boot.reason or "")
    assert names(tested)[:5] == ["launch", "unpack", "venv", "imports", "ready"]


def test_a_failed_boot_has_the_phases_up_to_its_end(smoke_test: SmokeTest) -> None:
    tested = smoke_test("unpacks", "fails", "{port}")
    assert tested.code == "exited-early"
    assert names(tested) == ["launch", "unpack", "venv", "imports"]


def test_a_timeout_says_what_took_so_long(smoke_test: SmokeTest) -> None:
    tested = smoke_test("unpacks", "hangs", "{port}", startup_timeout=2.5)
    assert tested.code == "startup-timeout"
    assert tested.report.failure is not None
    row = dict(tested.report.failure.rows)["phases"]
    assert [part.split()[0] for part in row.split(", ")] == ["launch", "unpack", "venv", "imports"]


def test_a_command_line_program_has_its_checks_after_its_start(smoke_test: SmokeTest) -> None:
    command = {"args": ["ends", "0"]}
    tested = smoke_test("unpacks", command=[command, command], conditions=["cold", "warm"])
    assert tested.code is None, tested.problem
    assert names(tested) == ["launch", "unpack", "venv", "checks"]
    assert names(tested, 1) == ["launch", "checks"]


def test_a_program_that_is_no_pex_has_the_phases_that_are_known(smoke_test: SmokeTest) -> None:
    assert names(smoke_test("listens", "well", "{port}", soak=0.1))[:2] == ["launch", "ready"]
    worker = smoke_test("odd_workers", "ready", http=[], ready={"log": "^worker ready"}, soak=0.1)
    assert worker.code is None, worker.problem
    assert [name for name in names(worker) if name not in {"checks", "soak"}] == ["launch", "stop"]
