"""Run Poetry, or a script that uses it, with less to import and with its default index. Runs on the Python of Poetry.

`python launch_script.py [SCRIPT] ARGUMENTS…` runs the Python file SCRIPT, or Poetry if the first argument is no such
file.

- If the variable `NOX_PEX_DEFAULT_INDEX` is set, the plugin poetry-plugin-pypi-mirror gets the address at which this
  Poetry looks by default. So nox-pex names no registry, and no process is needed to ask Poetry for it.
- Poetry's Git client is imported when it is first used. It is a fifth of all that Poetry imports, and only a dependency
  from Git needs it.

This file imports nothing of nox-pex.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import runpy
import sys
from typing import Any

GIT = "poetry.vcs.git"


class UntilUsed(type):
    """The type of a class that has the attributes of Poetry's class `Git`, which is imported for the first of them."""

    def __getattr__(cls, name: str) -> Any:
        """Return the attribute of Poetry's class."""
        return getattr(importlib.import_module(f"{GIT}.backend").Git, name)


class Git(metaclass=UntilUsed):
    """Takes the place of Poetry's class `Git`, whose methods are those of the class."""


def defer_git() -> None:
    """Let `from poetry.vcs.git import Git` import nothing. The rest of the package is found as always."""
    try:
        spec = importlib.util.find_spec(GIT)
    except ImportError:  # a Poetry without `poetry.vcs`
        return
    if spec is not None:
        module = importlib.util.module_from_spec(spec)
        module.Git = Git  # type: ignore[attr-defined]  # the only name that this package has
        sys.modules[GIT] = module


def main() -> None:
    """Run the script or Poetry."""
    defer_git()
    if os.environ.pop("NOX_PEX_DEFAULT_INDEX", None):
        index = importlib.import_module("poetry.repositories.pypi_repository")
        os.environ["POETRY_PYPI_MIRROR_URL"] = index.PyPiRepository().url
    if sys.argv[1:] and sys.argv[1].endswith(".py"):
        del sys.argv[0]
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        runpy.run_module("poetry", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
