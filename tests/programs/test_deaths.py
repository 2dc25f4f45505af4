"""Programs that cannot be started, and programs that end when they should not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.smoke.plan import Options
from tests.support.smoke_test import SmokeTest

Pack = Callable[..., Path]


@pytest.mark.parametrize(
    ("mode", "code", "words"),
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
def test_dies(mode: str, code: str, words: str, smoke_test: SmokeTest) -> None:
    tested = smoke_test("dies", mode, "{port}", startup_timeout=20.0, soak=2.0)
    assert tested.code == code
    assert words in tested.problem
    assert f"dies {mode}" in tested.log
    assert tested.seconds < 10


def test_a_missing_interpreter(smoke_test: SmokeTest, binary: Pack) -> None:
    tested = smoke_test(binary("listens", python="/nowhere/python3.99"), "well", "{port}")
    assert tested.code == "launch-failed"
    assert "interpreter /nowhere/python3.99" in tested.problem


def test_not_executable(smoke_test: SmokeTest, binary: Pack) -> None:
    program = binary("listens")
    program.chmod(0o644)
    tested = smoke_test(program, "well", "{port}")
    assert tested.code == "launch-failed"
    assert "not executable" in tested.problem


def test_empty(smoke_test: SmokeTest, tmp_path: Path) -> None:
    program = tmp_path / "empty.pex"
    program.touch(mode=0o755)
    tested = smoke_test(program, "well", "{port}")
    assert tested.code == "launch-failed"
    assert "empty, damaged" in tested.problem


@pytest.mark.parametrize("damage", ["truncated", "overwritten"])
def test_damaged(damage: str, smoke_test: SmokeTest, binary: Pack) -> None:
    program = binary("listens")
    data = program.read_bytes()
    half = len(data) // 2
    program.write_bytes(data[:half] if damage == "truncated" else data[: half - 300] + b"?" * 600 + data[half + 300 :])
    tested = smoke_test(program, "well", "{port}")
    assert tested.code == "exited-early"
    assert tested.log


def test_a_binary_that_is_not_there(smoke_test: SmokeTest, tmp_path: Path) -> None:
    with pytest.raises(NoxPexError, match=r"nowhere\.pex is not there") as caught:
        smoke_test(tmp_path / "nowhere.pex")
    assert caught.value.code == "launch-failed"


def test_nothing_to_check(smoke_test: SmokeTest) -> None:
    with pytest.raises(NoxPexError, match=r"tool\.nox-pex\.binary\.program\.smoke\.http") as caught:
        smoke_test("listens", "well", "{port}", http=[])
    assert caught.value.code == "config"


@pytest.mark.parametrize("options", [Options(only="hot"), Options(port=0), Options(port=70000)])
def test_options_that_make_no_sense(options: Options, smoke_test: SmokeTest) -> None:
    with pytest.raises(NoxPexError) as caught:
        smoke_test("listens", "well", "{port}", options=options)
    assert caught.value.code == "usage"
