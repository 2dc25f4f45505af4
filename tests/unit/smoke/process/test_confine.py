"""The directories that must be replaced so that another user can enter them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nox_pex.smoke.process.confine import closed_directories

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux supports these conditions")


def test_the_uppermost_directory_that_only_its_owner_may_enter_is_found(tmp_path: Path) -> None:
    inner = tmp_path / "open" / "closed" / "open" / "closed" / "inner"
    inner.mkdir(parents=True)
    for parent in inner.parents:
        if parent.name == "closed":
            parent.chmod(0o700)
    paths = [str(inner), str(inner / "..")]
    found = [path for path in closed_directories(paths) if Path(path).is_relative_to(tmp_path)]
    assert found in ([], [str(tmp_path / "open" / "closed")])  # [] if a directory above it is closed already
    inner.parents[2].chmod(0o755)
