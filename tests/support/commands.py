"""Run a program to its end, with the environment of a user's shell."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

HANGS_AFTER: Final = 900.0
"""Seconds after which a program counts as hanging. Long, because the machine may be busy."""

_FOREIGN: Final = ("PYTHON", "VIRTUAL_ENV", "NOX_", "POETRY_", "PEX", "CONDA", "PIP_REQUIRE", "COV", "PYTEST", "UV")


class Result(Struct, frozen=True, kw_only=True):
    """The exit status of a program, and its stdout and stderr as one text."""

    status: int
    output: str

    def said(self, *parts: str) -> bool:
        """Whether one line of the output contains all `parts`."""
        return any(all(part in line for part in parts) for line in self.output.splitlines())


def clean_environ() -> dict[str, str]:
    """The variables of this process without those of pytest, Nox or an activated environment."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}


def run(argv: list[str], *, cwd: Path, env: Mapping[str, str]) -> Result:
    """Run a program to its end. Kill it and its process group if it hangs, and raise `AssertionError`."""
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            output, _ = process.communicate(timeout=HANGS_AFTER)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            msg = f"{argv} hangs:\n{output}"
            raise AssertionError(msg) from None
    return Result(status=process.returncode, output=output)
