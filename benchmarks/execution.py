"""Run and time commands one after another, with the output of each in a log."""

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
"""Seconds after which a command is killed, because it hangs."""

_EXCLUDED: Final = re.compile(r"NOX_|POETRY_(?!HTTP_BASIC|PYPI_MIRROR_URL)|COVERAGE|UV_(?:CACHE|PYTHON|PROJECT)")
"""Variables of this session, or settings of the user, that would change what is measured."""

_REASONS: Final = (r"error\[", r"(?:ERROR|Error|error): ", r"(?i)error|failed|cannot|unable")
"""Patterns of the output line that says why a command failed, the most reliable first."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command that a person or a script would run. `name` is its name in the results."""

    name: str
    argv: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Seconds of wall time for each step. `failure` is the reason why the run ended early, or empty."""

    steps: Mapping[str, float]
    failure: str = ""

    @property
    def seconds(self) -> float | None:
        """The sum of all steps; None for a failed run."""
        return None if self.failure else sum(self.steps.values())


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Runs commands. `logs` is the directory for their output, one file for each command."""

    logs: Path

    def run(self, steps: Sequence[Step], *, cwd: Path, env: Mapping[str, str], label: str) -> Timed:
        """Run `steps` one after another until one fails. `label` names the logs."""
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
        """The output of the last run of one step with this label."""
        newest = max(self.logs.glob(f"{_file_name(label)}.0-*.log"), key=lambda path: path.stat().st_mtime_ns)
        return newest.read_text("utf-8", "replace")

    def _log(self, label: str) -> Path:
        self.logs.mkdir(parents=True, exist_ok=True)
        stem = _file_name(label)
        return self.logs / f"{stem}-{len(list(self.logs.glob(f'{stem}-*.log'))):03}.log"


def clean_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a user's shell, without variables of Nox, virtual environments, Poetry and Python.

    The base interpreter of this process comes first on PATH, so that a search for `python3.11` does not find a shim.
    """
    clean = {name: value for name, value in tool_environ(environ).items() if not _EXCLUDED.match(name)}
    session_bin = str(Path(sys.executable).parent)
    path = [part for part in clean.get("PATH", os.defpath).split(os.pathsep) if part != session_bin]
    return {**clean, "PATH": os.pathsep.join([f"{sys.base_prefix}/bin", *path])}


def reason(output: str, status: int) -> str:
    """The reason why a command failed: the last output line that gives one, or else the last line."""
    lines = [" ".join(line.split()) for line in output.splitlines() if line.strip()]
    for pattern in _REASONS:
        if found := [line for line in lines if re.search(pattern, line)]:
            return f"exit status {status}: {found[-1][:300]}"
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
    # `wait` with a timeout polls every 50 ms. A timer in another thread is exact.
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
