"""`examples/monorepo`, with a third service that does not have the shared library."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from tests.support.harness import CHECKOUT, Project, run

SERVICES: Final = ("api", "clock", "worker")
_CLOCK: Final = """\
[project]
name = "clock"
version = "1.0"
requires-python = ">=3.10"

[project.scripts]
clock = "clock:main"

[build-system]
requires = ["poetry-core>=2.0,<3.0"]
build-backend = "poetry.core.masonry.api"
"""
_EMPTY_LOCK: Final = """\
package = []

[metadata]
lock-version = "2.1"
python-versions = ">=3.10"
content-hash = ""
"""


def written(root: Path, environ: dict[str, str]) -> Project:
    """The example, and in it a third service, which does not have the library."""
    shutil.copytree(
        CHECKOUT / "examples" / "monorepo",
        root,
        ignore=shutil.ignore_patterns(".nox", "dist", "__pycache__", ".venv"),
    )
    clock = root / "services" / "clock"
    (clock / "clock").mkdir(parents=True)
    (clock / "clock" / "__init__.py").write_text("def main() -> None:\n    print('tick')\n", "utf-8")
    (clock / "pyproject.toml").write_text(_CLOCK, "utf-8")
    (clock / "poetry.lock").write_text(_EMPTY_LOCK, "utf-8")
    for words in (["init", "--quiet"], ["add", "--all"]):
        assert run(["git", *words], cwd=root, env=environ).status == 0
    return Project(root=root, environ={**environ, "PYTHONPATH": str(CHECKOUT / "tasks")})


def rebuilt(shop: Project, *words: str) -> dict[str, str]:
    """Run Nox; for each binary that it built, why."""
    lines = shop.nox(*words).output.splitlines()
    told = [line.partition("pex: rebuilding ")[2].partition(": ") for line in lines if "pex: rebuilding " in line]
    return {name: why for name, _, why in told}


def binary(shop: Project, name: str) -> Path:
    return shop.root / "services" / name / "dist" / f"{name}.pex"
