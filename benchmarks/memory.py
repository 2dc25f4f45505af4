"""The memory of nox-pex: of the process of Nox and of the helpers that it forks, without the tools that it starts."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

import psutil

from benchmarks.bench import ROOT, Bench
from benchmarks.checkout import Checkout
from benchmarks.execution import Step, Timed
from benchmarks.results import NOX_PEX, Key

PIECE: Final = "memory"
CASES: Final = {"build": "first build", "edit": "build after an edit", "verify": "verify"}

_PEAK: Final = """\
import atexit, os, pathlib, re, sys

def write_peak():
    status = pathlib.Path("/proc/self/status").read_text()
    pathlib.Path(os.environ["BENCH_PEAK"]).write_text(re.search(r"VmHWM:\\s*(\\d+) kB", status)[1])

atexit.register(write_peak)
from nox.__main__ import main
sys.argv[0] = "nox"
main()
"""
"""A program that runs Nox, and at its end writes the peak memory of this one process (Linux: `VmHWM`)."""

_PAUSE: Final = 0.02
_YOUNG: Final = 0.1
"""Seconds. Between `fork` and `exec`, a tool still looks like the process that starts it."""


def measure(bench: Bench) -> None:
    """Measure the peak memory of three sessions of a small and of a larger project."""
    if not bench.wanted.has(PIECE) or bench.wanted.quick or sys.platform != "linux":
        return
    for project in bench.projects("hello", "data"):
        bench.keep_downloads(NOX_PEX)
        watch(bench, bench.checkout(project, PIECE), project, CASES)


def watch(bench: Bench, checkout: Checkout, project: str, cases: Collection[str]) -> None:
    """Record the peak memory of `cases`, of a build first and then of the others, under the name `project`."""
    for case in cases:
        if case == "edit":
            checkout.edit(case)
        bench.say(f"{PIECE}: {project}: {CASES[case]}")
        session = "verify" if case == "verify" else "pex"
        timed, peak = run(bench, checkout, session, label=f"{PIECE}.{project}.{case}")
        key = Key(piece=PIECE, project=project, case=case, subject=NOX_PEX)
        bench.recorder.add(key, peak, unit="bytes", failure=timed.failure)


def run(bench: Bench, checkout: Checkout, session: str, *, label: str) -> tuple[Timed, int | None]:
    """Run a session; return its time, and the peak memory of nox-pex's own processes in bytes (None if it fails).

    The peak is that of the process of Nox (`VmHWM`), or of all own processes together (the largest sum of their
    proportional set sizes, in samples taken every 20 ms) if that is more.
    """
    written = bench.work / f"{label}.peak"
    env = {**bench.own_environ(), "BENCH_PEAK": str(written)}
    step = Step(name="nox", argv=(sys.executable, "-c", _PEAK, "-s", session))
    with watching(step.argv) as seen:
        timed = bench.runner.run([step], cwd=checkout.root, env=env, label=label)
    if timed.failure or not written.exists():
        return timed, None
    return timed, max(int(written.read_text("utf-8")) * 1024, *seen)


@contextlib.contextmanager
def watching(argv: Sequence[str]) -> Iterator[list[int]]:
    """Yield a list that has the largest sum of the memory of all own processes after the block.

    The block starts the process with these arguments as a child of this one.
    """
    seen, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(_PAUSE):
            seen[0] = max(seen[0], sum(_proportional(pid) for pid in _own_processes(argv)))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def _own_processes(argv: Sequence[str]) -> Iterator[int]:
    """The process with these arguments, the forks of it, and other programs of nox-pex that its Python runs."""
    package = str(ROOT / "tasks")
    for process in psutil.Process(os.getpid()).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            found = process.cmdline()
            is_program = found[:1] == [argv[0]] and any(
                "multiprocessing" in argument or package in argument for argument in found[1:]
            )
            is_old = time.time() - process.create_time() > _YOUNG
            if is_old and (found == list(argv) or is_program):
                yield process.pid


def _proportional(pid: int) -> int:
    """The bytes of a process in memory; of those that processes share, each has its part. 0 if it has ended."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8")
        if found := re.search(r"^Pss:\s*(\d+) kB", text, re.MULTILINE):
            return int(found[1]) * 1024
    return 0
