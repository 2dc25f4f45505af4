"""The example of a monorepo, with a third service that does not use the shared library."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from tests.support.commands import run
from tests.support.nox_project import CHECKOUT, Project

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


def write_monorepo(root: Path, environ: dict[str, str]) -> Project:
    """Copy `examples/monorepo` to `root` as a Git repository, and add the third service, whose lock is outdated."""
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
    for arguments in (["init", "--quiet"], ["add", "--all"]):
        assert run(["git", *arguments], cwd=root, env=environ).status == 0
    return Project(root=root, environ={**environ, "PYTHONPATH": str(CHECKOUT / "tasks")})


def rebuild_reasons(shop: Project, *arguments: str) -> dict[str, str]:
    """Run Nox. Return the name of each binary that it rebuilt, and the reason that it gave."""
    lines = shop.nox(*arguments).output.splitlines()
    found = [line.partition("pex: rebuilding ")[2].partition(": ") for line in lines if "pex: rebuilding " in line]
    return {name: reason for name, _, reason in found}


def service_binary(shop: Project, name: str) -> Path:
    """The path of a service's binary."""
    return shop.root / "services" / name / "dist" / f"{name}.pex"
