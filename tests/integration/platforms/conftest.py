from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.interpreters import path_with_pythons
from tests.support.target_platforms import OnlyPython


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    """The variables of a user's shell, with every Python of this machine on `PATH`."""
    return {**environ, "PATH": path_with_pythons(environ["PATH"])}


@pytest.fixture
def only_python(tmp_path: Path) -> OnlyPython:
    """Make a `PATH` with a single Python, by its minor version."""
    return OnlyPython(tmp_path)
