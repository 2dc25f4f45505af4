"""The lock fits Python 3.14, on which these tests have not run yet: so it has no classifier."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from packaging import tags
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.utils import parse_wheel_filename

ROOT: Final = Path(__file__).resolve().parents[2]
PYTHON: Final = (3, 14)
PLATFORMS: Final = {
    "x86_64": [f"manylinux_2_{minor}_x86_64" for minor in range(36, 4, -1)] + ["manylinux2014_x86_64", "linux_x86_64"],
    "aarch64": [f"manylinux_2_{minor}_aarch64" for minor in range(36, 16, -1)] + ["manylinux2014_aarch64"],
}
LOCK: Final = tomllib.loads((ROOT / "poetry.lock").read_text("utf-8"))
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def supported(machine: str) -> set[tags.Tag]:
    """The tags of the wheels that CPython 3.14 installs on Debian 12 and later."""
    platforms = PLATFORMS[machine]
    own = tags.cpython_tags(PYTHON, abis=["cp314"], platforms=platforms)
    return {*own, *tags.compatible_tags(PYTHON, interpreter="cp314", platforms=platforms)}


def needed(machine: str, groups: set[str]) -> Iterator[dict[str, Any]]:
    """The locked packages of some groups that are installed on Python 3.14."""
    environment = {
        "python_version": "3.14",
        "python_full_version": "3.14.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "extra": "",
    }
    for package in LOCK["package"]:
        markers = package.get("markers", {})
        each = {group: markers if isinstance(markers, str) else markers.get(group, "") for group in package["groups"]}
        if any(group in groups and (not text or Marker(text).evaluate(environment)) for group, text in each.items()):
            yield package


@pytest.mark.parametrize("machine", PLATFORMS)
def test_what_nox_pex_needs_is_locked_with_wheels_for_it(machine: str) -> None:
    wanted = supported(machine)
    found = {package["name"]: package for package in needed(machine, {"main"})}
    without = [
        name
        for name, package in found.items()
        if not any(
            file["file"].endswith(".whl") and wanted & parse_wheel_filename(file["file"])[3]
            for file in package["files"]
        )
    ]
    assert len(found) > 30
    assert without == []
    assert "backports-zstd" not in found  # its standard library has it


def test_no_locked_package_of_any_group_forbids_it() -> None:
    groups = {group for package in LOCK["package"] for group in package["groups"]}
    found = list(needed("x86_64", groups))
    pythons = {each["name"]: each["python-versions"] for each in found}
    refused = [name for name, text in pythons.items() if text != "*" and not SpecifierSet(text).contains("3.14.0")]
    assert groups == {"main", "test", "docs", "lint", "types"}
    assert refused == []


def test_the_classifiers_name_only_pythons_that_the_library_allows_and_not_3_14() -> None:
    prefix = "Programming Language :: Python :: 3."
    named = [each.removeprefix(prefix) for each in PROJECT["classifiers"] if each.startswith(prefix)]
    assert named == ["11", "12", "13"]
    assert all(SpecifierSet(PROJECT["requires-python"]).contains(f"3.{minor}") for minor in [*named, "14"])
