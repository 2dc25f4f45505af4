"""`register()` without a run of Nox."""

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
sys.modules["fcntl"] = None  # does not exist on Windows
sessions.register()
nox.registry.get()["pex"](Session())
"""


def test_windows_is_refused_with_one_line() -> None:
    result = subprocess.run(
        [sys.executable, "-c", _ON_WINDOWS], env={"PYTHONPATH": str(TASKS)}, capture_output=True, text=True, check=False
    )

    assert result.returncode == 1
    assert result.stderr.startswith("error[usage]: nox-pex does not run on Windows; ")
    assert len(result.stderr.splitlines()) == 1


_REGISTER_MANY: Final = """
import sys

import nox

from nox_pex import sessions

opened = []
sys.addaudithook(lambda event, arguments: opened.append(arguments[0]) if event == "open" else None)
sessions.register("services/*", python=["3.11", "3.12"])
registered = nox.registry.get()
print(*[name for name in opened if "services" in str(name)])
required = [*registered["pex-3.12(api)"].requires, *registered["pex(api)"].requires]
print(len(registered), *required, len(registered["pex"].requires))
"""


def test_many_projects_are_registered_without_reading_any(tmp_path: Path) -> None:
    for name in ("api", *(f"s{number}" for number in range(99))):
        (tmp_path / "services" / name).mkdir(parents=True)
        (tmp_path / "services" / name / "pyproject.toml").write_text("nonsense", "utf-8")

    result = subprocess.run(
        [sys.executable, "-c", _REGISTER_MANY],
        env={"PYTHONPATH": str(TASKS)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    opened, registered = result.stdout.splitlines()
    assert opened == "", result.stderr
    assert registered == f"{len(STEPS) * (3 * 100 + 1)} freeze-3.12(api) pex-3.11(api) pex-3.12(api) 100"
