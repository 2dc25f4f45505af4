"""Environment variables for the tools that nox-pex starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_FOREIGN: Final = (
    "PYTHON",
    "PEX_",
    "VIRTUAL_ENV",
    "CONDA_",
    "__PYVENV_LAUNCHER__",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",
)
"""Prefixes of variables by which a shell, an activated environment or Nox would change which Python a tool uses."""


_COLOURS: Final = ("FORCE_COLOR", "CLICOLOR_FORCE", "PY_COLORS")
"""Variables that make a tool write colours into a pipe, where they would be shown as escape sequences."""


def home_directory(environ: Mapping[str, str]) -> Path:
    """Return the user's home directory: that of `HOME`, else of the user database, else `/`, as containers set it."""
    found = environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111  # `Path.home` fails without a home
    return Path("/") if found == "~" else Path(found)


def tool_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` for a tool that runs on its own Python, with a fixed `PYTHONHASHSEED`.

    Removed are the shell's `PYTHON*`, the variables of an activated environment, of Nox and of conda, and pex's
    run-time options, and variables that force colours. Proxies, certificates, HOME, PATH and the tools' settings
    (`POETRY_*`, `PIP_*`, `UV_*`) stay.
    """
    remaining = {name: value for name, value in environ.items() if not name.startswith((*_FOREIGN, *_COLOURS))}
    return {**remaining, "PYTHONHASHSEED": "0"}


def discovery_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` for a search for Pythons, without the shell's `PYTHON*`.

    The search runs each Python that it finds, and with PYTHONPATH that would import the project's modules.
    """
    return {name: value for name, value in environ.items() if not name.startswith("PYTHON")}


EPOCH: Final = "315532800"
"""1980-01-01 in seconds since the Unix epoch: the earliest date in a ZIP file, which pex gives to its own members."""


UTF_8: Final = {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"}
"""Variables for tools that start Pythons.

In the locale C, a Python cannot read a `.pth` file with a path that is not ASCII; and the text that a build backend
reads must not depend on the user's locale.
"""
