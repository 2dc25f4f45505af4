"""Distributions that install the same files, as `opencv-python` and `opencv-python-headless` do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.binaries import launch
from tests.support.distribution_files import write_wheel
from tests.support.locker import Locker
from tests.support.nox_project import Project

MAIN = """\
import json
from importlib.metadata import distributions

import shared
import shared.same


def main() -> None:
    print(json.dumps({"shared": shared.OF, "with": sorted(found.name for found in distributions())}))
"""


def contents(name: str, version: str = "1.0") -> Mapping[str, str]:
    """The files of a distribution: some are in every one, with the same or with other content; one module is not."""
    return {
        "shared/__init__.py": f"OF = '{name} {version}'\n",
        "shared/same.py": "",
        f"shared/{name}.py": f"def main():\n    print('{name}')\n",
        f"{name}-{version}.data/data/share/shared.txt": f"{name}\n",
    }


@pytest.fixture
def make(write_project: Callable[..., Project], lock: Locker) -> Callable[..., Project]:
    """Write a project that depends on wheels, by their names and versions, and lock it. It may exist already.

    It has a binary for each execution mode in `modes`, and the binary's name is the mode's.
    """

    def make(project: str, *, modes: Sequence[str] = ("venv",), **versions: str) -> Project:
        pyproject = (
            '[tool.poetry]\nname = "app"\npackage-mode = false\n\n[tool.poetry.dependencies]\npython = ">=3.10"\n'
            + "".join(
                f'{name} = {{ path = "wheels/{name}-{version}-py3-none-any.whl" }}\n'
                for name, version in versions.items()
            )
            + "".join(
                f'\n[tool.nox-pex.binary.{mode}]\nentry-point = "main:main"\nexecution-mode = "{mode}"\n'
                for mode in modes
            )
        )
        app = write_project(project, {"main.py": MAIN, "pyproject.toml": pyproject})
        for name, version in versions.items():
            scripts = {"speak": f"shared.{name}:main"}
            write_wheel(app.root / "wheels", name, contents(name, version), version=version, scripts=scripts)
        lock(app)
        return app

    return make


def answer(project: Project, home: Path, binary: str = "venv") -> dict[str, Any]:
    """The answer of a binary: which file of `shared` it has, and its distributions."""
    found: dict[str, Any] = json.loads(launch(project.binary(binary), home=home).output.splitlines()[-1])
    return found


def test_the_file_of_the_last_distribution_ships_in_every_build_and_mode(
    make: Callable[..., Project], home: Path
) -> None:
    app = make("app", modes=("venv", "zipapp"), one="1.0", two="1.0")
    result = app.nox("-s", "verify")
    assert result.said("install: reinstalling one at a time, because they install the same files: one, two")
    assert "install: share/shared.txt and 1 more: in one and in two; two was installed last, so" in result.output
    assert "install: bin/speak: in one and in two; pex uses one of them, and warns" in result.output
    for mode in ("venv", "zipapp"):
        (separate := home / mode).mkdir()
        assert answer(app, separate, mode) == {"shared": "two 1.0", "with": ["one", "two"]}
    before = app.binary("venv").read_bytes()
    for _ in range(2):
        app.nox("-s", "install", "pex", "--", "venv", "--force")
        assert app.binary("venv").read_bytes() == before
    assert "install: unchanged" in app.nox("-s", "pex").output


@pytest.mark.long
def test_the_right_file_ships_after_either_distribution_changed_or_was_removed(
    make: Callable[..., Project], home: Path
) -> None:
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
        assert answer(app, home) == {"shared": shared, "with": sorted(versions)}
    app.nox("-s", "verify")


def test_a_project_with_one_of_the_distributions_gets_its_files(make: Callable[..., Project], home: Path) -> None:
    make("both", one="1.0", two="1.0").nox("-s", "pex")
    alone = make("alone", one="1.0")
    assert "one at a time" not in alone.nox("-s", "verify").output
    assert answer(alone, home) == {"shared": "one 1.0", "with": ["one"]}
