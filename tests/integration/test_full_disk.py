"""A disk that is full or read-only: one clear line, and the earlier files stay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.binaries import answer
from tests.support.mounts import read_only, small_disk
from tests.support.nox_project import Project


def test_a_full_disk_keeps_the_earlier_binary(built: Callable[[str], Project], home: Path) -> None:
    loose = built("loose")
    dist = loose.root / "dist"
    size = sum(path.stat().st_size for path in dist.iterdir()) // 1024
    loose.append("errand.py", "# edited\n")
    with small_disk(dist, kilobytes=size + 200):
        line = loose.refused("disk-full", "-s", "pex")
        assert "make room" in line
        assert answer(loose.binary("loose"), home=home)


def test_a_full_disk_for_the_environment_is_one_error_and_the_next_run_succeeds(
    project: Callable[[str], Project],
) -> None:
    loose = project("loose")
    nox = loose.root / ".nox"
    nox.mkdir()
    with small_disk(nox, kilobytes=100):
        assert "make room" in loose.refused("disk-full", "-s", "pex")
    loose.nox("-s", "pex")


def test_a_read_only_checkout_is_built_with_envdir_and_output_dir(
    built: Callable[[str], Project], tmp_path: Path
) -> None:
    loose = built("loose")
    envdir = ["--envdir", str(tmp_path / "environments")]
    with read_only(loose.root):
        assert "--envdir" in loose.refused("disk-full", "-s", "pex", "--", "--force")
        assert "output-dir" in loose.refused("disk-full", *envdir, "-s", "pex")
    loose.append("pyproject.toml", f'\n[tool.nox-pex]\noutput-dir = "{tmp_path / "out"}"\n')
    with read_only(loose.root):
        loose.nox(*envdir, "-s", "pex")
    assert (tmp_path / "out" / "loose.pex").exists()
