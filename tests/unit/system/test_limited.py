"""Functions that run in a child process with limits."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from nox_pex.system import limited
from nox_pex.system.limited import LimitError, TooSlowError


def backtrack() -> None:
    limited.doing("the search")
    re.search("^(a+)+$", "a" * 60 + "!")


def report_and_backtrack(writer: int) -> None:
    os.write(writer, b"c")
    backtrack()


def recurse(depth: int = 0) -> int:
    return recurse(depth + 1)


def allocate() -> list[bytes]:
    return [bytes(2**20) for _ in range(2**20)]


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def overflow() -> None:
    ctypes.string_at(0)


def leave() -> None:
    os._exit(3)


def raises() -> None:
    msg = "no such thing"
    raise KeyError(msg)


def test_the_result_is_that_of_the_function() -> None:
    assert limited.call(lambda left, right: {left: [right]}, "a", None, seconds=30.0) == {"a": [None]}
    assert len(limited.call(lambda: "x" * 10_000_000, seconds=30.0)) == 10_000_000
    assert limited.call(os.getpid, seconds=30.0) != os.getpid()


def test_a_search_that_backtracks_ends_at_the_deadline() -> None:
    started = time.monotonic()
    with pytest.raises(TooSlowError, match=r"the search took longer than 0\.3 s"):
        limited.call(backtrack, seconds=0.3)
    assert time.monotonic() - started < 10
    with pytest.raises(TooSlowError, match="the search took longer than what was left"):
        limited.call(backtrack, seconds=0.3, limit="what was left")


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (recurse, "the comparison needs more than 5000 nested calls"),
        pytest.param(
            allocate,
            "the comparison needs more than 2 GiB of memory",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="macOS has no limit of the address space"),
        ),
        (crash, "the comparison crashed (SIGSEGV)"),
        (overflow, "the comparison crashed (SIGSEGV)"),
        (leave, "the comparison ended without a result (exit status 3)"),
        (raises, "the comparison failed: KeyError: 'no such thing'"),
        (lambda: lambda: None, "the comparison failed: "),
    ],
)
def test_whatever_ends_the_function_is_a_clear_error(function: Callable[[], Any], problem: str) -> None:
    with pytest.raises(LimitError) as error:
        limited.call(function, seconds=60.0)
    assert str(error.value).startswith(problem)


def test_nothing_of_the_child_is_left() -> None:
    before, children = len([*Path("/dev/fd").iterdir()]), psutil.Process().children()
    handlers = signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, ())
    for function in (backtrack, crash, raises):
        with pytest.raises(LimitError):
            limited.call(function, seconds=0.2)
    assert (signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, ())) == handlers
    gc.collect()
    assert len([*Path("/dev/fd").iterdir()]) == before
    assert psutil.Process().children() == children


def test_text_in_a_buffer_is_written_once(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with file.open("w") as stream:
        stream.write("once")
        assert limited.call(len, "four", seconds=30.0) == 4
    assert file.read_text() == "once"


def test_it_works_while_another_thread_runs() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert limited.call(len, "four", seconds=30.0) == 4
    finally:
        done.set()
        thread.join()


def test_an_interruption_ends_the_child() -> None:
    class InterruptedHereError(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise InterruptedHereError

    children = psutil.Process().children()
    previous = signal.signal(signal.SIGTERM, interrupt)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    try:
        with pytest.raises(InterruptedHereError):
            limited.call(backtrack, seconds=60.0)
    finally:
        timer.join()
        signal.signal(signal.SIGTERM, previous)
    assert psutil.Process().children() == children


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_the_child_dies_with_its_parent() -> None:
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        try:
            limited.call(report_and_backtrack, writer, seconds=60.0)
        finally:
            os._exit(0)
    os.close(writer)
    assert os.read(reader, 1) == b"c"
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert os.read(reader, 1) == b""  # nobody has the writing end any more
    os.close(reader)
