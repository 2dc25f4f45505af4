"""`launch`, as the test suites of other projects use it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path

import httpx2
import psutil
import pytest

from nox_pex import smoke
from nox_pex.errors import NoxPexError
from tests.support.processes import assert_nothing_left

Pack = Callable[[str], Path]


def test_it_yields_a_program_that_serves(binary: Pack, temporary: Path, tmp_path: Path) -> None:
    with smoke.launch(binary("listens"), args=["well", "{port}"]) as launched:
        assert httpx2.get(launched.url, trust_env=False).json() == {"message": "Hello World"}
        assert launched.url == f"http://127.0.0.1:{launched.port}"
        assert psutil.pid_exists(launched.pid)
        assert launched.tmp.is_relative_to(temporary)
    assert_nothing_left(temporary, tmp_path)


def test_two_programs_run_at_the_same_time(binary: Pack, temporary: Path, tmp_path: Path) -> None:
    program = binary("stops")
    with (
        pytest.raises(NoxPexError, match="left a process behind"),
        smoke.launch(program, args=["leaving-a-daemon", "{port}"]),
        smoke.launch(program, args=["at-once", "{port}"]) as other,
    ):
        assert httpx2.get(other.url, trust_env=False).status_code == 200
    assert_nothing_left(temporary, tmp_path)


def test_a_failure_comes_with_the_log(
    binary: Pack, temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "s3cr3t-t0ken")
    args = ["a-secret", "{port}", "exit"]
    with (
        pytest.raises(NoxPexError) as caught,
        smoke.launch(binary("logs"), args=args, pass_env=["SERVICE_TOKEN"]),
    ):
        pytest.fail("the program is not ready")
    assert caught.value.code == "exited-early"
    assert caught.value.log == ("connecting with ****",)
    shown = "".join(traceback.format_exception(caught.value))
    assert "The end of the program's log:\n  | connecting with ****\nby hand: cd " in shown
    assert "s3cr3t" not in shown
    assert_nothing_left(temporary, tmp_path)


def test_a_crash_during_the_block_is_an_error(binary: Pack, temporary: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(NoxPexError, match=r"error\[crashed\]"),
        smoke.launch(binary("dies"), args=["at-the-second-request", "{port}"]) as launched,
        pytest.raises(httpx2.HTTPError),
    ):
        httpx2.get(launched.url, trust_env=False)
    assert_nothing_left(temporary, tmp_path)


def test_an_error_in_the_block_is_raised(binary: Pack, temporary: Path, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), smoke.launch(binary("stops"), args=["never", "{port}"]):
        raise ZeroDivisionError
    assert_nothing_left(temporary, tmp_path)


def test_an_open_port_is_enough_without_ready(binary: Pack) -> None:
    with smoke.launch(binary("answers"), args=["nothing", "{port}"], ready=None) as launched:
        assert launched.host == "127.0.0.1"


def test_a_program_serves_on_a_unix_socket(binary: Pack, temporary: Path) -> None:
    args = ["on-a-unix-socket", "0", "{tmp}/app.sock"]
    with smoke.launch(binary("listens"), args=args, unix_socket="{tmp}/app.sock") as launched:
        assert launched.tmp.is_relative_to(temporary)


def test_no_part_of_a_traceback_shows_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "canary-one")
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\necho "$API_TOKEN $X_SECRET"\nexit 1\n')
    program.chmod(0o755)
    given = {"env": {"X_SECRET": "canary-two"}, "pass_env": ["API_TOKEN"]}
    for wrong in ({}, {"stop_signal": "canary-two"}, {"url": "http://u:canary-three@127.0.0.1:{port}"}):
        with pytest.raises(NoxPexError) as caught, smoke.launch(program, **(given | wrong)):  # type: ignore[arg-type]
            pass
        assert "canary" not in "".join((*traceback.format_exception(caught.value), *caught.value.log))
