"""Run Poetry so that it never writes through a link of the environment. Runs on the Python of Poetry.

`python install_script.py ARGUMENTS…` runs Poetry with ARGUMENTS. In an environment, `bin/python` is a link to the base
interpreter. Poetry opens an existing file to replace its content, so a wheel with `NAME.data/scripts/python`, or with
an entry point of that name, would replace the interpreter of the machine. This file imports nothing of nox-pex.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR


def refuse_links(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise `PermissionError` if a link in the environment is opened for writing. This is an audit hook (PEP 578)."""
    if event != "open" or isinstance(arguments[0], int) or not arguments[2] & WRITING:
        return
    path = Path(os.fsdecode(arguments[0]))
    environment = os.environ["VIRTUAL_ENV"]
    if path.is_relative_to(environment) and path.is_symlink():
        msg = f"a distribution may not replace {path.relative_to(environment)}, which belongs to the environment"
        raise PermissionError(msg)


if __name__ == "__main__":
    sys.addaudithook(refuse_links)
    runpy.run_module("poetry", run_name="__main__", alter_sys=True)
