"""A disk that is full, or may not be written to: one clear line, and what was there before stays."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.binaries import answer
from tests.support.nox_project import Project

pytestmark = pytest.mark.integration


@contextmanager
def small_disk(directory: Path, *, kilobytes: int) -> Iterator[None]:
    """A file system of that size on `directory`, with what was in it; skips where this machine gives none."""
    content = subprocess.run(["tar", "-C", directory, "-c", "."], capture_output=True, check=True).stdout
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(directory)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine mounts no tmpfs for us")
    try:
        subprocess.run(["tar", "-C", directory, "-x"], input=content, check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """The directory as a file system that nobody may write to; skips where this machine gives none."""
    bind = ["mount", "--bind", str(directory), str(directory)]
    if os.geteuid() != 0 or subprocess.run(bind, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine mounts nothing for us")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(directory)], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def test_no_room_for_the_binary(built: Callable[[str], Project], home: Path) -> None:
    loose = built("loose")
    dist = loose.root / "dist"
    size = sum(path.stat().st_size for path in dist.iterdir()) // 1024
    loose.append("errand.py", "# edited\n")
    with small_disk(dist, kilobytes=size + 200):
        line = loose.refused("disk-full", "-s", "pex")
        assert "make room" in line
        assert answer(loose.binary("loose"), home=home)


def test_no_room_for_the_environment(project: Callable[[str], Project]) -> None:
    loose = project("loose")
    nox = loose.root / ".nox"
    nox.mkdir()
    with small_disk(nox, kilobytes=100):
        assert "make room" in loose.refused("disk-full", "-s", "pex")
    loose.nox("-s", "pex")


def test_a_checkout_that_may_not_be_written_to(built: Callable[[str], Project], tmp_path: Path) -> None:
    loose = built("loose")
    elsewhere = ["--envdir", str(tmp_path / "environments")]
    with read_only(loose.root):
        assert "--envdir" in loose.refused("disk-full", "-s", "pex", "--", "--force")
        assert "output-dir" in loose.refused("disk-full", *elsewhere, "-s", "pex")
    loose.append("pyproject.toml", f'\n[tool.nox-pex]\noutput-dir = "{tmp_path / "out"}"\n')
    with read_only(loose.root):
        loose.nox(*elsewhere, "-s", "pex")
    assert (tmp_path / "out" / "loose.pex").exists()
