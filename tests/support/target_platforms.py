"""Descriptions of other Pythons, as targets of a binary."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from nox_pex.platforms import ask_python
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from tests.support.interpreters import pythons
from tests.support.nox_project import Project

Description = dict[str, Any]

THIS: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The minor version of the Python that runs these tests."""

OTHER: Final = next((minor for minor in ("3.12", "3.13", "3.10") if minor in pythons()), None)
"""The minor version of another Python of this machine, if it has one."""


def on_aarch64(description: Description) -> Description:
    """The same Python on the architecture aarch64."""
    tags = [tag.replace("x86_64", "aarch64") for tag in description["compatible_tags"]]
    return {
        "compatible_tags": tags,
        "marker_environment": {**description["marker_environment"], "platform_machine": "aarch64"},
    }


def on_musl(description: Description) -> Description:
    """The same Python with musl 1.2 as its C library."""
    tags = [re.sub(r"manylinux(_2_\d+|\d+)_", "musllinux_1_2_", tag) for tag in description["compatible_tags"]]
    return {**description, "compatible_tags": list(dict.fromkeys(tags))}


@cache
def describe(minor: str) -> Description:
    """The description of a Python of this machine, as `nox -s platform` prints it."""
    shell = Shell(environ={}, secrets=Secrets(), say=lambda _: None)
    return ask_python.ask(pythons()[minor], shell).as_json()


def set_platforms(project: Project, descriptions: Mapping[str, Description]) -> None:
    """Write the descriptions as `platforms/NAME.json`, and name these files in the project's `complete-platforms`."""
    directory = project.root / "platforms"
    directory.mkdir(exist_ok=True)
    for name, description in descriptions.items():
        (directory / f"{name}.json").write_text(json.dumps(description), "utf-8")
    file = project.root / "pyproject.toml"
    listed = [f"platforms/{name}.json" for name in descriptions]
    text = re.sub(r"complete-platforms = .*", f"complete-platforms = {listed!r}", file.read_text("utf-8"))
    file.write_text(text, "utf-8")


class OnlyPython(Struct, frozen=True):
    """Makes a `PATH` with one Python. `directory` is a directory of the test's."""

    directory: Path

    def __call__(self, minor: str) -> dict[str, str]:
        """A `PATH` with this Python and the programs that it may call, and with no other Python that fits a target."""
        (programs := self.directory / f"bin-{minor}").mkdir(exist_ok=True)
        for name in ("ldd", "uname"):
            if found := shutil.which(name):
                (programs / name).unlink(missing_ok=True)
                (programs / name).symlink_to(found)
        return {"PATH": f"{pythons()[minor].parent}:{programs}"}
