"""Run Poetry's `lock` without an environment. Runs on the Python of Poetry, and imports nothing of nox-pex.

`python lock_script.py SCRATCH ARGUMENTS…` runs Poetry with ARGUMENTS. Poetry resolves for every Python that the project
allows, so nothing depends on an environment. But it would look for one, or create one, and would refuse if its Python
is not one of these. It would also clone Git dependencies into the environment; now it clones them into SCRATCH.
"""

from __future__ import annotations

import importlib
import runpy
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Run Poetry."""
    scratch = Path(sys.argv.pop(1))
    env = importlib.import_module("poetry.utils.env")

    def create_venv(*_: Any, **__: Any) -> Any:
        return env.NullEnv(scratch)

    env.EnvManager.create_venv = create_venv
    runpy.run_module("poetry", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
