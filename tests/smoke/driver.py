"""Runs one smoke test in a process to be interrupted: `driver.py BINARY PROJECT TEMPORARY WHAT`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import msgspec

from nox_pex.secrets import Secrets
from nox_pex.smoke.run import Options, run
from nox_pex.smoke.settings import Budget, Smoke


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    binary, project, temporary, what = sys.argv[1:]
    tempfile.tempdir = temporary
    settings = {
        "args": ["well", "{port}"],
        "http": [{"path": "/"}],
        "soak": 30 if what == "soak" else 0.05,
        "conditions": ["cold", "warm"],
        "after": [["touch", "after"]],
    }
    say("go")
    report = run(
        Path(binary),
        name="program",
        smoke=msgspec.convert(settings, Smoke),
        budget=Budget(),
        project=Path(project),
        environ=os.environ,
        secrets=Secrets(),
        options=Options(serve=what == "serve"),
        say=say,
    )
    say(f"done {report.failure}")


main()
