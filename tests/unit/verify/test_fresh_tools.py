from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.system import plain_paths
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from nox_pex.tools.cache import Caches
from nox_pex.tools.provision import Provisioner
from nox_pex.verify.fresh_tools import fresh_tools, own_directory
from tests.support.shown import say_into


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def provisioner(tmp_path: Path, said: list[str]) -> Provisioner:
    shell = Shell(environ=os.environ, secrets=Secrets(), say=say_into(said.append))
    return Provisioner(shell=shell, caches=Caches(chosen=tmp_path / "cache"), uv=None)


@pytest.fixture(autouse=True)
def tmpdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(plain_paths, "_MEMORY", tmp_path / "memory")
    return tmp_path / "tmp"


def test_only_the_tools_are_others_and_they_are_removed(
    provisioner: Provisioner, tmpdir: Path, said: list[str]
) -> None:
    with fresh_tools(provisioner, fallbacks=()) as fresh:
        assert fresh.caches.root == provisioner.caches.root
        assert fresh.caches.wheels == provisioner.caches.wheels
        tools = fresh.caches.tools
        assert tools.parent == tmpdir
        assert list(tools.iterdir()) == []
        assert tools.stat().st_mode & 0o077 == 0
    assert list(tmpdir.iterdir()) == []
    assert said == []  # nothing was installed


def test_poetry_and_pex_are_in_memory_if_there_is_room_and_build_backends_never(
    provisioner: Provisioner, tmpdir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr("nox_pex.system.memory.available", lambda: 2 << 30)
    with fresh_tools(provisioner, fallbacks=()) as fresh:
        assert fresh.caches.home_of("poetry").parent == fresh.caches.home_of("pex").parent == memory
        assert fresh.caches.home_of("poetry").stat().st_mode & 0o077 == 0
        assert fresh.caches.home_of("build").parent == tmpdir
    monkeypatch.setattr("nox_pex.verify.fresh_tools._ROOM", 1 << 60)
    with fresh_tools(provisioner, fallbacks=()) as fresh:
        assert fresh.caches.home_of("poetry").parent == tmpdir
    monkeypatch.setattr("nox_pex.system.memory.available", lambda: 1 << 30)  # the half of it is too little
    monkeypatch.setattr("nox_pex.verify.fresh_tools._ROOM", 1 << 30)
    with fresh_tools(provisioner, fallbacks=()) as fresh:
        assert fresh.caches.home_of("poetry").parent == tmpdir
    monkeypatch.setattr(plain_paths, "allows_programs", lambda path: path != memory)
    monkeypatch.setattr("nox_pex.verify.fresh_tools._ROOM", 0)
    with fresh_tools(provisioner, fallbacks=()) as fresh:
        assert fresh.caches.home_of("poetry").parent == tmpdir
    assert list(memory.iterdir()) == list(tmpdir.iterdir()) == []


def test_the_pip_that_installs_the_tools_is_not_the_one_in_the_cache_of_virtualenv(
    provisioner: Provisioner, tmp_path: Path
) -> None:
    environ = {**os.environ, "VIRTUALENV_OVERRIDE_APP_DATA": str(tmp_path / "shared")}
    provisioner = replace(provisioner, shell=replace(provisioner.shell, environ=environ))
    pip = "lib/python*/site-packages/pip/__init__.py"
    provisioner.create(tmp_path / "shared-tool", python=Path(sys.executable), seed=True)
    for file in (tmp_path / "shared").glob("**/pip/__init__.py"):
        file.write_text("planted = True\n", "utf-8")
    provisioner.create(tmp_path / "changed-tool", python=Path(sys.executable), seed=True)
    (changed,) = (tmp_path / "changed-tool").glob(pip)
    assert changed.read_text("utf-8") == "planted = True\n"
    with fresh_tools(provisioner, fallbacks=()) as fresh:
        fresh.create(fresh.caches.tools / "tool", python=Path(sys.executable), seed=True)
        (unchanged,) = (fresh.caches.tools / "tool").glob(pip)
        assert "planted" not in unchanged.read_text("utf-8")


def test_one_line_says_what_the_tools_cost_and_an_interruption_leaves_nothing(
    provisioner: Provisioner, tmpdir: Path, said: list[str]
) -> None:
    with pytest.raises(KeyboardInterrupt), fresh_tools(provisioner, fallbacks=()) as fresh:  # noqa: PT012  # as in a gate
        assert fresh.fresh is not None
        fresh.fresh.seconds.update({"poetry": 2.0, "pex": 1.25})
        (fresh.caches.tools / "poetry-1" / "bin").mkdir(parents=True)
        raise KeyboardInterrupt
    assert list(tmpdir.iterdir()) == []
    assert said == ["verify: tools installed again, at the same time as other work: pex 1.2 s, poetry 2.0 s"]


def test_what_a_killed_run_left_is_removed_and_what_another_run_uses_is_not(tmpdir: Path) -> None:
    (tmpdir / "x-left").mkdir()
    with own_directory("x-", fallbacks=()) as first, own_directory("x-", fallbacks=()) as second:
        assert {*tmpdir.iterdir()} == {first, second}


def test_the_fallback_is_used_if_no_temporary_directory_can_hold_programs(
    provisioner: Provisioner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_paths, "temporary_parents", lambda: (tmp_path / "a:b",))
    (tmp_path / "a:b").mkdir()
    with fresh_tools(provisioner, fallbacks=(provisioner.caches.root,)) as fresh:
        assert fresh.caches.tools.parent == provisioner.caches.root
    with pytest.raises(NoxPexError) as caught, fresh_tools(provisioner, fallbacks=()):
        pytest.fail("there is no directory")
    assert caught.value.code == "usage"
