from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

TASKS: Final = Path(__file__).resolve().parents[2] / "tasks"
_ON_WINDOWS: Final = """
import sys

import nox

from nox_pex import sessions

class Session:
    def log(self, line): print(line)
    def error(self, line): sys.exit(line)

sys.platform = "win32"
sys.modules["fcntl"] = None  # which Windows has not
sessions.register()
nox.registry.get()["pex"](Session())
"""


def test_windows_gets_one_clear_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ON_WINDOWS], env={"PYTHONPATH": str(TASKS)}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stderr.startswith("error[usage]: nox-pex does not run on Windows; ")
    assert len(done.stderr.splitlines()) == 1
