"""Writing the tree of layers to a directory."""

from __future__ import annotations

import errno
import os
import random
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.oci import layer_reader, unpack
from nox_pex.oci.image import LayerFile
from nox_pex.system import files, locks
from nox_pex.tools import cache
from nox_pex.tools.cache import Caches
from tests.support.untrusted_layers import END, directory, header, layer, member, padded, pax, tar
from tests.unit.oci.test_root_tree import random_layer

BASE = tar(
    directory("usr", 0o755, mtime=5),
    directory("usr/closed", 0o500),
    member("usr/closed/program", b"text", mode=0o4555, mtime=7),
    member("usr/same", link="usr/closed/program"),
    member("bin", symlink="usr/closed"),
    member("outside", symlink="../../../../../../etc"),
    member("dev/null", character=True),
    member("run/pipe", fifo=True),
    directory("tmp", 0o1777),
)


def layers_of(tmp_path: Path, *data: bytes) -> tuple[LayerFile, ...]:
    return tuple(layer(tmp_path / "layers", each, "gzip") for each in data)


def caches_in(tmp_path: Path) -> Caches:
    return Caches(chosen=tmp_path / "cache")


def unpacked(tmp_path: Path, *data: bytes) -> Path:
    return unpack.unpacked(layers_of(tmp_path, *data), image="base:1", caches=caches_in(tmp_path), as_root=False)


@pytest.fixture(autouse=True)
def _removed(tmp_path: Path) -> Iterator[None]:
    """Remove what pytest cannot: directories without permission to write."""
    yield
    files.remove(tmp_path / "cache")


def test_files_links_modes_and_dates_are_written(tmp_path: Path) -> None:
    root = unpacked(tmp_path, BASE)

    program = root / "usr/closed/program"
    found = program.stat()
    assert program.read_bytes() == b"text"
    assert (stat.S_IMODE(found.st_mode), found.st_mtime, found.st_nlink) == (0o555, 7, 2)
    assert (root / "usr/same").samefile(program)
    assert (root / "bin").readlink() == Path("usr/closed")
    assert (root / "outside").readlink() == Path("../../../../../../etc")
    assert [stat.S_IMODE((root / name).stat().st_mode) for name in ("usr/closed", "tmp", "")] == [0o500, 0o1777, 0o755]
    assert (root / "usr").stat().st_mtime == 5  # of the layer
    assert {path.name for path in root.iterdir()} == {"usr", "bin", "outside", "dev", "run", "tmp"}
    assert not any((root / "dev").iterdir())
    assert not any((root / "run").iterdir())


def test_the_same_layers_are_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = unpacked(tmp_path, BASE)
    monkeypatch.setattr(layer_reader, "contents", None)

    assert unpacked(tmp_path, BASE) == root


def test_a_tree_in_use_is_not_evicted_and_can_be_removed_later(tmp_path: Path) -> None:
    root = unpacked(tmp_path, BASE)
    parts = {part.path.parent.name: part for part in cache.parts(tmp_path / "cache")}

    assert not cache.remove(parts["root-file-systems"])
    assert root.is_dir()
    assert files.remove(root.parent) is None


def _write_with_the_old_date(file: Path) -> None:
    before = file.stat()
    file.chmod(0o755)
    file.write_bytes(b"evil")
    file.chmod(stat.S_IMODE(before.st_mode))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _write(file: Path) -> None:
    file.chmod(0o755)
    file.write_bytes(b"evil")


def _link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def _replace_by_link(root: Path) -> None:
    root.rename(root.with_name("x"))
    root.symlink_to("x")


TAMPERINGS: dict[str, Callable[[Path], object]] = {
    "other text": lambda root: _write(root / "usr/same"),
    "other text, same date": lambda root: _write_with_the_old_date(root / "usr/closed/program"),
    "new file": lambda root: (root / "sitecustomize.py").write_bytes(b"evil"),
    "lost file": lambda root: (root / "usr/same").unlink(),
    "other mode": lambda root: (root / "usr/same").chmod(0o644),
    "other link": lambda root: _link(root / "bin", "/etc"),
    "another directory": _replace_by_link,
    "no seal": lambda root: root.with_name("seal.json").write_bytes(b"{"),
}


@pytest.mark.parametrize("tamper", TAMPERINGS.values(), ids=TAMPERINGS)
def test_a_tree_that_was_changed_is_unpacked_again(tmp_path: Path, tamper: Callable[[Path], object]) -> None:
    tamper(unpacked(tmp_path, BASE))

    root = unpacked(tmp_path, BASE)

    assert not root.is_symlink()
    assert {path.name for path in root.iterdir()} == {"usr", "bin", "outside", "dev", "run", "tmp"}
    assert (root / "usr/same").read_bytes() == (root / "bin/program").read_bytes() == b"text"
    assert stat.S_IMODE((root / "usr/same").stat().st_mode) == 0o555
    assert not list(root.parent.glob(".old.*"))


def test_a_changed_tree_stays_for_the_process_that_uses_it(tmp_path: Path) -> None:
    root = unpacked(tmp_path, BASE)
    (root / "new").touch()

    with locks.try_lock(root, shared=True):  # as the other process holds it
        assert not (unpacked(tmp_path, BASE) / "new").exists()
        (old,) = root.parent.glob(".old.*")
        assert (old / "new").exists()
    assert unpacked(tmp_path, BASE) == root
    assert not old.exists()


def test_a_full_disk_is_reported_with_the_directory_of_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(NoxPexError, match=r"cannot write the files of base:1 to .*/root-file-systems") as caught:
        unpacked(tmp_path, BASE)
    assert caught.value.code == "disk-full"
    assert not list((tmp_path / "cache/root-file-systems").glob("*/*"))


def test_nothing_incomplete_is_taken_for_a_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = layer_reader.contents

    def interrupted(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(layer_reader, "contents", interrupted)
    with pytest.raises(KeyboardInterrupt):
        unpacked(tmp_path, BASE)
    parts = list((tmp_path / "cache/root-file-systems").glob("*/*"))
    monkeypatch.setattr(layer_reader, "contents", real)

    assert parts == []
    assert (unpacked(tmp_path, BASE) / "usr/same").read_bytes() == b"text"


def test_a_layer_that_changed_after_it_was_read_is_refused(tmp_path: Path) -> None:
    (first,) = layers_of(tmp_path, BASE)
    caches = caches_in(tmp_path)
    unpack.unpacked([first], image="base:1", caches=caches, as_root=False)
    files.remove(tmp_path / "cache/root-file-systems")
    first.path.write_bytes(layer(tmp_path, BASE.replace(b"text", b"evil"), "gzip").path.read_bytes())

    with pytest.raises(NoxPexError, match="without compression") as caught:
        unpack.unpacked([first], image="base:1", caches=caches, as_root=False)
    assert caught.value.code == "image-base"
    assert not list((tmp_path / "cache/root-file-systems").glob("*/*"))


@pytest.mark.parametrize("form", ["sparse", "zeros"])
def test_a_huge_file_of_nothing_needs_no_disk(tmp_path: Path, form: str) -> None:
    size = 3 << 30 if form == "sparse" else 64 << 20
    data = pax({"GNU.sparse.map": f"{size - 4},4", "GNU.sparse.size": str(size)}) + header(b"huge", size=4)
    data += padded(b"last") + END
    if form == "zeros":
        data = header(b"huge", size=size) + bytes(size) + END

    found = (unpacked(tmp_path, data) / "huge").stat()

    assert found.st_size == size
    assert found.st_blocks * 512 < 2 << 20


def test_layers_over_an_unpacked_base_share_its_files(tmp_path: Path) -> None:
    base = layers_of(tmp_path, BASE)
    added = layers_of(tmp_path, tar(member("bin/new", b"new"), member("usr/again", link="usr/same")))
    caches = caches_in(tmp_path)

    with unpack.overlaid(base, added, image="app:1", caches=caches, as_root=False) as root:
        lower = unpack.unpacked(base, image="base:1", caches=caches, as_root=False)
        assert (root / "usr/closed/new").read_bytes() == b"new"
        assert (root / "usr/again").samefile(lower / "usr/same")
        assert stat.S_IMODE((root / "usr/closed").stat().st_mode) == 0o500  # of the layer
        assert not (lower / "usr/closed/new").exists()
    assert not root.exists()
    inode = lower.stat().st_ino
    assert unpack.unpacked(base, image="base:1", caches=caches, as_root=False).stat().st_ino == inode  # not again
    assert (lower / "usr/same").read_bytes() == b"text"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_gives_files_their_owners(tmp_path: Path) -> None:
    data = tar(directory("d", uid=5, gid=6), member("d/f", uid=7, gid=8), member("l", symlink="d", uid=9, gid=10))

    root = unpack.unpacked(layers_of(tmp_path, data), image="base:1", caches=caches_in(tmp_path), as_root=True)

    found = [(root / name).lstat() for name in ("d", "d/f", "l")]
    assert [(each.st_uid, each.st_gid) for each in found] == [(5, 6), (7, 8), (9, 10)]


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_ever_written_outside(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # a reproducible test, no cryptography
    guarded = tmp_path / "guarded"
    guarded.mkdir()
    (guarded / "file").write_text("untouched", "utf-8")
    escapes = [
        member("e", symlink=str(guarded)),
        member("e/file", b"changed"),
        member("e/new", b"new"),
        member("up", symlink="/".join([".."] * 20) + str(guarded)),
        member("up/file", link="e/file"),
        member("x", link=f"{guarded}/file"),
        directory(f"up/{guarded}"),
        member("e/.wh.file"),
        member("up/.wh..wh..opq"),
    ]
    before = guarded.stat()

    for number in range(40):
        data = [random_layer(chance), tar(*chance.sample(escapes, chance.randrange(1, 6))), random_layer(chance)]
        with suppress(NoxPexError):
            root = unpacked(tmp_path / str(number), *chance.sample(data, 2))
            assert {path.name for path in root.parent.iterdir()} == {"root", "seal.json"}
        files.remove(tmp_path / str(number))

    assert [path.name for path in guarded.iterdir()] == ["file"]
    assert (guarded / "file").read_text("utf-8") == "untouched"
    after = guarded.stat()
    assert (after.st_mtime_ns, after.st_mode) == (before.st_mtime_ns, before.st_mode)
    assert {path.name for path in tmp_path.iterdir()} == {"guarded"}
