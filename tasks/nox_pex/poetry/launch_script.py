"""Run Poetry, or a script that uses it, with Poetry's default index as its mirror. Runs on the Python of Poetry.

`python launch_script.py [SCRIPT] ARGUMENTS…` runs the Python file SCRIPT, or Poetry if the first argument is no such
file. If the variable `NOX_PEX_DEFAULT_INDEX` is set, the plugin poetry-plugin-pypi-mirror gets the address at which
this Poetry looks by default. So nox-pex names no registry, and no process is needed to ask Poetry for it.

This file imports nothing of nox-pex.
"""

from __future__ import annotations

import os
import runpy
import sys

from poetry.repositories.pypi_repository import PyPiRepository

MIRROR = "POETRY_PYPI_MIRROR_URL"


def main() -> None:
    """Run the script or Poetry."""
    if os.environ.pop("NOX_PEX_DEFAULT_INDEX", None):
        os.environ[MIRROR] = PyPiRepository().url
    if sys.argv[1:] and sys.argv[1].endswith(".py"):
        del sys.argv[0]
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        runpy.run_module("poetry", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
