from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nox_pex.distributions.wheel import wheel_files
from nox_pex.errors import NoxPexError
from nox_pex.pex import wheel_changes
from nox_pex.pex.inputs import collect_project_files
from tests.support.fake_environment import FakeEnvironment
from tests.support.shown import say_into
from tests.support.small_pex import write_wheel
from tests.unit.pex.conftest import MakeTarget

Change = Callable[..., set[str]]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def change(tmp_path: Path, make_target: MakeTarget, environment: FakeEnvironment, said: list[str]) -> Change:
    """Change the wheel of a project with `files` and the table `sources`. Return the names of its members."""

    def go(files: dict[str, str], **sources: Any) -> set[str]:
        target = make_target(package_mode=True, sources=sources)
        for name, content in {"pyproject.toml": "", **files}.items():
            (target.project.root / name).parent.mkdir(parents=True, exist_ok=True)
            (target.project.root / name).write_text(content, "utf-8")
        wheel = write_wheel(
            tmp_path / "shop-1.0-py3-none-any.whl", {"shop/__init__.py": b"", "shop/data.csv": b"1\n", "shop/x": b""}
        )
        wheel_changes.apply(
            target, collect_project_files(target), wheel, environment.installed(), say=say_into(said.append)
        )
        return {name for name in wheel_files(wheel) if ".dist-info/" not in name}

    return go


OWN = {"shop/__init__.py", "shop/data.csv", "shop/x"}


def test_without_settings_the_wheel_stays(change: Change) -> None:
    assert change({"alembic.ini": ""}) == OWN


def test_included_files_are_added_and_excluded_ones_removed(change: Change, said: list[str]) -> None:
    files = {"alembic.ini": "", "migrations/env.py": "", "migrations/x.log": ""}
    found = change(files, include=["alembic.ini", "migrations/"], exclude=["*.log", "shop/data.csv"])
    assert found == (OWN - {"shop/data.csv"}) | {"alembic.ini", "migrations/env.py"}
    assert said == []


def test_patterns_are_from_the_directory_of_the_project(change: Change) -> None:
    files = {"src/shop/__init__.py": "", "src/data/x.csv": ""}
    assert change(files, include=["src/data/"], exclude=["src/shop/x"]) == (OWN - {"shop/x"}) | {"data/x.csv"}


def test_metadata_stays(change: Change, tmp_path: Path) -> None:
    assert change({}, exclude=["**"]) == set()
    members = wheel_files(tmp_path / "shop-1.0-py3-none-any.whl")
    assert members
    assert all(".dist-info/" in name for name in members)


def test_a_file_that_the_wheel_has_stays_as_the_backend_made_it(change: Change, said: list[str]) -> None:
    assert change({"shop/data.csv": "2\n", "shop/x": ""}, include=["/shop/"]) == OWN
    assert said == ["pex: sources.include: shop/data.csv stays as the build backend put it into the wheel"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("idna/core.py", "another distribution in the binary installs that file"),
        ("idna", "another distribution in the binary installs that file"),
        ("shop-1.0.data/scripts/x", "the place of the metadata"),
        ("other-2.0.dist-info/x", "the place of the metadata"),
        ("shop/x/y.txt", "a file and a directory of one name"),
    ],
)
def test_a_file_that_cannot_be_added_is_refused(change: Change, name: str, reason: str) -> None:
    with pytest.raises(NoxPexError) as caught:
        change({name: ""}, include=[name])
    assert caught.value.code == "config"
    assert f"sources.include would add {name} to the project's wheel" in caught.value.problem
    assert reason in caught.value.problem


def test_a_directory_may_have_the_name_of_a_distribution(change: Change) -> None:
    assert "idna/tables.ini" in change({"idna/tables.ini": ""}, include=["idna/"])
