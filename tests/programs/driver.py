"""Run one smoke test in a separate process: `driver.py BINARY PROJECT TEMPORARY MODE[:CONDITION] [PROGRAM-MODE]`.

MODE is `soak` (30 s), `before` (60 s in `before`), `serve`, `fail` (skipped conditions fail), `report` or `well`.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from nox_pex.smoke.plan import Options
from nox_pex.smoke.run import run
from nox_pex.system.secrets import Secrets
from tests.support.shown import say_into
from tests.support.targets import target_of


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    binary, project, temporary, mode, *program_mode = sys.argv[1:]
    mode, _, condition = mode.partition(":")
    tempfile.tempdir = temporary
    settings = {
        "args": [*(program_mode or ["well"]), "{port}"],
        "http": [{"path": "/"}],
        "soak": 30 if mode == "soak" else 0.05,
        "conditions": [condition] if condition else ["cold", "warm"],
        "skips": "fail" if mode == "fail" else "report",
        "before": [["sleep", "60"]] if mode == "before" else [],
        "after": [[sys.executable, "-c", "open('after', 'w').close()"]],
    }
    # Before "go", because msgspec loses a Ctrl-C: it drops an exception that is raised while it hashes a type.
    target = target_of(Path(binary), root=Path(project), smoke=settings)
    say("go")
    report = run(
        target,
        environ=os.environ,
        secrets=Secrets(),
        options=Options(serve=mode == "serve"),
        say=say_into(say, works=True),
    )
    say(f"done {report.failure}")
    if condition:
        outcomes: dict[str, object] = {each.condition: [each.state, each.reason] for each in report.boot_results}
        if report.failure is not None:
            outcomes["failure"] = [report.failure.code, report.failure.problem]
        say(f"outcomes {json.dumps(outcomes)}")


main()
