from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.pex.inputs import collect_project_files, inputs_of, package_root
from nox_pex.pex.target import Target
from nox_pex.project import pyproject
from nox_pex.system import recipe
from nox_pex.system.fingerprint import Inputs, digests
from tests.support.fake_environment import FakeEnvironment
from tests.unit.pex.conftest import MakeTarget


@pytest.fixture
def shop(make_target: MakeTarget) -> Target:
    """A binary of a project with two sources."""
    target = make_target()
    (target.project.root / "main.py").write_text("def main(): ...\n", "utf-8")
    (target.project.root / "wares").mkdir()
    (target.project.root / "wares" / "__init__.py").touch()
    return target


def inputs(
    target: Target, environment: FakeEnvironment, *, version: dict[str, str] | None = None, **options: Any
) -> Inputs:
    return inputs_of(target, environment.installed(**options), collect_project_files(target), version=version or {})


def changed(before: Inputs, after: Inputs) -> set[str]:
    """The kinds that differ."""
    old, new = digests(before), digests(after)
    assert old.keys() == new.keys()
    return {kind for kind in old if old[kind] != new[kind]}


def test_without_a_change_the_inputs_are_the_same(shop: Target, environment: FakeEnvironment) -> None:
    assert changed(inputs(shop, environment), inputs(shop, environment, seconds=9.0, id="second")) == set()


@pytest.mark.parametrize(
    ("file", "text", "kind"),
    [
        ("poetry.lock", "# another lock\n", "lock"),
        ("main.py", "def main(): return 1\n", "sources"),
        ("new.py", "", "sources"),
        ("wares/stock.txt", "seven apples\n", "sources"),
    ],
)
def test_each_file_is_an_input(shop: Target, environment: FakeEnvironment, file: str, text: str, kind: str) -> None:
    before = inputs(shop, environment)
    (shop.project.root / file).write_text(text, "utf-8")
    assert changed(before, inputs(shop, environment)) == {kind}


@pytest.mark.parametrize("file", ["README.md", "noxfile.py", "tests/test_main.py", "dist/shop.pex.json"])
def test_a_file_that_does_not_ship_is_no_input(shop: Target, environment: FakeEnvironment, file: str) -> None:
    before = inputs(shop, environment)
    (shop.project.root / file).parent.mkdir(exist_ok=True)
    (shop.project.root / file).write_text("x\n", "utf-8")
    assert changed(before, inputs(shop, environment)) == set()


@pytest.mark.parametrize(
    ("table", "kinds"),
    [
        ({"sh_boot": False}, {"settings"}),
        ({"inject_env": {"A": "1"}}, {"settings"}),
        ({"entry_point": "main:other"}, {"settings"}),
        ({"budget": {"size": "10 MB"}}, set()),
        ({"smoke": {"conditions": ["cold"]}}, set()),
        ({"image": {"base": "python:3.12-slim"}}, set()),
        ({"groups": ["main"]}, set()),
    ],
    ids=str,
)
def test_a_setting_is_an_input_if_it_changes_the_binary(
    shop: Target, make_target: MakeTarget, environment: FakeEnvironment, table: dict[str, Any], kinds: set[str]
) -> None:
    assert changed(inputs(shop, environment), inputs(make_target(**table), environment)) == kinds


@pytest.mark.parametrize("tool", ["poetry", "pex"])
def test_another_version_of_a_tool_is_an_input(
    shop: Target, make_target: MakeTarget, environment: FakeEnvironment, tool: str
) -> None:
    other = make_target(settings={f"{tool}-version": "2.0.0"})
    assert changed(inputs(shop, environment), inputs(other, environment)) == {"tools"}


def test_each_distribution_is_an_input(shop: Target, environment: FakeEnvironment) -> None:
    before = inputs(shop, environment)
    environment.add("h11", {"h11.py": ""})
    assert changed(before, inputs(shop, environment)) == {"distributions"}
    assert set(inputs(shop, environment)["distributions"]) == {"idna", "h11"}


def test_the_content_of_a_path_dependency_is_an_input(shop: Target, environment: FakeEnvironment) -> None:
    assert changed(inputs(shop, environment), inputs(shop, environment, path_digests={"idna": "1"})) == {
        "distributions"
    }


def test_several_versions_of_a_distribution_are_one_input(shop: Target, environment: FakeEnvironment) -> None:
    environment.add("h11", {"h11.py": ""}, version="1.0")
    first = inputs(shop, environment)["distributions"]["h11"]
    environment.add("h11", {"h11.py": ""}, version="2.0")
    both = inputs(shop, environment)["distributions"]["h11"]
    assert both.startswith(f"{first}, 2.0 ")


def test_another_python_is_an_input(shop: Target, environment: FakeEnvironment, python: Path) -> None:
    before = inputs(shop, environment)
    python.write_bytes(b"another interpreter")
    assert changed(before, inputs(shop, environment)) == {"python"}


def test_another_nox_pex_is_an_input(
    shop: Target, environment: FakeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = inputs(shop, environment)
    monkeypatch.setattr(recipe, "digest", lambda: "another")
    assert changed(before, inputs(shop, environment)) == {"recipe"}


def test_whatever_else_decides_the_version_is_an_input(shop: Target, environment: FakeEnvironment) -> None:
    before = inputs(shop, environment)
    assert changed(before, inputs(shop, environment, version={"the version from Git": "1"})) == {"sources"}


def test_the_inputs_do_not_hold_the_value_of_a_setting(make_target: MakeTarget, environment: FakeEnvironment) -> None:
    assert "hunter22" not in str(inputs(make_target(inject_env={"DB": "hunter22"}), environment))


def test_the_executable_of_a_binary_is_an_input(make_target: MakeTarget, environment: FakeEnvironment) -> None:
    target = make_target(executable="run.sh", package_mode=True)
    with pytest.raises(NoxPexError) as caught:
        inputs(target, environment)
    assert caught.value.code == "source-missing"
    assert "tool.nox-pex.binary.shop.executable names run.sh" in caught.value.problem
    (target.project.root / "run.sh").write_bytes(b"#!/bin/sh\n")
    assert inputs(target, environment)["sources"]["run.sh"] == hashlib.sha256(b"#!/bin/sh\n").hexdigest()


def test_the_loose_sources_are_those_that_the_settings_select(make_target: MakeTarget, shop: Target) -> None:
    (shop.project.root / "docs").mkdir()
    (shop.project.root / "docs" / "index.txt").write_text("", "utf-8")
    target = make_target(sources={"include": ["docs/"], "exclude": ["wares/"]})
    assert set(collect_project_files(shop).digests) == {"main.py", "wares/__init__.py"}
    assert set(collect_project_files(target).digests) == {"docs/index.txt", "main.py"}


def test_what_a_person_may_expect_is_named_as_left_out(shop: Target) -> None:
    (shop.project.root / "templates").mkdir()
    (shop.project.root / "templates" / "index.html").write_text("", "utf-8")
    selection = collect_project_files(shop).selection
    assert selection is not None
    assert [entry.path for entry in selection.left_out] == ["templates/"]


def test_below_the_root_of_the_sources_a_file_has_another_path_in_the_binary(make_target: MakeTarget) -> None:
    target = make_target(sources={"root": "src"})
    (target.project.root / "src").mkdir()
    (target.project.root / "src" / "main.py").write_text("", "utf-8")
    found = collect_project_files(target)
    assert (set(found.digests), dict(found.placed)) == ({"src/main.py"}, {"main.py": "src/main.py"})


def test_a_packaged_project_has_files_for_its_wheel(make_target: MakeTarget) -> None:
    target = make_target(package_mode=True, sources={"include": ["alembic.ini", "ignored/"]})
    for name in ("pyproject.toml", "alembic.ini", "ignored/x.txt", "shop.py"):
        (target.project.root / name).parent.mkdir(exist_ok=True)
        (target.project.root / name).write_text("[project]\n", "utf-8")
    (target.project.root / ".gitignore").write_text("/ignored/\n", "utf-8")
    found = collect_project_files(target)
    assert found.selection is None
    assert dict(found.placed) == {"alembic.ini": "alembic.ini", "ignored/x.txt": "ignored/x.txt"}
    assert {"shop.py", "ignored/x.txt", "alembic.ini"} <= set(found.digests)
    assert dict(collect_project_files(make_target(package_mode=True)).placed) == {}


@pytest.mark.parametrize(
    ("root", "poetry", "files", "expected"),
    [
        (None, {"packages": [{"include": "shop", "from": "lib"}]}, ("src/x.py",), "lib"),
        (None, {"packages": [{"include": "shop", "from": "lib"}, {"include": "more"}]}, (), ""),
        (None, {}, ("src/shop/__init__.py",), "src"),
        (None, {}, ("src/__init__.py",), ""),
        (None, {}, ("src/x.txt", "shop/__init__.py"), ""),
        ("python", {"packages": [{"include": "shop", "from": "lib"}]}, (), "python"),
        (".", {}, ("src/shop/__init__.py",), ""),
    ],
)
def test_the_files_of_a_wheel_are_below_the_directory_of_the_packages(
    make_target: MakeTarget, root: str | None, poetry: dict[str, Any], files: tuple[str, ...], expected: str
) -> None:
    target = make_target(package_mode=True, sources={} if root is None else {"root": root})
    for name in files:
        (target.project.root / name).parent.mkdir(parents=True, exist_ok=True)
        (target.project.root / name).touch()
    project = replace(target.project, document={"tool": {"poetry": poetry}})
    assert package_root(replace(target, project=project)) == expected


PACKAGED = '[project]\nname = "shop"\nversion = "1.0"\n[build-system]\nrequires = []\nbuild-backend = "{backend}"\n'


@pytest.mark.parametrize(
    ("backend", "added", "same"),
    [
        ("poetry.core.masonry.api", "[tool.nox-pex]\ngroups = []\n", True),
        ("poetry.core.masonry.api", "[tool.ruff]\nline-length = 100\n", True),
        ("poetry.core.masonry.api", '[project.urls]\nHomepage = "https://h.example"\n', False),
        ("mesonpy", "[tool.nox-pex]\ngroups = []\n", False),
    ],
)
def test_the_settings_of_nox_pex_are_no_input_of_a_wheel_that_cannot_hold_them(
    make_target: MakeTarget, backend: str, added: str, *, same: bool
) -> None:
    def digest(text: str) -> str:
        target = make_target(package_mode=True)
        target.project.file.write_text(PACKAGED.format(backend=backend) + text, "utf-8")
        return collect_project_files(replace(target, project=pyproject.read(target.project.root))).digests[
            "pyproject.toml"
        ]

    assert (digest("") == digest(added)) == same
