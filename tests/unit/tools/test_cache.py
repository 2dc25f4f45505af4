from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nox_pex
from nox_pex.system import locks
from nox_pex.tools import cache
from nox_pex.tools.cache import CachePart

DAY = 24 * 3600.0


def part(name: str, *, used: float, size: int) -> CachePart:
    return CachePart(path=Path(name), used=used, size=size)


def names(*found: CachePart, size: int = 100) -> list[str]:
    return [str(one.path) for one in cache.evictable(found, now=100 * DAY, age=30 * DAY, size=size)]


def test_what_is_old_goes() -> None:
    assert names(part("new", used=99 * DAY, size=1), part("old", used=69 * DAY, size=1)) == ["old"]


def test_what_is_too_much_goes_and_the_last_used_stays() -> None:
    found = [part("a", used=99 * DAY, size=60), part("b", used=98 * DAY, size=60), part("c", used=97 * DAY, size=30)]
    assert names(*found) == ["b"]
    assert names(*found, size=1000) == []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A cache with one tool, used today, and pex's own, used long ago."""
    for name, age in (("tools/pex-1", 1 * DAY), ("pex", 90 * DAY)):
        (tmp_path / name / "lib").mkdir(parents=True)
        (tmp_path / name / "lib" / "a.py").write_text("x" * 1000, "utf-8")
        (tmp_path / name / "python").symlink_to(sys.executable)
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    (tmp_path / "tools" / "pex-1.lock").touch()
    return tmp_path


def test_the_parts_of_a_cache(root: Path) -> None:
    tool, pex = cache.parts(root)
    assert (tool.path, pex.path) == (root / "tools" / "pex-1", root / "pex")
    assert (tool.size, pex.size) == (1000, 1000)
    assert cache.parts(root / "gone") == ()


def test_the_surplus_is_looked_for_once_a_day(root: Path) -> None:
    cache.evict_daily(root)
    assert [found.path.name for found in cache.parts(root)] == ["pex-1"]
    (root / "pex" / "new").write_text("x", "utf-8")
    os.utime(root / "pex", (1, 1))
    cache.evict_daily(root)
    assert len(cache.parts(root)) == 2
    os.utime(root / "looked", (1, 1))
    cache.evict_daily(root)
    assert len(cache.parts(root)) == 1


_USING = """
import sys
from pathlib import Path
from nox_pex.tools import cache
cache.mark_used(Path(sys.argv[1]))
print("used", flush=True)
sys.stdin.read()
"""


def test_what_a_living_process_uses_stays(root: Path) -> None:
    user = subprocess.Popen(
        [sys.executable, "-c", _USING, str(root / "pex")],
        env={"PYTHONPATH": str(Path(nox_pex.__file__).parents[1])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with user:
        assert user.stdout is not None
        assert user.stdout.readline() == "used\n"
        _, pex = cache.parts(root)[::-1]
        assert time.time() - pex.used < DAY  # it was used just now
        assert not cache.remove(pex)
        assert (root / "pex" / "lib" / "a.py").exists()
        user.communicate("")
    assert cache.remove(pex)
    assert list((root / "pex").iterdir()) == []


def test_what_is_being_made_stays(root: Path) -> None:
    tool = cache.parts(root)[0]
    with locks.locked(root / "tools" / "pex-1.lock", waiting=lambda: None):
        assert not cache.remove(tool)
    assert cache.remove(tool)


def test_what_was_made_anew_is_held_anew(tmp_path: Path) -> None:
    for _ in range(2):
        (tmp_path / "tool").mkdir()
        cache.mark_used(tmp_path / "tool")
        with locks.try_lock_directory(tmp_path / "tool") as alone:
            assert not alone
        (tmp_path / "tool").rmdir()
