"""Distributions that have files in common, as `opencv-python` and `opencv-python-headless` do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support.binaries import launch
from tests.support.distribution_files import write_wheel
from tests.support.locker import Locker
from tests.support.nox_project import Project

pytestmark = pytest.mark.integration

MAIN = """\
import json
from importlib.metadata import distributions

import shared
import shared.same


def main() -> None:
    print(json.dumps({"shared": shared.OF, "with": sorted(found.name for found in distributions())}))
"""


def contents(name: str, version: str = "1.0") -> Mapping[str, str]:
    """Two files that both have, one of them with another content; a module, data and a script that is in both."""
    return {
        "shared/__init__.py": f"OF = '{name} {version}'\n",
        "shared/same.py": "",
        f"shared/{name}.py": f"def main():\n    print('{name}')\n",
        f"{name}-{version}.data/data/share/shared.txt": f"{name}\n",
    }


@pytest.fixture
def make(written: Callable[..., Project], lock: Locker) -> Callable[..., Project]:
    """Make, or change, a project that depends on wheels, by their names and versions, and lock it."""

    def make(project: str, *, mode: str = "venv", **versions: str) -> Project:
        manifest = (
            '[tool.poetry]\nname = "app"\npackage-mode = false\n\n[tool.poetry.dependencies]\npython = ">=3.10"\n'
            + "".join(
                f'{name} = {{ path = "wheels/{name}-{version}-py3-none-any.whl" }}\n'
                for name, version in versions.items()
            )
            + f'\n[tool.nox-pex.binary.app]\nentry-point = "main:main"\nexecution-mode = "{mode}"\n'
        )
        made = written(project, {"main.py": MAIN, "pyproject.toml": manifest})
        for name, version in versions.items():
            scripts = {"speak": f"shared.{name}:main"}
            write_wheel(made.root / "wheels", name, contents(name, version), version=version, scripts=scripts)
        lock(made)
        return made

    return make


def said(project: Project, home: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads(launch(project.binary("app"), home=home).output.splitlines()[-1])
    return found


def test_what_came_last_ships_in_every_build(make: Callable[..., Project], home: Path) -> None:
    app = make("app", one="1.0", two="1.0")
    result = app.nox("-s", "verify")
    assert result.said("install: again, one after the other, for files that they have or had in common: one, two")
    assert "install: share/shared.txt and 1 more: in one and in two, which came last, so" in result.output
    assert "install: bin/speak: in one and in two; pex takes one of them, and warns" in result.output
    assert said(app, home) == {"shared": "two 1.0", "with": ["one", "two"]}
    before = app.binary("app").read_bytes()
    for _ in range(2):
        app.nox("-s", "install", "pex", "--", "--force")
        assert app.binary("app").read_bytes() == before
    assert "install: unchanged" in app.nox("-s", "pex").output


def test_one_of_them_changes_and_goes(make: Callable[..., Project], home: Path) -> None:
    app = make("app", one="1.0", two="1.0")
    app.nox("-s", "pex")
    for versions, shared in (
        ({"one": "2.0", "two": "1.0"}, "two 1.0"),
        ({"one": "2.0", "two": "2.0"}, "two 2.0"),
        ({"one": "2.0"}, "one 2.0"),
        ({"one": "2.0", "two": "1.0"}, "two 1.0"),
        ({"two": "1.0"}, "two 1.0"),
    ):
        make("app", **versions)
        app.nox("-s", "pex")
        assert said(app, home) == {"shared": shared, "with": sorted(versions)}
    app.nox("-s", "verify")


def test_nothing_of_it_reaches_another_project(make: Callable[..., Project], home: Path) -> None:
    make("both", one="1.0", two="1.0").nox("-s", "pex")
    alone = make("alone", one="1.0")
    assert "one after the other" not in alone.nox("-s", "verify").output
    assert said(alone, home) == {"shared": "one 1.0", "with": ["one"]}


def test_as_a_zipapp(make: Callable[..., Project], home: Path) -> None:
    app = make("app", mode="zipapp", one="1.0", two="1.0")
    app.nox("-s", "verify")
    assert said(app, home) == {"shared": "two 1.0", "with": ["one", "two"]}
