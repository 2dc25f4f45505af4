"""A small project, and the context of its steps, without Nox, Poetry or pex."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from nox_pex.distributions.interpreter import BasePython
from nox_pex.steps.arguments import Arguments
from nox_pex.steps.context import Context
from tests.support.shown import say_into

PROJECT: Final = """
[project]
name = "shop"
version = "1.0"
dependencies = ["idna"]

[dependency-groups]
server = ["h11"]

[tool.poetry]
package-mode = false

[tool.nox-pex]
secrets = ["LICENCE"]

[tool.nox-pex.binary.api]
entry-point = "api:main"

[tool.nox-pex.binary.worker]
entry-point = "worker:main"
groups = ["server"]

[tool.nox-pex.binary.cron]
entry-point = "cron:main"
"""

MakeContext = Callable[..., Context]


@pytest.fixture
def shown() -> list[str]:
    """The lines that the user has seen."""
    return []


@pytest.fixture
def make_context(tmp_path: Path, shown: list[str]) -> MakeContext:
    (tmp_path / "pyproject.toml").write_text(PROJECT, "utf-8")

    def make(*, environ: Mapping[str, str] | None = None, suffix: str = "", **arguments: Any) -> Context:
        return Context(
            root=tmp_path,
            state=tmp_path / ".nox" / "state",
            base=BasePython(name="python", find=lambda: Path(sys.executable)),
            arguments=Arguments(**arguments),
            environ=environ or {},
            say=say_into(shown.append),
            emit=shown.append,
            suffix=suffix,
        )

    return make
