from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from nox_pex.steps.table import STEPS

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


_MANY = """
import sys

import nox

from nox_pex import sessions

read = []
sys.addaudithook(lambda event, words: read.append(words[0]) if event == "open" else None)
sessions.register("services/*", python=["3.11", "3.12"])
registered = nox.registry.get()
print(*[name for name in read if "services" in str(name)])
needed = [*registered["pex-3.12(api)"].requires, *registered["pex(api)"].requires]
print(len(registered), *needed, len(registered["pex"].requires))
"""


def test_many_projects_are_registered_without_reading_any(tmp_path: Path) -> None:
    for name in ("api", *(f"s{number}" for number in range(99))):
        (tmp_path / "services" / name).mkdir(parents=True)
        (tmp_path / "services" / name / "pyproject.toml").write_text("nonsense", "utf-8")

    done = subprocess.run(
        [sys.executable, "-c", _MANY],
        env={"PYTHONPATH": str(TASKS)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    read, registered = done.stdout.splitlines()
    assert read == "", done.stderr
    assert registered == f"{len(STEPS) * (3 * 100 + 1)} freeze-3.12(api) pex-3.11(api) pex-3.12(api) 100"
