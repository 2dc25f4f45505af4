"""What the benchmark runs on."""

from __future__ import annotations

import datetime as dt
import platform
import subprocess
from pathlib import Path

import psutil

from benchmarks.results import Machine


def machine() -> Machine:
    """This machine."""
    return Machine(
        cpu=_cpu(),
        cores=psutil.cpu_count() or 1,
        memory=psutil.virtual_memory().total,
        system=_system(),
        python=platform.python_version(),
    )


def commit(root: Path) -> str:
    """The commit of the checkout at `root`, shortened; with `+` behind it where something is not committed."""
    head = _git(root, "rev-parse", "--short=12", "HEAD")
    # the results themselves are written by a run
    changed = _git(root, "status", "--porcelain", "--", "tasks", "benchmarks", ":!benchmarks/results")
    return f"{head or 'unknown'}{'+' if changed else ''}"


def today() -> str:
    """The day, in UTC."""
    return dt.datetime.now(dt.UTC).date().isoformat()


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.platform(terse=True)
    return f"{name}, {platform.system()} {platform.release().partition('-')[0]}"


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)  # noqa: S607
    return done.stdout.strip()
