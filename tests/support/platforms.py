"""Targets, and what Poetry would install on them, written by hand."""

from __future__ import annotations

from typing import Any, Final

from nox_pex.platforms import choose_wheels
from nox_pex.platforms.choose_wheels import PlannedPackage
from nox_pex.platforms.platform import Platform, parse

MARKERS: Final = {
    "implementation_name": "cpython",
    "implementation_version": "3.12.4",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": "3.12.4",
    "python_version": "3.12",
    "sys_platform": "linux",
}
TAGS: Final = [
    "cp312-cp312-linux_x86_64",
    "cp312-cp312-manylinux_2_28_x86_64",
    "cp312-abi3-manylinux_2_28_x86_64",
    "py3-none-any",
]


def described(**changes: Any) -> dict[str, Any]:
    """The content of a file that describes a target."""
    return {"path": "/usr/bin/python3", "compatible_tags": TAGS, "marker_environment": MARKERS, **changes}


def target(name: str, *, python: str = "3.12", **markers: str) -> Platform:
    """A target with other markers."""
    version = {"python_version": python, "python_full_version": f"{python}.4"}
    return parse(name, described(marker_environment={**MARKERS, **version, **markers}))


def package(name: str, *files: str, source: str | None = None, url: str | None = None) -> PlannedPackage:
    """A package that Poetry would install: version 1, with files whose hashes are `sha256:` and their names."""
    entry = {
        "name": name,
        "version": "1",
        "source": source,
        "url": url,
        "subdirectory": None,
        "files": [[file, f"sha256:{file}"] for file in files],
    }
    return choose_wheels.parse([entry])[0]
