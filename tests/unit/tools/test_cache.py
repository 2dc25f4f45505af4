from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from platformdirs import user_cache_path

import nox_pex
from nox_pex.errors import NoxPexError
from nox_pex.system import locks
from nox_pex.tools import cache
from nox_pex.tools.cache import CachePart, Caches

DAY = 24 * 3600.0


def part(name: str, *, used: float, size: int) -> CachePart:
    return CachePart(path=Path(name), used=used, size=size)


def names(*found: CachePart, size: int = 100) -> list[str]:
    return [str(one.path) for one in cache.evictable(found, now=100 * DAY, age=30 * DAY, size=size)]


def test_a_part_that_was_not_used_for_long_is_evicted() -> None:
    assert names(part("new", used=99 * DAY, size=1), part("old", used=69 * DAY, size=1)) == ["old"]


def test_the_part_that_exceeds_the_size_is_evicted_and_the_last_used_stays() -> None:
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


def test_the_parts_of_a_cache_are_sorted_by_their_last_use(root: Path) -> None:
    tool, pex = cache.parts(root)
    assert (tool.path, pex.path) == (root / "tools" / "pex-1", root / "pex")
    assert (tool.size, pex.size) == (1000, 1000)
    assert cache.parts(root / "missing") == ()


def test_old_parts_are_evicted_at_most_once_a_day(root: Path) -> None:
    cache.evict_daily(root)
    assert [found.path.name for found in cache.parts(root)] == ["pex-1"]
    (root / "pex" / "new").write_text("x", "utf-8")
    os.utime(root / "pex", (1, 1))
    cache.evict_daily(root)
    assert len(cache.parts(root)) == 2
    os.utime(root / "looked", (1, 1))
    cache.evict_daily(root)
    assert len(cache.parts(root)) == 1


@pytest.mark.parametrize("kind", ["tools", "environments", "dependencies", "packed", "runtimes"])
def test_each_directory_of_a_kind_is_a_part(tmp_path: Path, kind: str) -> None:
    caches = Caches(chosen=tmp_path / "cache")
    places = {"tools": caches.tools, "environments": caches.environments, "dependencies": caches.dependencies}
    places |= {"packed": caches.packed, "runtimes": caches.runtimes}
    for name, age in (("old", 90 * DAY), ("new", 1 * DAY)):
        (places[kind] / name).mkdir()
        (places[kind] / name / "a.py").write_text("x", "utf-8")
        os.utime(places[kind] / name, (time.time() - age,) * 2)
    cache.evict_daily(caches.root)
    assert [found.path for found in cache.parts(caches.root)] == [places[kind] / "new"]


_USING = """
import sys
from pathlib import Path
from nox_pex.tools import cache
cache.mark_used(Path(sys.argv[1]))
print("used", flush=True)
sys.stdin.read()
"""


def test_a_part_that_another_process_uses_is_not_removed(root: Path) -> None:
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


def test_a_part_that_is_being_made_is_not_removed(root: Path) -> None:
    tool = cache.parts(root)[0]
    with locks.locked(root / "tools" / "pex-1.lock", waiting=lambda: None):
        assert not cache.remove(tool)
    assert cache.remove(tool)


def test_a_used_part_that_was_made_again_is_locked_again(tmp_path: Path) -> None:
    for _ in range(2):
        (tmp_path / "tool").mkdir()
        cache.mark_used(tmp_path / "tool")
        with locks.try_lock(tmp_path / "tool") as exclusive:
            assert not exclusive
        (tmp_path / "tool").rmdir()


def test_the_caches_are_in_the_directory_that_the_user_chose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert Caches.of({"NOX_PEX_CACHE_DIR": "~/c"}).root == tmp_path / "c"
    assert Caches.of({"NOX_PEX_CACHE_DIR": "c"}).root == tmp_path / "c"
    chosen = Caches.of({"NOX_PEX_CACHE_DIR": str(tmp_path / "c")})
    directories = [chosen.tools, chosen.pex_root, chosen.environments, chosen.dependencies, chosen.wheels, chosen.urls]
    names = ("tools", "pex", "environments", "dependencies", "wheels", "urls")
    assert directories == [tmp_path / "c" / name for name in names]


def test_the_caches_are_in_the_users_cache_unless_another_is_chosen() -> None:
    for environ in ({}, {"NOX_PEX_CACHE_DIR": ""}):
        assert Caches.of(environ).root == user_cache_path("nox-pex", appauthor=False)


@pytest.mark.parametrize("value", ["~nobody-has-this-name/x", "/", "//", "/x/..", "~", "project", "gr\udcfcn"])
def test_a_value_that_cannot_be_a_cache_is_an_error_that_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "pyproject.toml").touch()
    with pytest.raises(NoxPexError, match="NOX_PEX_CACHE_DIR") as caught:
        Caches.of({"NOX_PEX_CACHE_DIR": value})
    assert caught.value.code == "config"
    assert "\n" not in caught.value.problem
    str(caught.value).encode()


def test_a_user_without_a_home_may_choose_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert Caches.of({"NOX_PEX_CACHE_DIR": str(tmp_path / "c")}).root == tmp_path / "c"


@pytest.mark.parametrize("name", ["tools", "pex_root", "environments", "dependencies", "wheels", "urls"])
def test_each_directory_of_the_cache_must_be_the_users_alone(tmp_path: Path, name: str) -> None:
    caches = Caches(chosen=tmp_path / "cache")
    getattr(caches, name).chmod(0o777)
    with pytest.raises(NoxPexError) as caught:
        getattr(caches, name)
    assert caught.value.code == "cache-unsafe"


def test_a_part_that_others_may_write_to_is_not_used(root: Path) -> None:
    part = root / "tools" / "pex-1"
    part.chmod(0o777)
    with pytest.raises(NoxPexError) as caught:
        cache.mark_used(part)
    assert caught.value.code == "cache-unsafe"
    assert [found.path for found in cache.parts(root)] == [root / "pex"]
