"""Run a function in a child process, and watch its time, its memory and its temporary files."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import select
import signal
import stat
import time
import traceback
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

HANGS_AFTER: Final = 60.0
"""Seconds after which a check counts as hanging. Long, because the machine may be busy; a check takes far below one."""

_MOST_MEMORY: Final = 2 << 30
"""Bytes of address space of the child: more is a crash, and not a danger for the machine."""

_INTERVAL: Final = 0.02
"""Seconds between two looks at the child's files."""


class Watched(Struct, frozen=True, kw_only=True):
    """The end of a call: its value as JSON, or `crash`, what ended it instead (an exception's traceback, a signal).

    `seconds` is its time, `memory` the bytes by which the process grew, `disk` the most bytes that its open files had.
    """

    value: Any = None
    crash: str = ""
    seconds: float
    memory: int
    disk: int


def watched(call: Callable[[], Any]) -> Watched:
    """Run `call` in a child process. It must return a JSON value."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reading, writing = os.pipe()
    started = time.monotonic()
    gc.freeze()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(call, writing)
    os.close(writing)
    output, disk, killed = _follow(child, reading, until=started + HANGS_AFTER)
    _, status, usage = os.wait4(child, 0)
    crash = f"no answer after {HANGS_AFTER} s" if killed else _crash(status, output)
    return Watched(
        value=None if crash else json.loads(output)["value"],
        crash=crash,
        seconds=time.monotonic() - started,
        memory=max(0, usage.ru_maxrss - before) << 10,
        disk=disk,
    )


def _answer(call: Callable[[], Any], writing: int) -> None:
    """Write the result of `call` to a pipe, and end this process."""
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (int(HANGS_AFTER), int(HANGS_AFTER)))  # also if this test is killed
        answer = {"value": call()}
    except BaseException:  # noqa: BLE001  # the parent reports every exception
        answer = {"crash": traceback.format_exc()[-4000:]}
    with open(writing, "w", encoding="utf-8", errors="backslashreplace") as pipe:  # it is no path
        pipe.write(json.dumps(answer))
    os._exit(0)


def _follow(child: int, reading: int, *, until: float) -> tuple[str, int, bool]:
    """Return what the child wrote, the most bytes that its open files had, and whether it had to be killed."""
    pieces: list[bytes] = []
    disk = 0
    with open(reading, "rb", buffering=0) as pipe:  # it is no path
        while True:
            ready, _, _ = select.select([pipe], [], [], _INTERVAL)
            if ready and not (piece := pipe.read(1 << 16)):
                return b"".join(pieces).decode(), disk, False
            if ready:
                pieces.append(piece)
            disk = max(disk, _open_files(child))
            if time.monotonic() > until:
                os.killpg(child, signal.SIGKILL)
                return "", disk, True


def _open_files(process: int) -> int:
    """The bytes on disk of the files that a process has open and that have no name: its temporary files."""
    total = 0
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{process}/fd"):  # noqa: PTH208  # names, of links to files that are gone
            with contextlib.suppress(OSError):
                status = os.stat(f"/proc/{process}/fd/{name}")  # noqa: PTH116  # as above: no path
                total += status.st_blocks * 512 if stat.S_ISREG(status.st_mode) and status.st_nlink == 0 else 0
    return total


def _crash(status: int, output: str) -> str:
    if status != 0 or not output:
        return f"ended with wait status {status}"
    crash: str = json.loads(output).get("crash", "")
    return crash
