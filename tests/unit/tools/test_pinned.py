from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from nox_pex.distributions.environment import Environment
from nox_pex.distributions.interpreter import Interpreter
from nox_pex.tools import pinned, provision
from nox_pex.tools.locked import Locked


class Provisioner(provision.Provisioner, frozen=True):
    """Returns an environment whose path is the requirements; nothing is installed."""

    def provide(
        self, name: str, requirements: Sequence[str], *, python: Path, locked: Locked | None = None
    ) -> Environment:
        assert name == "build"
        assert python == Path("/python")
        return Environment(path=Path(*requirements, locked.name if locked else "unlocked"))


@pytest.mark.parametrize(
    ("python", "requirement", "pinned_to"),
    [
        ("3.13.1", "poetry-core>=2", "poetry-core==2.5.0/poetry-core-2.5.0"),
        ("3.10.4", "poetry-core", "poetry-core==2.5.0/poetry-core-2.5.0"),
        ("3.9.18", "poetry-core>=1.0.0", "poetry-core==2.2.1/poetry-core-2.2.1"),
        ("3.8.1", "poetry-core>=1.0.0", "poetry-core==1.9.1/poetry-core-1.9.1"),
        ("3.11.7", "poetry-core>=1,<2", "poetry-core==1.9.1/poetry-core-1.9.1"),
        ("3.9.18", "poetry-core>=2.4", "poetry-core>=2.4/unlocked"),
        ("3.11.7", "poetry-core @ https://example.org/x.whl", "poetry-core @ https:/example.org/x.whl/unlocked"),
        ("3.11.7", "hatchling", "hatchling/unlocked"),
    ],
)
def test_poetry_core_is_pinned_to_the_version_for_the_python(python: str, requirement: str, pinned_to: str) -> None:
    interpreter = Interpreter(implementation="CPython", version=python, executable=Path("/python"))
    provisioner = Provisioner(shell=None, caches=None, uv=None)  # type: ignore[arg-type]
    assert str(pinned.provide_backend(provisioner, [requirement], interpreter=interpreter).path) == pinned_to
