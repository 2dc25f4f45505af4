from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.project.links import OUTSIDE, Linked, follow, is_circle, is_within


def followed(root: Path, links: dict[str, str], *files: str, but: str = "") -> Linked:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    for name, target in links.items():
        (root / name).symlink_to(target)
    may_ship = lambda name: not but or but not in name  # noqa: E731  # shorter than a function with annotations
    return follow(sorted(links), sorted(files), root=str(root), may_ship=may_ship)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path.resolve() / "project"


def test_a_link_gives_a_file_another_name(root: Path) -> None:
    found = followed(root, {"link.py": "main.py", "pack": "app"}, "main.py", "app/x.py", "app/deep/y.py", "app-2/z.py")
    assert found.files == {"link.py": "main.py", "pack/x.py": "app/x.py", "pack/deep/y.py": "app/deep/y.py"}
    assert found.lost == {}


def test_links_lead_on_through_linked_directories(root: Path) -> None:
    links = {"one": "app", "app/more": "../data", "two": "one"}
    found = followed(root, links, "app/x.py", "data/a.txt")
    assert found.files == {
        "one/x.py": "app/x.py",
        "two/x.py": "app/x.py",
        **{f"{name}/more/a.txt": "data/a.txt" for name in ("one", "two", "app")},
    }


def test_a_circle_ends_and_is_not_lost(root: Path) -> None:
    links = {"a/b": "../b", "b/a": "../a", "a/self": ".", "a/up": "..", "loop": "loop", "broken": "gone"}
    found = followed(root, links, "a/x", "b/y")
    assert found.files == {"a/b/y": "b/y", "b/a/x": "a/x"}
    assert found.lost == {}


def test_a_link_to_a_file_that_is_not_among_them_is_lost(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    (root / ".env").touch()
    (root / "dist").mkdir()
    (root / "dist" / "x").touch()
    links = {"out": "../secret", "above": "../..", "env": ".env", "output": "dist"}
    found = followed(root, links, "main.py")
    assert found.lost == {
        "out": OUTSIDE,
        "above": OUTSIDE,
        "env": "a link to .env, which does not ship",
        "output": "a link to dist, which does not ship",
    }


def test_a_name_that_may_not_ship_is_omitted(root: Path) -> None:
    links = {"pack": "app", "app/deep": "../data"}
    found = followed(root, links, "app/x.pyc", "app/y.py", "data/z.py", but="pack/deep")
    assert "pack/deep/z.py" not in found.files
    assert found.files["app/deep/z.py"] == "data/z.py"


def test_a_directory_is_within_itself_and_those_above_it() -> None:
    assert is_within("/a/b", "/a/b")
    assert is_within("/a/b", "/a")
    assert is_within("/a", "/")
    assert not is_within("/ab", "/a")
    assert is_circle("/a", ["/x", "/a/b"])
    assert not is_circle("/a/b", ["/a"])
