"""Programs that cannot be started, and programs that end when they should not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from tests.support.smoke_test import SmokeTest

Pack = Callable[..., Path]


@pytest.mark.parametrize(
    ("mode", "code", "message"),
    [
        ("with-1", "exited-early", "ended (exit status 1)"),
        ("with-0", "exited-early", "ended (exit status 0)"),
        ("of-a-segfault", "exited-early", "ended (SIGSEGV)"),
        ("killed", "exited-early", "ended (SIGKILL)"),
        ("of-a-missing-module", "exited-early", "ended (exit status 1)"),
        ("at-the-second-request", "crashed", "ended (SIGSEGV) while it was asked for GET /"),
        ("a-moment-after-the-second-request", "crashed", "ended (exit status 3) after the checks"),
    ],
)
def test_an_end_is_reported_with_its_status_its_moment_and_its_log(
    mode: str, code: str, message: str, smoke_test: SmokeTest
) -> None:
    tested = smoke_test("dies", mode, "{port}", startup_timeout=20.0, soak=2.0)
    assert tested.code == code
    assert message in tested.problem
    assert f"dies {mode}" in tested.log
    assert tested.seconds < 10


def test_a_missing_interpreter_is_named(smoke_test: SmokeTest, binary: Pack) -> None:
    tested = smoke_test(binary("listens", python="/nowhere/python3.99"), "well", "{port}")
    assert tested.code == "launch-failed"
    assert "interpreter /nowhere/python3.99" in tested.problem


def test_a_file_that_is_not_executable_is_refused(smoke_test: SmokeTest, binary: Pack) -> None:
    program = binary("listens")
    program.chmod(0o644)
    tested = smoke_test(program, "well", "{port}")
    assert tested.code == "launch-failed"
    assert "not executable" in tested.problem


def test_an_empty_file_cannot_be_started(smoke_test: SmokeTest, tmp_path: Path) -> None:
    program = tmp_path / "empty.pex"
    program.touch(mode=0o755)
    with pytest.raises(NoxPexError, match="it is not a program: it does not begin with `#!`") as caught:
        smoke_test(program, "well", "{port}")
    assert caught.value.code == "launch-failed"


@pytest.mark.parametrize("damage", ["truncated", "overwritten"])
def test_a_damaged_file_exits_early_with_a_log(damage: str, smoke_test: SmokeTest, binary: Pack) -> None:
    program = binary("listens")
    data = program.read_bytes()
    half = len(data) // 2
    program.write_bytes(data[:half] if damage == "truncated" else data[: half - 300] + b"?" * 600 + data[half + 300 :])
    tested = smoke_test(program, "well", "{port}")
    assert tested.code == "exited-early"
    assert tested.log
