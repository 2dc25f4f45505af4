"""Runs one smoke test in a process of its own: `driver.py BINARY PROJECT TEMPORARY WHAT[:CONDITION]`."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from nox_pex.smoke.plan import Options
from nox_pex.smoke.run import run
from nox_pex.system.secrets import Secrets
from tests.support.targets import target_of


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    binary, project, temporary, what = sys.argv[1:]
    what, _, condition = what.partition(":")
    tempfile.tempdir = temporary
    settings = {
        "args": ["well", "{port}"],
        "http": [{"path": "/"}],
        "soak": 30 if what == "soak" else 0.05,
        "conditions": [condition] if condition else ["cold", "warm"],
        "skips": "fail" if what == "fail" else "report",
        "after": [["touch", "after"]],
    }
    say("go")
    report = run(
        target_of(Path(binary), root=Path(project), smoke=settings),
        environ=os.environ,
        secrets=Secrets(),
        options=Options(serve=what == "serve"),
        say=say,
    )
    say(f"done {report.failure}")
    if condition:
        became: dict[str, object] = {each.condition: [each.state, each.reason] for each in report.outcomes}
        if report.failure is not None:
            became["failure"] = [report.failure.code, report.failure.problem]
        say(f"outcomes {json.dumps(became)}")


main()
