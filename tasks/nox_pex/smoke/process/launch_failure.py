"""Explain why the system cannot start a program."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from nox_pex.errors import NoxPexError
from nox_pex.system import plain_paths


def launch_failed(program: Path, number: int, reason: str) -> NoxPexError:
    """Return the error for a program that execve(2) refused with the error `number`, for people `reason`."""
    cause, remedy = reason, "build it again"
    if number == errno.ENOENT and program.exists():
        cause = f"its interpreter {_shebang(program)} is not on this machine"
        remedy = "install that interpreter, or build with another `python-shebang`"
    elif number == errno.EACCES and not plain_paths.allows_programs(program.parent):
        cause = f"the file system of {program.parent} is mounted noexec"
        remedy = "set TMPDIR to a directory on a file system that lets programs run"
    elif number == errno.EACCES and not os.access(program, os.X_OK):
        cause, remedy = "it is not executable", "run chmod +x on it, or build it again"
    elif number == errno.EACCES:
        cause = f"{reason}: its interpreter is {_shebang(program)}"
        remedy = "check that the interpreter is executable, and is not on a file system mounted noexec"
    elif number == errno.ENOEXEC:
        cause = "it is empty, damaged or built for another system"
    return NoxPexError("launch-failed", f"{program.name} cannot be started: {cause}", remedy)


def _shebang(program: Path) -> str:
    with program.open("rb") as file:
        first = file.readline(256)
    return os.fsdecode(first[2:]).strip() if first.startswith(b"#!") else "(of its ELF header)"
