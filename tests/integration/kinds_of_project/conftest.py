from __future__ import annotations

import pytest

from tests.support.interpreters import path_with_pythons


@pytest.fixture
def environ(environ: dict[str, str]) -> dict[str, str]:
    """The variables of a user's shell, with every Python of this machine on `PATH`."""
    return {**environ, "PATH": path_with_pythons(environ["PATH"])}
