"""Run a binary away from its project, and list what it contains."""

from __future__ import annotations

import json
import os
import re
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.commands import Result, run


def launch(binary: Path, *arguments: str, home: Path, env: Mapping[str, str] | None = None) -> Result:
    """Run a binary in the directory `home`, with `HOME` there and hardly any variable of this process."""
    path = os.pathsep.join([os.environ["PATH"], f"{sys.base_prefix}/bin"])
    environ = {"PATH": path, "HOME": str(home), **_pyenv(), **(env or {})}
    return run([str(binary), *arguments], cwd=home, env=environ)


def answer(binary: Path, *arguments: str, home: Path, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a binary with the entry point `counter:main`, and return what it prints about its process."""
    result = launch(binary, *arguments, home=home, env=env)
    assert result.status == 0, result.output
    report: dict[str, Any] = json.loads(result.output.splitlines()[-1])
    return report


def pex_info(binary: Path) -> dict[str, Any]:
    """The PEX-INFO of a binary of any layout."""
    if binary.is_dir():
        text = (binary / "PEX-INFO").read_bytes()
    else:
        with zipfile.ZipFile(binary) as archive:
            text = archive.read("PEX-INFO")
    info: dict[str, Any] = json.loads(text)
    return info


def members(binary: Path) -> list[str]:
    """The paths of all files in a binary of any layout, sorted."""
    if binary.is_dir():
        return sorted(path.relative_to(binary).as_posix() for path in binary.rglob("*") if path.is_file())
    with zipfile.ZipFile(binary) as archive:
        return sorted(name for name in archive.namelist() if not name.endswith("/"))


def source_members(binary: Path) -> list[str]:
    """The paths of the project's loose sources in a binary: neither pex's runtime nor a distribution."""
    source = re.compile(r"(?!\.bootstrap/|\.deps/|__pex__/|PEX-INFO|__main__\.py|\.tools|__pycache__).+")
    return [name for name in members(binary) if source.match(name)]


def _pyenv() -> dict[str, str]:
    """The variables by which pyenv's shims, if the machine has them, find a Python."""
    return {name: value for name, value in os.environ.items() if name in ("PYENV_ROOT", "PYENV_VERSION")}
