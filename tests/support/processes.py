"""Processes that a test starts: wait for them, and prove that none is left."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

_PATIENCE: Final = 120.0
"""Seconds to wait for something that must happen. Long, because the machine may be busy."""

_ROOT: Final = Path(__file__).resolve().parents[2]

IMPORTABLE: Final = os.pathsep.join([str(_ROOT / "tasks"), str(_ROOT)])
"""`PYTHONPATH` of a Python that imports nox-pex and these modules."""


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds. Raise `AssertionError` if it never does."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"still false after {_PATIENCE} s"
        time.sleep(0.02)


def program_of(nox: psutil.Process) -> psutil.Process | None:
    """Return the process of the binary under test that the process `nox` has started, if it runs.

    It is the oldest one, because those that it forks have the same command line.
    """
    found: list[psutil.Process] = []
    for each in nox.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            # A child of `nox` is the supervisor. Before it executes Python, its command line is that of `nox`.
            if each.ppid() != nox.pid and any(part.endswith(".pex") for part in each.cmdline()[:4]):
                found.append(each)
    return min(found, key=lambda each: (each.create_time(), each.pid), default=None)


def assert_nothing_left(*places: Path) -> None:
    """Assert that the first directory is empty and has no mounts, and that no process knows any of these directories.

    A program under test knows them by its TMPDIR, even if it has changed its command line.
    """
    names = [str(place) for place in places]
    left = []
    for process in psutil.process_iter(["cmdline", "pid", "environ"]):
        line = " ".join(process.info["cmdline"] or ())
        variables = " ".join((process.info["environ"] or {}).values())
        if process.pid != os.getpid() and any(name in line or name in variables for name in names):
            left.append(f"{process.pid} {line}")
    assert left == []
    assert list(places[0].iterdir()) == []
    mounts = Path("/proc/self/mountinfo")
    assert not mounts.exists() or f" {names[0]}" not in mounts.read_text(encoding="utf-8", errors="replace")
