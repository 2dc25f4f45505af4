"""Runs what is timed: one command after the other, each with its output in a log."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nox_pex.system.environ import tool_environ

_LONGEST: Final = 600.0
"""Seconds after which a command counts as hanging."""

_OWN: Final = re.compile(r"NOX_|POETRY_(?!HTTP_BASIC|PYPI_MIRROR_URL)|COVERAGE|UV_(?:CACHE|PYTHON|PROJECT)")
"""Variables that would let the session, or settings of the user's, into what is measured."""


_SIGNS: Final = (r"error\[", r"(?:ERROR|Error|error): ", r"(?i)error|failed|cannot|unable")
"""What the line that says why something failed has in it, the surest first."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command that a person or a script would run. `name` is how it is shown."""

    name: str
    argv: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Seconds of wall time, by step; `failure` says why it ended early, and is empty otherwise."""

    steps: Mapping[str, float]
    failure: str = ""

    @property
    def seconds(self) -> float | None:
        """The sum; None for what failed."""
        return None if self.failure else sum(self.steps.values())


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Runs commands. `logs` is a directory that gets a file for each."""

    logs: Path

    def run(self, steps: Sequence[Step], *, cwd: Path, env: Mapping[str, str], label: str) -> Timed:
        """Run `steps` in turn, each to its end, until one fails."""
        spent: dict[str, float] = {}
        for number, step in enumerate(steps):
            log = self._log(f"{label}.{number}")
            with log.open("wb") as output:
                started = time.perf_counter()
                status = _run(step.argv, cwd=cwd, env=env, output=output.fileno())
                spent[step.name] = time.perf_counter() - started
            if status != 0:
                return Timed(steps=spent, failure=f"{step.name}: {reason(log.read_text('utf-8', 'replace'), status)}")
        return Timed(steps=spent)

    def output(self, label: str) -> str:
        """What the last run of one step with this label printed."""
        newest = max(self.logs.glob(f"{_file_name(label)}.0-*.log"), key=lambda path: path.stat().st_mtime_ns)
        return newest.read_text("utf-8", "replace")

    def _log(self, label: str) -> Path:
        self.logs.mkdir(parents=True, exist_ok=True)
        stem = _file_name(label)
        return self.logs / f"{stem}-{len(list(self.logs.glob(f'{stem}-*.log'))):03}.log"


def clean_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """What a user's shell has: nothing of Nox, of a virtual environment, of Poetry's or Python's switches.

    The base interpreter of this process comes first on PATH, so that what looks for a `python3.11` finds that one, and
    no shim before it.
    """
    kept = {name: value for name, value in tool_environ(environ).items() if not _OWN.match(name)}
    own = str(Path(sys.executable).parent)
    path = [part for part in kept.get("PATH", os.defpath).split(os.pathsep) if part != own]
    return {**kept, "PATH": os.pathsep.join([f"{sys.base_prefix}/bin", *path])}


def reason(output: str, status: int) -> str:
    """Why a command failed: the last line of its output that says so, or else the last one."""
    lines = [" ".join(line.split()) for line in output.splitlines() if line.strip()]
    for sign in _SIGNS:
        if telling := [line for line in lines if re.search(sign, line)]:
            return f"exit status {status}: {telling[-1][:300]}"
    return f"exit status {status}: {lines[-1][:300] if lines else 'no output'}"


def _run(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], output: int) -> int:
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env={**env, "PWD": str(cwd)},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    # A wait with a timeout looks only every 50 ms; so another thread minds the time.
    hanging = threading.Timer(_LONGEST, _kill, [process.pid])
    hanging.start()
    try:
        return process.wait()
    except BaseException:
        _kill(process.pid)
        process.wait()
        raise
    finally:
        hanging.cancel()


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _file_name(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", label)
