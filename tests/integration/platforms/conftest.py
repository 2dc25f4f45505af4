from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from nox_pex.platforms import ask_python
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from tests.integration.kinds.conftest import environ, lock, written
from tests.support.interpreters import pythons
from tests.support.nox_project import Project

__all__ = ["environ", "lock", "written"]

Described = dict[str, Any]

OTHER: Final = next((minor for minor in ("3.12", "3.13", "3.10") if minor in pythons()), None)
"""Another Python than the one that these tests run on, where this machine has one."""


def aarch64(described: Described) -> Described:
    """The same Python on another architecture."""
    tags = [tag.replace("x86_64", "aarch64") for tag in described["compatible_tags"]]
    return {
        "compatible_tags": tags,
        "marker_environment": {**described["marker_environment"], "platform_machine": "aarch64"},
    }


def musl(described: Described) -> Described:
    """The same Python over musl 1.2."""
    tags = [re.sub(r"manylinux(_2_\d+|\d+)_", "musllinux_1_2_", tag) for tag in described["compatible_tags"]]
    return {**described, "compatible_tags": list(dict.fromkeys(tags))}


@dataclass(frozen=True)
class World:
    """The Pythons of this machine as targets; `aside` is a directory of the test's own."""

    aside: Path

    def described(self, minor: str) -> Described:
        """The description of a Python, as `nox -s platform` prints it."""
        return _described(minor)

    def aim(self, project: Project, descriptions: Mapping[str, Described]) -> None:
        """Let the binary of a project, which has the key `complete-platforms`, be for these: names and descriptions."""
        directory = project.root / "platforms"
        directory.mkdir(exist_ok=True)
        for name, value in descriptions.items():
            (directory / f"{name}.json").write_text(json.dumps(value), "utf-8")
        file = project.root / "pyproject.toml"
        listed = [f"platforms/{name}.json" for name in descriptions]
        text = re.sub(r"complete-platforms = .*", f"complete-platforms = {listed!r}", file.read_text("utf-8"))
        file.write_text(text, "utf-8")

    def on(self, minor: str) -> dict[str, str]:
        """A PATH with one Python and what it may call, but with no other Python: that could be a target too."""
        (directory := self.aside / f"bin-{minor}").mkdir(exist_ok=True)
        for name in ("ldd", "uname"):
            if found := shutil.which(name):
                (directory / name).unlink(missing_ok=True)
                (directory / name).symlink_to(found)
        return {"PATH": f"{pythons()[minor].parent}:{directory}"}


@cache
def _described(minor: str) -> Described:
    shell = Shell(environ={}, secrets=Secrets(), say=lambda _: None)
    return ask_python.of_python(pythons()[minor], shell).as_json()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
