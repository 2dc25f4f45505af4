from __future__ import annotations

import hashlib
import json
import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace

from nox_pex.distributions import pex_file
from nox_pex.distributions.installed_wheel import InstalledWheel, LaidOutFile
from nox_pex.distributions.record import encode_digest
from nox_pex.pex import packed_wheels, zip_members
from nox_pex.pex.packed_wheels import DamagedFileError, PackedWheel, PackedWheels
from nox_pex.system import locks, recipe
from nox_pex.tools.cache import Caches
from tests.support.small_pex import Files, Member, fingerprint, with_layout, write_zip

NAME: Final = "board-1.0-py3-none-any.whl"
FILES: Final[Files] = {
    "board/__init__.py": b"import this\n" * 5000,
    "board/data/run.sh": Member(b"#!/bin/sh\n", 0o755),
    "board/größe.txt": b"",
    "board-1.0.dist-info/WHEEL": b"\nRoot-Is-Purelib: true\n",
    "z.py": b"1",
}


@pytest.fixture
def wheel(tmp_path: Path) -> InstalledWheel:
    """A wheel whose files are on the disk, except one."""
    files = []
    for path, file in sorted(FILES.items()):
        member = file if isinstance(file, Member) else Member(file)
        (tmp_path / "files" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "files" / path).write_bytes(member.content)
        digest = f"sha256={encode_digest(hashlib.sha256(member.content).digest())}"
        files.append(
            LaidOutFile(path=path, content=b"1")
            if path == "z.py"
            else LaidOutFile(
                path=path, content=tmp_path / "files" / path, executable=bool(member.mode & 0o100), digest=digest
            )
        )
    return InstalledWheel(name=NAME, files=tuple(files), record="board-1.0.dist-info/RECORD", is_pure=True)


@pytest.fixture
def store(tmp_path: Path) -> PackedWheels:
    return PackedWheels(caches=Caches(chosen=tmp_path / "cache"), pex_version="2.105.2", compress=True)


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the wheels that were packed."""
    names: list[str] = []
    pack = packed_wheels.pack

    def noting(wheel: InstalledWheel, *args: Any, **options: Any) -> PackedWheel:
        names.append(wheel.name)
        return pack(wheel, *args, **options)

    monkeypatch.setattr(packed_wheels, "pack", noting)
    return names


def home(store: PackedWheels, wheel: InstalledWheel) -> Path:
    return store.caches.packed / store.key(wheel)


@pytest.mark.parametrize("compress", [True, False], ids=["compressed", "stored"])
def test_a_packed_wheel_has_the_members_that_pex_makes_of_it(
    wheel: InstalledWheel, tmp_path: Path, *, compress: bool
) -> None:
    found = packed_wheels.pack(wheel, tmp_path / "wheel.zip", compress=compress)
    assert (found.name, found.fingerprint) == (NAME, fingerprint(FILES))
    files = {f".deps/{NAME}/{path}": file for path, file in with_layout(FILES).items()}
    expected = zip_members.read(write_zip(tmp_path / "expected.zip", files, compress=compress))
    in_wheel = [member for member in expected.members if member.name != ".deps/"]
    zip_members.write(tmp_path / "again.zip", b"", [zip_members.block_of(in_wheel)])
    zip_members.write(tmp_path / "found.zip", b"", [found.members])
    assert (tmp_path / "found.zip").read_bytes() == (tmp_path / "again.zip").read_bytes()
    assert packed_wheels.number_of_members(wheel) == found.members.count == len(in_wheel)


def test_a_wheel_is_packed_once_for_all(wheel: InstalledWheel, store: PackedWheels, packed: list[str]) -> None:
    (first,) = store.pack([wheel])
    (second,) = store.pack([wheel])
    assert first == second
    assert packed == [NAME]
    assert store.find([store.key(wheel)]) == {store.key(wheel): first}
    assert sorted(path.name for path in home(store, wheel).iterdir()) == ["manifest.json", "wheel.zip"]
    assert [path.name for path in store.caches.packed.iterdir()] == [store.key(wheel)]  # nothing temporary is left


def test_wheels_are_packed_in_their_order(wheel: InstalledWheel, store: PackedWheels, packed: list[str]) -> None:
    names = [f"board{number}-1.0-py3-none-any.whl" for number in range(9)]
    found = list(store.pack(replace(wheel, name=name) for name in names))
    assert [each.name for each in found] == names
    assert sorted(packed) == names
    keys = [store.key(replace(wheel, name=name)) for name in names]
    assert [each.name for each in store.find([*keys, "0" * 32, keys[0]]).values()] == names


def in_archive(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def go(kept: Path) -> None:
        (kept / "wheel.zip").write_bytes(change((kept / "wheel.zip").read_bytes()))

    return go


def in_manifest(**changes: Any) -> Callable[[Path], None]:
    def go(kept: Path) -> None:
        manifest = {**json.loads((kept / "manifest.json").read_text("utf-8")), **changes}
        (kept / "manifest.json").write_text(json.dumps({k: v for k, v in manifest.items() if v is not ...}), "utf-8")

    return go


def of_no_archive(kept: Path) -> None:
    """The digest is right, but there is no archive in the file."""
    in_archive(lambda _: b"no archive")(kept)
    in_manifest(digest=pex_file.quick_digest(kept / "wheel.zip"))(kept)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(in_archive(lambda data: data[:-1]), id="truncated"),
        pytest.param(in_archive(lambda data: data[:100] + b"\0" + data[101:]), id="one-byte"),
        pytest.param(in_archive(lambda _: b""), id="empty"),
        pytest.param(of_no_archive, id="no-archive"),
        pytest.param(lambda kept: (kept / "wheel.zip").unlink(), id="no-file"),
        pytest.param(lambda kept: (kept / "manifest.json").unlink(), id="no-manifest"),
        pytest.param(lambda kept: (kept / "manifest.json").write_bytes(b"{"), id="broken-manifest"),
        pytest.param(lambda kept: (kept / "manifest.json").write_bytes(b"[]"), id="manifest-of-another-form"),
        pytest.param(in_manifest(digest="0" * 64), id="another-digest"),
        pytest.param(in_manifest(digest=""), id="empty-digest"),
        pytest.param(in_manifest(digest=None), id="null"),
        pytest.param(in_manifest(name=...), id="no-name"),
        pytest.param(in_manifest(fingerprint=1), id="number"),
    ],
)
def test_what_is_damaged_is_packed_again(
    wheel: InstalledWheel, store: PackedWheels, packed: list[str], damage: Callable[[Path], None]
) -> None:
    (first,) = store.pack([wheel])
    kept = home(store, wheel)
    before = {path.name: path.read_bytes() for path in kept.iterdir()}
    damage(kept)
    assert store.find([store.key(wheel)]) == {}
    assert list(store.pack([wheel])) == [first]
    assert packed == [NAME, NAME]
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == before


def test_a_file_that_differs_from_record_is_not_packed(
    wheel: InstalledWheel, store: PackedWheels, tmp_path: Path
) -> None:
    (tmp_path / "files" / "board" / "__init__.py").write_bytes(b"import evil\n")
    with pytest.raises(DamagedFileError) as caught:
        list(store.pack([wheel]))
    assert str(caught.value) == "board/__init__.py"
    assert list(store.caches.packed.iterdir()) == []


def test_a_file_that_does_not_exist_is_not_packed(wheel: InstalledWheel, store: PackedWheels, tmp_path: Path) -> None:
    (tmp_path / "files" / "board" / "__init__.py").unlink()
    with pytest.raises((DamagedFileError, OSError)):
        list(store.pack([wheel]))
    assert list(store.caches.packed.iterdir()) == []


def test_a_file_that_changes_while_it_is_packed_is_not_kept(
    wheel: InstalledWheel, store: PackedWheels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest was right, but other bytes would be in the archive."""
    changed = tmp_path / "files" / "board" / "__init__.py"
    pack = zip_members.pack

    def late(*args: Any, **options: Any) -> zip_members.Archive:
        changed.write_bytes(changed.read_bytes().replace(b"this", b"evil"))
        return pack(*args, **options)

    monkeypatch.setattr(zip_members, "pack", late)
    with pytest.raises(DamagedFileError) as caught:
        list(store.pack([wheel]))
    assert str(caught.value) == "board/__init__.py"
    assert list(store.caches.packed.iterdir()) == []


def test_several_threads_that_want_the_same_wheel_pack_it_once(
    wheel: InstalledWheel, store: PackedWheels, monkeypatch: pytest.MonkeyPatch
) -> None:
    others_want_it = threading.Barrier(4, timeout=30)
    counts: list[int] = []
    pack, locked = packed_wheels.pack, locks.locked

    def slow(*args: Any, **options: Any) -> PackedWheel:
        counts.append(1)
        others_want_it.wait()
        return pack(*args, **options)

    def locked_by_one(path: Path, *, waiting: Callable[[], None]) -> AbstractContextManager[int]:
        def wait() -> None:
            waiting()
            others_want_it.wait()

        return locked(path, waiting=wait)

    monkeypatch.setattr(packed_wheels, "pack", slow)
    monkeypatch.setattr(locks, "locked", locked_by_one)
    found: list[PackedWheel] = []
    threads = [threading.Thread(target=lambda: found.append(store.pack_one(wheel))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [1]
    assert len(found) == 4
    assert found[0] == found[1] == found[2] == found[3]
    assert [path.name for path in store.caches.packed.iterdir()] == [store.key(wheel)]
    with zipfile.ZipFile(found[0].members.archive) as archive:
        assert archive.testzip() is None


# Keys


def test_the_key_depends_on_the_wheel_and_not_on_the_place(
    wheel: InstalledWheel, store: PackedWheels, tmp_path: Path
) -> None:
    elsewhere = replace(store, caches=Caches(chosen=tmp_path / "elsewhere"))
    assert elsewhere.key(wheel) == store.key(wheel)
    assert store.key(replace(wheel, name="other-1.0-py3-none-any.whl")) != store.key(wheel)
    assert store.key(replace(wheel, files=wheel.files[1:])) != store.key(wheel)


@pytest.mark.parametrize("change", [{"pex_version": "2.105.1"}, {"compress": False}], ids=str)
def test_the_key_depends_on_how_it_is_packed(
    wheel: InstalledWheel, store: PackedWheels, change: dict[str, Any]
) -> None:
    other = replace(store, **change)
    assert other.identity != store.identity
    assert other.key(wheel) != store.key(wheel)


@pytest.mark.parametrize("what", ["zlib", "recipe"])
def test_the_key_depends_on_what_packs_it(
    wheel: InstalledWheel, store: PackedWheels, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    before = store.key(wheel)
    if what == "zlib":
        monkeypatch.setattr(packed_wheels, "zlib_identity", lambda: "another")
    else:
        monkeypatch.setattr(recipe, "digest", lambda: "another")
    assert store.key(wheel) != before


def test_nothing_is_read_to_compute_a_key(wheel: InstalledWheel, store: PackedWheels, tmp_path: Path) -> None:
    before = store.key(wheel)
    (tmp_path / "files").rename(tmp_path / "moved")
    assert store.key(wheel) == before


@pytest.mark.parametrize("content", [b"", b"a wheel" * 10_000])
def test_a_wheel_is_stored_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    (tmp_path / NAME).chmod(0o755)
    found = packed_wheels.store(tmp_path / NAME, tmp_path, fingerprint="0123")
    assert (found.name, found.fingerprint, found.members.count) == (NAME, "0123", 1)
    zip_members.write(tmp_path / "a.zip", b"", [found.members])
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        (entry,) = archive.infolist()
        assert archive.read(entry) == content
    assert entry.filename == f".deps/{NAME}"
    assert (entry.compress_type, entry.external_attr >> 16) == (zipfile.ZIP_STORED, 0o100644)


def test_the_store_may_be_one_that_cannot_be_written(
    wheel: InstalledWheel, store: PackedWheels, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = store.pack([wheel])

    def refuse(*_args: Any, **_options: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "utime", refuse)
    assert list(store.find([store.key(wheel)]).values()) == [first]


def test_nothing_is_found_in_an_empty_store(store: PackedWheels) -> None:
    def none() -> Iterator[str]:
        yield from ()

    assert store.find(none()) == {}
    assert list(store.pack([])) == []
