"""The hook `nox-pex-settings` of pre-commit: check the settings of projects, as a session does before it works.

`python -m nox_pex.pre_commit FILE…` takes paths of `pyproject.toml`. It builds and installs nothing, and needs no lock.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from nox_pex.errors import NoxPexError
from nox_pex.project import pyproject
from nox_pex.steps import frontend
from nox_pex.system import import_path, os_errors, streams

_STEPS: Final = ("pex", "smoke")
"""The steps for which the settings must be complete."""


def main(files: Sequence[str]) -> int:
    """Check the projects with these files. Show each problem on the standard error. Return the exit status: 0 or 1."""
    found: list[NoxPexError] = []
    with import_path.without():
        for name in files:
            try:
                with os_errors.one_line("nox-pex", place=Path(name)):
                    found += _problems(Path(name))
            except NoxPexError as error:
                found.append(error)
    for line in (line for problem in found for line in problem.lines):
        streams.show_line(line, sys.stderr)
    return 1 if found else 0


def _problems(file: Path) -> tuple[NoxPexError, ...]:
    """Return what is wrong in the settings of a project: nothing if it does not use nox-pex, or has no settings.

    Raises `NoxPexError` `config` if the file cannot be read.
    """
    tool = pyproject.read(file.parent).document.get("tool", {})
    if not any(name.replace("_", "-").lower() == "nox-pex" for name in tool):
        return ()
    with tempfile.TemporaryDirectory() as work:
        context = frontend.context_of(
            file.parent,
            work=Path(work),
            python=None,
            suffix="",
            missing=LookupError,
            posargs=(),
            invoked_from=Path.cwd(),
            say=lambda _: None,
            verbose=False,
        )
        return frontend.find_problems(context, _STEPS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
