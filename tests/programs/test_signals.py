"""Ctrl-C, SIGTERM and SIGKILL to the process that runs the smoke test, at any moment."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import psutil
import pytest

from nox_pex import smoke
from tests.support.processes import IMPORTABLE, assert_nothing_left, program_of, wait_until

Pack = Callable[[str], Path]
DRIVER = Path(__file__).with_name("driver.py")


@pytest.fixture
def drive(binary: Pack, project: Path, temporary: Path) -> Callable[[str], subprocess.Popen[str]]:
    program = binary("listens")

    def start(what: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(DRIVER), str(program), str(project), str(temporary), what],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": IMPORTABLE},
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        return process

    return start


def await_line(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    pytest.fail(f"no line with {text!r} was printed")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", [*product(["go", "cold: starting"], [0.0, 0.1, 0.4])])
def test_a_signal_at_any_moment_leaves_nothing_behind(
    number: signal.Signals,
    moment: tuple[str, float],
    drive: Callable[[str], subprocess.Popen[str]],
    temporary: Path,
    project: Path,
) -> None:
    process = drive("soak")
    line, delay = moment
    if line != "go":
        await_line(process, line)
    time.sleep(delay)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=20)
    # The process ends as if nox-pex did not handle the signal.
    assert process.returncode == -number
    assert number == signal.SIGTERM or "KeyboardInterrupt" in stderr
    assert_nothing_left(temporary)
    assert (project / "after").exists() or line == "go"  # the signal may come before the run has begun


def test_a_second_ctrl_c_does_not_disturb_the_cleanup(
    drive: Callable[[str], subprocess.Popen[str]], temporary: Path
) -> None:
    process = drive("soak")
    await_line(process, "cold: starting")
    for _ in range(20):
        process.send_signal(signal.SIGINT)
        time.sleep(0.005)
    process.communicate(timeout=20)
    wait_until(lambda: not list(temporary.iterdir()))
    assert_nothing_left(temporary)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_of_before(
    number: signal.Signals, drive: Callable[[str], subprocess.Popen[str]], temporary: Path, project: Path
) -> None:
    process = drive("before")
    await_line(process, "before: sleep 60")
    nox = psutil.Process(process.pid)
    wait_until(lambda: len(nox.children()) == 1)
    (command,) = nox.children()
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == -number
    assert not command.is_running()
    assert_nothing_left(temporary)
    assert (project / "after").exists()


def test_a_program_that_is_served_is_not_said_to_pass_or_fail_checks(
    drive: Callable[[str], subprocess.Popen[str]], temporary: Path
) -> None:
    process = drive("serve")
    await_line(process, "serving on http://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    line = r"^cold: +served +ready in \S+ s, for \d+ s, stopped by SIGTERM in "
    assert re.search(line, output, re.MULTILINE)
    assert "checks" not in output
    assert "passed" not in output
    assert "done None" in output
    assert_nothing_left(temporary)


@pytest.mark.skipif(sys.platform != "linux", reason="on other systems the supervisor notices only the end of its input")
@pytest.mark.parametrize("what", ["soak", "serve"])
def test_a_killed_run_leaves_no_process_and_no_directory(
    what: str, drive: Callable[[str], subprocess.Popen[str]], temporary: Path
) -> None:
    process = drive(what)
    await_line(process, "cold: starting" if what == "soak" else "serving on http://127.0.0.1:")
    nox = psutil.Process(process.pid)
    wait_until(lambda: program_of(nox) is not None)
    running = nox.children(recursive=True)
    process.kill()
    process.communicate(timeout=10)
    _, alive = psutil.wait_procs(running, timeout=10)
    assert not alive
    wait_until(lambda: not list(temporary.iterdir()))
    assert_nothing_left(temporary)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not list the children of a process in time")
def test_the_next_run_removes_the_directory_of_a_killed_one(
    drive: Callable[[str], subprocess.Popen[str]], binary: Pack, temporary: Path
) -> None:
    process = drive("soak")
    await_line(process, "cold: starting")
    nox = psutil.Process(process.pid)
    wait_until(lambda: program_of(nox) is not None)
    running = nox.children(recursive=True)
    process.kill()
    for each in running:  # no process is left to clean up
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    process.communicate(timeout=10)
    psutil.wait_procs(running, timeout=10)
    (abandoned,) = temporary.iterdir()
    with smoke.launch(binary("listens"), args=["well", "{port}"]) as first:
        assert not abandoned.exists()
        with smoke.launch(binary("stops"), args=["at-once", "{port}"]):
            assert first.tmp.is_dir(), "the directory of another run that is still going is not removed"
    assert_nothing_left(temporary)


def test_ctrl_c_ends_serve_without_a_failure(drive: Callable[[str], subprocess.Popen[str]], temporary: Path) -> None:
    process = drive("serve")
    await_line(process, "serving on http://127.0.0.1:")
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert stdout.endswith("done None\n")
    assert_nothing_left(temporary)
