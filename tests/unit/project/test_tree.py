from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from nox_pex.project.tree import Tree, directories_above, top_of


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name, "utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    found = tmp_path / "project"
    write(found, "main.py", "app/__init__.py", "app/deep/data.txt")
    return found


def tree(root: Path, output_dir: str = "dist") -> Tree:
    return Tree.of(root, Path(output_dir))


def walked(root: Path, top: str = "", *, follow: bool = False) -> list[str]:
    return sorted(tree(root).walk_following(top) if follow else tree(root).walk(top))


def shippable(root: Path, names: Iterable[str]) -> set[str]:
    return set(tree(root).shippable(names).files)


OWN = ["app/__init__.py", "app/deep/data.txt", "main.py"]


def test_a_walk_returns_every_file_of_open_directories(root: Path) -> None:
    assert walked(root) == walked(root, follow=True) == OWN
    assert walked(root, "app/deep") == walked(root, "app/deep", follow=True) == ["app/deep/data.txt"]
    assert walked(root, "gone") == []


@pytest.mark.parametrize(
    "name",
    [
        *(".hidden/x.py", "app/.git/x", "__pycache__/x.pyc", "app/__pypackages__/x.py", "node_modules/x.js"),
        *("app.egg-info/x", "dist/app.whl", "build/lib/x.py", "build/lib.linux/x.py", "build/bdist.linux/x"),
        *("build/temp.linux/x", "build/lib/deep/x.py"),
    ],
)
def test_a_walk_skips_closed_directories(root: Path, name: str) -> None:
    write(root, name)
    assert walked(root) == walked(root, follow=True) == OWN
    assert not tree(root).is_open(name.rpartition("/")[0])


@pytest.mark.parametrize("marker", ["pyvenv.cfg", "conda-meta/history"])
def test_a_directory_with_an_environment_is_closed(root: Path, marker: str) -> None:
    write(root, f"env/{marker}", "env/lib/x.py")
    assert walked(root) == OWN
    assert not tree(root).is_open("env/lib")


@pytest.mark.parametrize(
    "name",
    [
        *("build/x.py", "build/libs.py", "app/build/lib/x.py", "builds/lib/x.py", "my-dist/x", "build/templates/x"),
        *("build/library/x.py", "build/bdist/x.py"),
    ],
)
def test_directories_with_similar_names_are_open(root: Path, name: str) -> None:
    write(root, name)
    assert walked(root) == sorted([*OWN, name])


def test_the_root_is_open_even_as_the_output_directory(root: Path) -> None:
    assert tree(root).is_open("")
    assert sorted(tree(root, ".").walk()) == OWN
    assert tree(root, ".").output is None
    assert tree(root, "..").output is None
    assert tree(root, f"{root}/out").output == "out"


def test_a_link_to_a_directory_is_an_entry_or_a_directory(root: Path, tmp_path: Path) -> None:
    write(tmp_path, "shared/data.txt")
    (root / "shared").symlink_to("../shared")
    (root / "again").symlink_to("app")
    (root / "link.py").symlink_to("main.py")
    assert walked(root) == sorted([*OWN, "shared", "again", "link.py"])
    linked = ["again/__init__.py", "again/deep/data.txt", "link.py", "shared/data.txt"]
    assert walked(root, follow=True) == sorted([*OWN, *linked])
    assert walked(root, "shared", follow=True) == ["shared/data.txt"]


@pytest.mark.parametrize("target", ["../..", "../../.."])
def test_a_link_to_the_root_or_above_is_skipped(root: Path, target: str) -> None:
    (root / "app" / "deep" / "up").symlink_to(target)
    assert walked(root, follow=True) == OWN
    assert walked(root, "app", follow=True) == OWN[:2]
    assert walked(root, "app/deep/up", follow=True) == []


def test_a_link_to_a_directory_above_is_skipped(root: Path) -> None:
    (root / "app" / "deep" / "up").symlink_to("..")
    (root / "app" / "here").symlink_to(".")
    assert walked(root, follow=True) == OWN


def test_links_side_by_side_to_one_directory_are_all_followed(root: Path, tmp_path: Path) -> None:
    write(tmp_path, "shared/data.txt", "other/more.txt")
    (tmp_path / "shared" / "other").symlink_to("../other")
    for name in ("a", "b", "app/c"):
        (root / name).symlink_to(tmp_path / "shared")
    linked = [f"{name}/{file}" for name in ("a", "b", "app/c") for file in ("data.txt", "other/more.txt")]
    assert walked(root, follow=True) == sorted([*OWN, *linked])


def test_directories_that_all_lead_to_each_other_end_at_a_limit(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("tree", "links"):
        monkeypatch.setattr(f"nox_pex.project.{module}.MAX_LINKED", 200)
    names = [f"d{number}" for number in range(8)]
    for name in names:
        write(root, f"{name}/x.txt")
        for other in names:
            (root / name / f"to-{other}").symlink_to(f"../{other}")
    first = walked(root, follow=True)
    assert first == walked(root, follow=True)
    assert {f"{one}/to-{other}/x.txt" for one in names for other in names if one != other} <= set(first)
    assert len(first) < 300
    found = tree(root).shippable(tree(root).walk())
    assert {f"{one}/to-{other}/x.txt" for one in names for other in names if one != other} <= found.files.keys()
    assert len(found.files) < 300
    assert "links would add more than 200 files" in next(iter(found.lost.values()))


def test_a_link_that_is_skipped_does_not_end_the_walk(root: Path) -> None:
    for name in ("a", "m", "z"):
        write(root, f"{name}/x.py")
        (root / name / "loop").symlink_to("..")
    (root / "loop").symlink_to(".")
    assert walked(root, follow=True) == sorted([*OWN, "a/x.py", "m/x.py", "z/x.py"])


def test_links_to_each_other_end(root: Path) -> None:
    write(root, "one/x.py", "two/y.py")
    (root / "one" / "two").symlink_to("../two")
    (root / "two" / "one").symlink_to("../one")
    found = walked(root, follow=True)
    assert {"one/x.py", "two/y.py", "one/two/y.py", "two/one/x.py"} <= set(found)
    assert len(found) < 12


def test_names_below_the_output_directory_are_in_it(root: Path) -> None:
    assert tree(root, "out/binaries").in_output("out/binaries/x.pex")
    assert not tree(root, "out/binaries").in_output("out/x.py")
    assert not tree(root, "..").in_output("None/x.py")


def test_directories_and_source_files_may_be_links(root: Path) -> None:
    write(root, "x.pyc", "x.pyo", "x.pex")
    (root / "link").symlink_to("app")
    (root / "link.py").symlink_to("main.py")
    (root / "broken.py").symlink_to("gone")
    os.mkfifo(root / "pipe")
    found = tree(root)
    assert [name for name in ("app", "link", "main.py", "link.py", "gone") if found.is_directory(name)] == [
        "app",
        "link",
    ]
    names = ["main.py", "link.py", "broken.py", "pipe", "app", "link", "x.pyc", "x.pyo", "x.pex", "gone"]
    assert [name for name in names if found.is_source_file(name)] == ["main.py", "link.py", "x.pex"]


def test_hidden_built_and_project_files_may_not_ship(root: Path) -> None:
    write(root, ".env", "app/.env", "x.pyc", "x.pyo", "x.pex", "pyproject.toml", "poetry.lock", "poetry.toml")
    write(root, "app/pyproject.toml", ".hidden/x.py")
    names = ["gone.py", *tree(root).walk(), ".hidden/x.py", ".env"]
    assert shippable(root, names) == {*OWN, "app/pyproject.toml"}


def test_with_hidden_files_only_secrets_may_not_ship(root: Path) -> None:
    secret = (".env", ".env.local", ".envrc", ".env_prod", ".netrc", ".git/x", ".venv/x", ".ssh/id", "app/.pypirc")
    plain = (".well-known/x", "app/.hidden", ".env.example", "static/.a/.b/x", ".envoy", ".github/x.yml")
    write(root, *secret, *plain)
    found = tree(root).with_hidden()
    assert set(found.shippable(found.walk()).files) == {*OWN, *plain}
    assert set(found.shippable([*secret, *plain]).files) == set(plain)


def test_a_link_ships_if_its_target_does(root: Path, tmp_path: Path) -> None:
    write(tmp_path, "outside.txt", "project-2/x.py")
    write(root, ".env", "app/.secret")
    for name, target in {
        "link.py": "main.py",
        "pack": "app",
        "app/self": "..",
        "app/here": ".",
        "app/loop": "deep/../..",
        "out.txt": "../outside.txt",
        "sibling": "../project-2",
        "secret.txt": ".env",
        "broken": "gone",
    }.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "pipe")
    found = tree(root).shippable([*tree(root).walk(), "app/.secret"])
    files = {name: name for name in OWN}
    linked = {"link.py": "main.py", "pack/__init__.py": "app/__init__.py", "pack/deep/data.txt": "app/deep/data.txt"}
    assert found.files == {**files, **linked}
    assert found.lost == {
        "out.txt": "a link that leads out of the project",
        "sibling": "a link that leads out of the project",
        "secret.txt": "a link to .env, which does not ship",
    }


def test_links_in_linked_directories_ship_too(root: Path) -> None:
    write(root, "templates/page.html")
    (root / "app" / "page.html").symlink_to("../templates/page.html")
    (root / "app" / "pages").symlink_to("../templates")
    (root / "pack").symlink_to("app")
    assert {"pack/page.html", "pack/pages/page.html"} <= shippable(root, tree(root).walk())


def test_a_linked_directory_ships_no_closed_directory(root: Path) -> None:
    write(root, "app/data/x.egg-info/y", "app/data/x.txt", "env/lib/x.txt")
    (root / "env" / "pyvenv.cfg").touch()
    (root / "env" / "data").symlink_to("../app")
    (root / "pack").symlink_to("app")
    names = {*tree(root).walk(), "env/data"}
    assert shippable(root, names) == {
        *(*OWN, "app/data/x.txt", "pack/__init__.py", "pack/deep/data.txt", "pack/data/x.txt"),
    }


def test_a_linked_directory_ships_nothing_below_a_name_that_is_closed(root: Path) -> None:
    write(root, "app/lib/x.py", "app/other/x.py")
    (root / "build").symlink_to("app")
    (root / "app" / "__init__.py").unlink()
    found = shippable(root, tree(root).walk())
    assert "build/other/x.py" in found
    assert "build/lib/x.py" not in found


def test_names_have_a_top_and_directories_above() -> None:
    assert (top_of("app/deep/x.py"), top_of("main.py")) == ("app", "main.py")
    assert list(directories_above("app/deep/x.py")) == ["app/deep", "app"]
    assert list(directories_above("main.py")) == []
