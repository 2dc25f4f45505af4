from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nox_pex.system import locks
from tests.support.mounts import file_system


def _hold(path: Path, ready: object, release: object) -> None:
    with locks.locked(path, waiting=lambda: None):
        ready.set()  # type: ignore[attr-defined]
        release.wait()  # type: ignore[attr-defined]


def test_a_lock_keeps_another_process_out_until_it_ends(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(tmp_path / "lock", ready, release))
    holder.start()
    try:
        assert ready.wait(30)
        waited: list[str] = []

        def waiting() -> None:
            waited.append("waited")
            release.set()

        with locks.locked(tmp_path / "lock", waiting=waiting) as descriptor:
            assert waited == ["waited"]
            assert os.fstat(descriptor)
    finally:
        release.set()
        holder.join()
    with locks.locked(tmp_path / "lock", waiting=lambda: waited.append("again")):
        assert waited == ["waited"]


def test_a_directory_is_locked_exclusively_or_shared_and_never_waited_for(tmp_path: Path) -> None:
    with locks.try_lock(tmp_path) as first:
        assert first
        with locks.try_lock(tmp_path) as second:
            assert not second
        with locks.try_lock(tmp_path, shared=True) as reader:
            assert not reader
    with locks.try_lock(tmp_path, shared=True) as one, locks.try_lock(tmp_path, shared=True) as two:
        assert one
        assert two
        with locks.try_lock(tmp_path) as writer:
            assert not writer
    with locks.try_lock(tmp_path / "missing") as missing:
        assert not missing


@pytest.mark.parametrize("replaced", [False, True])
def test_no_lock_on_a_directory_that_was_removed_or_replaced_before_it_was_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, replaced: bool
) -> None:
    directory = tmp_path / "directory"
    directory.mkdir()

    def replace_first(descriptor: int, operation: int, flock: Callable[[int, int], None] = fcntl.flock) -> None:
        directory.rename(tmp_path / "removed")
        if replaced:
            directory.mkdir()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", replace_first)
    with locks.try_lock(directory) as acquired:
        assert not acquired


def test_a_locked_directory_survives_a_concurrent_removal_of_abandoned_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[str] = []

    def remove_first(descriptor: int, operation: int, flock: Callable[[int, int], None] = fcntl.flock) -> None:
        if len(removed) < 3:
            removed.extend(found.name for found in tmp_path.iterdir())
            monkeypatch.setattr(fcntl, "flock", flock)
            locks.remove_abandoned(tmp_path, "run-")
            monkeypatch.setattr(fcntl, "flock", remove_first)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    with locks.locked_tempdir(tmp_path, "run-") as path:
        assert len(removed) == 3
        assert path.is_dir()
        locks.remove_abandoned(tmp_path, "run-")
        assert list(tmp_path.iterdir()) == [path]
    locks.remove_abandoned(tmp_path, "run-")
    assert not list(tmp_path.iterdir())


def test_only_abandoned_directories_with_the_prefix_are_removed(tmp_path: Path) -> None:
    for name in (".a[b].pex.1", ".ab.pex.1", ".a[b].pe"):
        (tmp_path / name / "within").mkdir(parents=True)
    (tmp_path / ".a[b].pex.1" / "within").chmod(0)
    locks.remove_abandoned(tmp_path, ".a[b].pex.")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a[b].pe", ".ab.pex.1"]


def test_the_directory_of_another_user_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run-1").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: (tmp_path / "run-1").stat().st_uid + 1)
        locks.remove_abandoned(tmp_path, "run-")
    assert (tmp_path / "run-1").is_dir()


def test_a_shared_lock_waits_for_an_exclusive_one_and_for_no_other(tmp_path: Path) -> None:
    waited: list[str] = []
    directory = tmp_path / "new" / "directory"
    with locks.shared_lock(directory, waiting=lambda: waited.append("first")):
        with locks.shared_lock(directory, waiting=lambda: waited.append("second")):
            pass
        with locks.try_lock(directory) as exclusive:
            assert not exclusive
    with contextlib.ExitStack() as stack:
        assert stack.enter_context(locks.try_lock(directory))

        def release() -> None:
            waited.append("third")
            stack.close()

        with locks.shared_lock(directory, waiting=release):
            assert waited == ["third"]


def test_a_lock_until_exit_lasts_and_follows_a_directory_that_was_made_again(tmp_path: Path) -> None:
    directory = tmp_path / "directory"
    for _ in range(2):
        directory.mkdir()
        locks.lock_until_exit(directory)
        locks.lock_until_exit(directory)
        with locks.try_lock(directory) as exclusive, locks.try_lock(directory, shared=True) as too:
            assert (exclusive, too) == (False, True)
        directory.rmdir()


def test_a_scratch_directory_is_removed_and_so_are_those_of_killed_processes(tmp_path: Path) -> None:
    (tmp_path / "mine-killed" / "content").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    with locks.scratch("mine-", parent=tmp_path) as first, locks.scratch("mine-", parent=tmp_path) as second:
        (first / "content").mkdir()
        assert set(tmp_path.iterdir()) == {first, second, tmp_path / "other"}
    assert list(tmp_path.iterdir()) == [tmp_path / "other"]


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root makes files immutable on Linux")
def test_a_directory_that_cannot_be_removed_disturbs_no_later_run(tmp_path: Path) -> None:
    (tmp_path / "run-1" / "mounted").mkdir(parents=True)
    deep = os.open(tmp_path / "run-1", os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=deep)
        inner = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = inner
    os.close(deep)
    (tmp_path / "run-1" / "closed").mkdir(mode=0)
    fixed = tmp_path / "run-1" / "fixed"
    fixed.touch()
    immutable = subprocess.run(["chattr", "+i", fixed], capture_output=True, check=False).returncode == 0
    with file_system(tmp_path / "run-1" / "mounted", "size=64k"):
        for _ in range(2):
            with locks.scratch("run-", parent=tmp_path) as path:
                assert path.is_dir()
        left = {each.name for each in (tmp_path / "run-1").iterdir()}
        assert left == ({"mounted", "fixed"} if immutable else {"mounted"})
    subprocess.run(["chattr", "-i", fixed], capture_output=True, check=False)
    with locks.scratch("run-", parent=tmp_path):
        assert not (tmp_path / "run-1").exists()
