"""The machine and the commit that the benchmark runs on."""

from __future__ import annotations

import datetime as dt
import platform
import subprocess
from pathlib import Path

import psutil

from benchmarks.results import Machine


def machine() -> Machine:
    """Describe this machine."""
    return Machine(
        cpu=_cpu(),
        cores=psutil.cpu_count() or 1,
        memory=psutil.virtual_memory().total,
        system=_system(),
        python=platform.python_version(),
    )


def commit(root: Path) -> str:
    """The short commit of the checkout at `root`, followed by `+` if there are uncommitted changes."""
    head = _git(root, "rev-parse", "--short=12", "HEAD")
    # A run writes the results themselves, so they do not count.
    changed = _git(root, "status", "--porcelain", "--", "tasks", "benchmarks", ":!benchmarks/results")
    return f"{head or 'unknown'}{'+' if changed else ''}"


def today() -> str:
    """The date in UTC, as YYYY-MM-DD."""
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


def _git(root: Path, *arguments: str) -> str:
    argv = ["git", *arguments]
    return subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False).stdout.strip()
