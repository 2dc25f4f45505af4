from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.system import files, locks


def test_a_text_is_written_whole_and_for_all_to_read(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    before = os.umask(0o077)
    try:
        files.write_text(target, "ä\udcff")
    finally:
        os.umask(before)
    assert target.read_bytes() == b"\xc3\xa4\xff"
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert [path.name for path in target.parent.iterdir()] == ["a.txt"]


def test_a_text_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    files.write_text(target, "old")
    with pytest.raises(UnicodeEncodeError):
        files.write_text(target, "\ud800")
    assert target.read_text("utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_json(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {"b": [1, "é"], "a": None})
    assert files.read_json(tmp_path / "a.json") == {"b": [1, "é"], "a": None}
    assert (tmp_path / "a.json").read_text("utf-8").endswith("}\n")


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_json_that_is_no_object_is_no_memory(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text, "utf-8")
    assert files.read_json(tmp_path / "a.json") == {}
    assert files.read_json(tmp_path / "nowhere.json") == {}
    assert files.read_json(tmp_path) == {}


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


def test_a_claim(tmp_path: Path) -> None:
    with locks.try_lock_directory(tmp_path) as free:
        assert free
        with locks.try_lock_directory(tmp_path) as second:
            assert not second
        with locks.try_lock_directory(tmp_path, shared=True) as reader:
            assert not reader
    with locks.try_lock_directory(tmp_path, shared=True) as one, locks.try_lock_directory(tmp_path, shared=True) as two:
        assert one
        assert two
        with locks.try_lock_directory(tmp_path) as writer:
            assert not writer
    with locks.try_lock_directory(tmp_path / "nowhere") as none:
        assert not none


@pytest.mark.parametrize("replaced", [False, True])
def test_no_claim_to_what_was_removed_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, replaced: bool
) -> None:
    place = tmp_path / "place"
    place.mkdir()

    def another_is_faster(descriptor: int, operation: int, flock: Callable[[int, int], None] = fcntl.flock) -> None:
        place.rename(tmp_path / "aside")
        if replaced:
            place.mkdir()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", another_is_faster)
    with locks.try_lock_directory(place) as ours:
        assert not ours


def test_a_fresh_directory_is_there_however_fast_a_sweep_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[str] = []

    def sweeping_first(descriptor: int, operation: int, flock: Callable[[int, int], None] = fcntl.flock) -> None:
        if len(swept) < 3:
            swept.extend(path.name for path in tmp_path.iterdir())
            monkeypatch.setattr(fcntl, "flock", flock)
            locks.remove_abandoned(tmp_path, "run-")
            monkeypatch.setattr(fcntl, "flock", sweeping_first)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", sweeping_first)
    with locks.locked_tempdir(tmp_path, "run-") as made:
        assert len(swept) == 3
        assert made.is_dir()
        locks.remove_abandoned(tmp_path, "run-")
        assert list(tmp_path.iterdir()) == [made]
    locks.remove_abandoned(tmp_path, "run-")
    assert not list(tmp_path.iterdir())


def test_a_sweep_takes_only_what_begins_so(tmp_path: Path) -> None:
    for name in (".a[b].pex.1", ".ab.pex.1", ".a[b].pe"):
        (tmp_path / name / "within").mkdir(parents=True)
    (tmp_path / ".a[b].pex.1" / "within").chmod(0)
    locks.remove_abandoned(tmp_path, ".a[b].pex.")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a[b].pe", ".ab.pex.1"]


@pytest.mark.parametrize("new_is_directory", [True, False])
@pytest.mark.parametrize("old", ["file", "directory", "link", "none"])
def test_a_file_or_directory_is_moved_into_place(tmp_path: Path, *, new_is_directory: bool, old: str) -> None:
    new, target, workshop = tmp_path / "workshop" / "x.pex", tmp_path / "x.pex", tmp_path / "workshop"
    workshop.mkdir()
    if old == "file":
        target.write_text("old", "utf-8")
    elif old == "directory":
        target.mkdir()
        (target / "old").touch()
    elif old == "link":
        (tmp_path / "elsewhere").mkdir()
        target.symlink_to(tmp_path / "elsewhere")
    if new_is_directory:
        new.mkdir()
        (new / "new").touch()
    else:
        new.write_text("new", "utf-8")
    files.move_into_place(new, target)
    assert not target.is_symlink()
    assert [path.name for path in target.iterdir()] == ["new"] if new_is_directory else target.read_text() == "new"
    assert not new.exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"x.pex", "workshop", "elsewhere"}


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, "make room"), (errno.EDQUOT, "make room"), (errno.EROFS, "make it writable")]
)
def test_a_disk_that_cannot_be_written_to(number: int, said: str) -> None:
    with pytest.raises(NoxPexError, match=said) as caught, files.writing("dist/x.pex"):
        raise OSError(number, os.strerror(number), "/some/file")
    assert caught.value.code == "disk-full"
    assert "dist/x.pex" in caught.value.problem
    assert "/some/file" in caught.value.problem


def test_another_failure_is_not_the_disks() -> None:
    with pytest.raises(FileNotFoundError), files.writing("dist/x.pex"):
        raise FileNotFoundError(errno.ENOENT, "no such file")
