"""The files that Poetry and pex were installed from, each with its digest.

Fact sources: "Binary distribution format" (`WHEEL`) and "Recording installed projects" on packaging.python.org.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct
from packaging.utils import parse_wheel_filename

from nox_pex.distributions.environment import Environment, wheel_tags
from nox_pex.errors import NoxPexError
from nox_pex.evidence import materials
from nox_pex.tools.wheels import WHEELS


class ToolFile(Struct, frozen=True, kw_only=True):
    """An installed tool, and the digest by which it is known.

    `file` is the wheel that it was installed from, and `sha256` its digest, if nox-pex pins it. Otherwise nox-pex
    installed it without hashes, and no hash of that wheel is known: `file` is the RECORD of the installation, which has
    the hashes of all its files, and `sha256` is the digest of that.
    """

    name: str
    version: str
    file: str
    sha256: str
    pinned: bool

    def as_json(self) -> dict[str, Any]:
        """Return its descriptor (`ResourceDescriptor`)."""
        found: dict[str, Any] = {
            "name": self.file,
            "uri": materials.purl("pypi", self.name, self.version),
            "digest": {"sha256": self.sha256},
        }
        return found if self.pinned else {**found, "annotations": {"installedWithoutHashes": True}}


def installed(name: str, *, python: Path) -> ToolFile:
    """Return the file of the tool `name` (`pex`, `poetry`), installed in the environment of the interpreter `python`.

    `pinned.provide_poetry(…).python` and `pinned.install_pex(…)` return such an interpreter.
    Raises `NoxPexError` `tool-install` if it is not installed there.
    """
    found = Environment(path=python.parent.parent).find(name)
    if found is None or found.record is None:
        problem = f"{name} is not installed in {python.parent.parent}"
        raise NoxPexError("tool-install", problem, "remove that directory, and run it again")
    tags = {*wheel_tags(found)}
    for file, sha256 in WHEELS.items():
        of_wheel, version, _, of_file = parse_wheel_filename(file)
        if (of_wheel, str(version)) == (found.name, found.version) and {str(tag) for tag in of_file} == tags:
            return ToolFile(name=name, version=found.version, file=file, sha256=sha256, pinned=True)
    record = f"{found.directory.name}/RECORD"
    return ToolFile(name=name, version=found.version, file=record, sha256=found.record, pinned=False)
