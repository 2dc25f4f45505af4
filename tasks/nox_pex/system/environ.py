"""Environment variables for the tools that nox-pex starts."""

from __future__ import annotations

from collections.abc import Mapping
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
"""Prefixes of the variables by which a shell, an activated environment or Nox would bend a tool's own Python."""


def tool_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without what would bend a tool that has a Python of its own.

    The shell's `PYTHON*`, an activated or Nox's environment, conda's variables and pex's run-time switches go; proxies,
    certificates, HOME, PATH and the tools' own settings (`POETRY_*`, `PIP_*`, `UV_*`) stay.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith(_FOREIGN)}
    return {**kept, "PYTHONHASHSEED": "0"}


EPOCH: Final = "315532800"
"""1980-01-01, the first moment that a ZIP file can hold, in seconds: what pex dates its own members with."""


UTF_8: Final = {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"}
"""Variables for tools that start Pythons: in the locale C these cannot read a `.pth` file with other letters than
ASCII's in a path, and what a build backend reads must not depend on the user's locale."""
