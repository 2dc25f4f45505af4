"""Small projects of npm in `tests/support`: a script, and the locked packages that it needs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

_SECONDS: Final = 120


def install(project: Path, directory: Path) -> None:
    """Copy `project` to `directory`, which does not exist, and install its locked packages there. No script runs."""
    shutil.copytree(project, directory)
    npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(npm, cwd=directory, check=True, capture_output=True, timeout=_SECONDS)
