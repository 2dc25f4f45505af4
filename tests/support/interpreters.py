"""The Python interpreters of this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path


@cache
def pythons() -> Mapping[str, Path]:
    """The interpreters by minor version: those that pyenv has installed, and those on `PATH` that start."""
    found: dict[str, Path] = {}
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for python in sorted(root.glob("versions/*/bin/python")):
        if match := re.match(r"(3\.\d+)\.\d+$", python.parents[1].name):
            found[match[1]] = python
    for minor in range(9, 15):
        path = shutil.which(f"python3.{minor}")
        if path and f"3.{minor}" not in found and _starts(path):
            found[f"3.{minor}"] = Path(path)
    return found


def path_with_pythons(path: str) -> str:
    """`PATH` with the directories of these interpreters in front."""
    return os.pathsep.join([*(str(python.parent) for python in pythons().values()), path])


def _starts(python: str) -> bool:
    """Whether a Python starts. A shim of pyenv may not."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0
