"""Targets for binaries that no project was built into."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from nox_pex.pex.target import Target
from nox_pex.project.pyproject import Project
from nox_pex.settings.model import Settings


def target_of(binary: Path, *, root: Path, name: str = "program", **tables: Mapping[str, Any]) -> Target:
    """A target in the project `root` whose prebuilt file is `binary`. `tables` are those below the binary's table."""
    document = {"binary": {name: {"entry-point": "main", **tables}}}
    return Target(
        name=name,
        suffix="",
        project=Project(
            root=root,
            document={},
            name=name,
            version="1.0",
            package_mode=False,
            scripts={},
            groups=frozenset({"main"}),
            extras=frozenset(),
            build_requires=(),
            includes=(),
        ),
        settings=msgspec.convert(document, Settings),
        state=root / ".nox" / "state",
        prebuilt=binary,
    )
