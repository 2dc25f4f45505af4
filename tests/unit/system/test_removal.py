from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from nox_pex.system import files
from nox_pex.system.removal import remove


def nest(root: Path, depth: int, *, name: str = "d") -> None:
    """Create `depth` nested directories in the new directory `root`; the innermost has a file."""
    root.mkdir()
    here = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)


def test_a_tree_deeper_than_the_recursion_limit_is_removed(tmp_path: Path) -> None:
    nest(tmp_path / "tree", 1500)
    assert remove(tmp_path / "tree") is None
    assert list(tmp_path.iterdir()) == []


def test_a_tree_with_paths_longer_than_a_path_may_be_is_removed(tmp_path: Path) -> None:
    nest(tmp_path / "tree", 60, name="d" * 200)
    assert remove(tmp_path / "tree") is None
    assert list(tmp_path.iterdir()) == []


def test_a_deep_tree_is_measured_and_walked(tmp_path: Path) -> None:
    nest(tmp_path / "tree", 1500)
    try:
        assert files.size(tmp_path / "tree") == 0
        assert sum(1 for _ in files.paths(tmp_path / "tree")) == 1501
    finally:
        remove(tmp_path / "tree")


def test_directories_without_permissions_are_removed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        inner = tmp_path / "tree" / name
        (inner / "below").mkdir(parents=True)
        (inner / "below" / "file").touch()
        (inner / "below").chmod(0)
        inner.chmod(stat.S_IRUSR)
    (tmp_path / "tree").chmod(0)
    assert remove(tmp_path / "tree") is None
    assert list(tmp_path.iterdir()) == []


def test_no_link_is_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to(kept)
    (tree / "loop").symlink_to("loop")
    os.mkfifo(tree / "fifo")
    (tmp_path / "direct").symlink_to(kept)
    assert remove(tree) is None
    assert remove(tmp_path / "direct") is None
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert [path.name for path in kept.iterdir()] == ["file"]


def test_nothing_is_removed_if_there_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert remove(tmp_path / "missing") is None
    assert remove(tmp_path / "missing" / "inner") is None
    assert remove(tmp_path / "file" / "inner") is None


def test_the_first_error_is_returned_and_the_rest_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tmp_path / "tree"
    (tree / "a" / "deep").mkdir(parents=True)
    for path in (tree / "a" / "deep" / "kept", tree / "a" / "gone", tree / "gone"):
        path.touch()
    unlink = os.unlink

    def refuse(name: str, *, dir_fd: int) -> None:
        # As the system does for an immutable file, which only root can create.
        if name == "kept":
            raise PermissionError(1, "Operation not permitted", name)
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", refuse)
    error = remove(tree)
    assert error is not None
    assert error.filename == str(tree / "a" / "deep" / "kept")
    assert [path.name for path in files.paths(tree)] == ["a", "deep", "kept"]
    monkeypatch.undo()
    assert remove(tree) is None


def test_a_temporary_directory_is_removed_even_if_it_is_deep(tmp_path: Path) -> None:
    with files.temporary_directory(prefix="x.", parent=tmp_path) as scratch:
        nest(scratch / "tree", 1200)
    assert list(tmp_path.iterdir()) == []


def test_a_tree_is_copied_with_its_links_and_modes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "inner" / "__pycache__").mkdir(parents=True)
    (source / "inner" / "file").write_text("text", "utf-8")
    (source / "inner" / "file").chmod(0o755)
    (source / "inner" / "link").symlink_to("file")
    (source / "inner").chmod(0o750)
    files.copy_tree(source, tmp_path / "copy", skip=("__pycache__",))
    copy = tmp_path / "copy" / "inner"
    assert sorted(path.name for path in copy.iterdir()) == ["file", "link"]
    assert os.readlink(copy / "link") == "file"  # noqa: PTH115  # the text of the link
    assert stat.S_IMODE(copy.stat().st_mode) == 0o750
    assert stat.S_IMODE((copy / "file").stat().st_mode) == 0o755


def test_a_fifo_has_no_digest(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert files.digest(tmp_path / "fifo") == ""
    assert files.digest(Path("/dev/null")) == ""
