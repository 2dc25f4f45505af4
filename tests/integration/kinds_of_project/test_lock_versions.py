"""Locks of every version: their groups, extras, markers and Pythons."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.pylock import Pylock

from tests.support.binaries import launch
from tests.support.interpreters import pythons
from tests.support.nox_project import Project

Make = Callable[[str], Project]


def frozen(project: Project, name: str) -> dict[str, set[str]]:
    """The requirements in the frozen file of a binary, and the hashes of each."""
    text = (project.root / "dist" / f"{name}.requirements.txt").read_text("utf-8")
    lines = [line for line in text.replace("\\\n", "").splitlines() if not line.startswith("#")]
    return {line.split()[0]: set(re.findall(r"--hash=(\S+)", line)) for line in lines}


@pytest.mark.parametrize("poetry", ["pinned", "1.8.5"])
def test_a_lock_of_version_1_1_is_installed_and_frozen(project: Make, home: Path, poetry: str) -> None:
    jotter = project("lock_1_1")
    if poetry != "pinned":
        jotter.append("pyproject.toml", f'\n[tool.nox-pex]\npoetry-version = "{poetry}"\n')
    jotter.nox("-s", "pex")
    distributions = ["h11==0.16.0", "idna==3.11", "jotter==0.3.0", "tabulate==0.9.0"]
    assert launch(jotter.binary("jot"), "x", home=home).output == f"0.3.0 {' '.join(distributions)} x\n"
    pins = frozen(jotter, "jot")
    assert pins.keys() == {"h11==0.16.0", "idna==3.11", "tabulate==0.9.0"}
    document = tomllib.loads((jotter.root / "dist" / "pylock.jot.toml").read_text("utf-8"))
    assert [package.name for package in Pylock.from_dict(document).packages] == ["h11", "idna", "tabulate"]
    # The lock has one list of hashes for both versions of tabulate.
    assert pins["tabulate==0.9.0"] == {
        "sha256:024ca478df22e9340661486f85298cff5f6dcdba14f3813e8830015b9ed1948f",
        "sha256:0095b12bf5966de529c0feb1fa08671671b3368eec77d7ef7ab114be2c068b3c",
    }


def test_a_lock_of_version_2_0_with_an_extra_whose_marker_is_a_conjunction(project: Make) -> None:
    standard = project("standard")
    result = standard.nox("-s", "smoke")
    names = {found["name"] for found in standard.record("standard")["distributions"]}
    assert {"uvicorn", "uvloop", "httptools", "watchfiles", "websockets", "python-dotenv", "pyyaml"} <= names
    assert not {"iniconfig", "tabulate", "colorama"} & names
    odd = {found["name"] for found in standard.record("odd")["distributions"]}
    assert odd - names == {"iniconfig"}, result.output


def test_dependencies_from_project_and_tool_poetry_with_groups_and_extras_ship(project: Make, home: Path) -> None:
    mixed = project("mixed")
    mixed.nox("-s", "smoke")
    lines = launch(mixed.binary("mixed"), home=home).output.splitlines()
    assert lines[0] == "LOUD 2.0.0 >=3.10,<4.0"
    assert lines[1] == "stock.txt"
    assert [pin.partition("==")[0] for pin in lines[2].split()] == [
        *("h11", "idna", "iniconfig", "mixed", "pluggy", "sniffio", "tabulate", "wcwidth")
    ]
    shipped = mixed.record("mixed")["sources"]["taken"]
    assert "generated/made.txt" in shipped
    assert "mixed/notes.txt" not in shipped
    (mixed.root / "generated" / "made.txt").write_text("made again", "utf-8")
    assert mixed.nox("-s", "pex").said("rebuilding mixed", "generated/made.txt changed")


@pytest.mark.long
@pytest.mark.skipif(len(pythons()) < 2, reason="needs two Pythons, from pyenv or on PATH")
def test_each_python_gets_its_version_of_a_package_that_is_locked_several_times(project: Make, home: Path) -> None:
    several = project("several_versions")
    targets = [minor for minor in pythons() if minor in ("3.9", "3.10", "3.11", "3.12", "3.13")]
    several.write_noxfile(f"python={targets!r}")
    several.nox("-s", "pex")
    for minor in targets:
        name = f"which-py{minor}"
        old = tuple(map(int, minor.split("."))) < (3, 10)
        pins = [f"tabulate=={'0.8.10' if old else '0.9.0'}"]
        pins += ["zipp==3.23.0"] if minor in ("3.9", "3.10", "3.11") else []
        path = {"PATH": f"{pythons()[minor].parent}:/usr/bin:/bin"}
        assert launch(several.binary(name), home=home, env=path).output == f"{' '.join([minor, *pins])}\n"
        assert frozen(several, name).keys() == set(pins)
        assert several.record(name)["python"].startswith(f"CPython {minor}.")
