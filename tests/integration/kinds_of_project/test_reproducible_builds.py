"""Two clones give the same bytes, in circumstances that differ as much as one machine allows."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.binaries import launch, members
from tests.support.find_text import find_text
from tests.support.git_repository import GitRepository
from tests.support.interpreters import pythons
from tests.support.locker import Locker
from tests.support.nox_project import Project
from tests.support.poetry_package import BUILD_SYSTEM


def library(name: str, *, below: str, dependencies: str = "") -> dict[str, str]:
    """The files of a package with a module and a data file: their paths, which begin with `below`."""
    return {
        f"{below}pyproject.toml": (
            f'[project]\nname = "{name}"\nversion = "1.0"\nrequires-python = ">=3.10"\n\n{dependencies}\n{BUILD_SYSTEM}'
        ),
        f"{below}{name}/__init__.py": f"TEXT = '{name}'\n",
        f"{below}{name}/data.txt": "some data\n",
    }


APPLICATION = """\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["idna==3.11", "edited", "fixed"]

[tool.poetry]
{mode}

[tool.poetry.dependencies]
edited = {{ path = "edited", develop = true }}
fixed = {{ path = "libs/fixed", develop = false }}

[tool.nox-pex.binary.app]
entry-point = "app:main"
execution-mode = "{execution}"

"""
MAIN = "import deeper, edited, fixed, idna\n\n\ndef main() -> None:\n    print(deeper.TEXT, edited.TEXT, fixed.TEXT)\n"


KINDS = {
    "loose": APPLICATION.format(mode="package-mode = false", execution="venv"),
    "packaged": APPLICATION.format(mode='packages = [{ include = "app" }]', execution="zipapp") + BUILD_SYSTEM,
}


@pytest.mark.parametrize("kind", KINDS)
def test_two_clones_give_the_same_bytes_in_other_circumstances_and_after_an_edit_is_undone(
    write_project: Callable[..., Project], lock: Locker, tmp_path: Path, home: Path, kind: str
) -> None:
    origin = write_project(
        "origin",
        {
            "pyproject.toml": KINDS[kind],
            **{f"app/{name}.py": f"NAME = '{name}'\n" for name in ("a", "b", "c", "Z")},
            "app/__init__.py": MAIN,
            **library("edited", below="edited/"),
            **library("deeper", below="libs/deeper/"),
            **library(
                "fixed",
                below="libs/fixed/",
                dependencies='[tool.poetry.dependencies]\ndeeper = { path = "../deeper" }\n',
            ),
            ".gitignore": ".nox\ndist\n__pycache__\n",
        },
    )
    (origin.root / "app" / "run.sh").write_text("#!/bin/sh\n", "utf-8")
    (origin.root / "app" / "run.sh").chmod(0o755)
    lock(origin)
    GitRepository(root=origin.root, environ=origin.environ).commit()
    one, other = tmp_path / "one", tmp_path / "an other place, ünd länger"
    for clone in (one, other):
        GitRepository(root=tmp_path, environ=origin.environ).git("clone", "--quiet", str(origin.root), str(clone))

    first = Project(root=one, environ=origin.environ)
    first.nox("-s", "pex")
    other_circumstances = {
        "TZ": "Pacific/Kiritimati",
        "LANG": "tr_TR.UTF-8",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "4711",
        "PYTHONDONTWRITEBYTECODE": "1",
        "SOURCE_DATE_EPOCH": "1700000000",
        "HOME": str(tmp_path / "höme"),
        "XDG_CACHE_HOME": str(tmp_path / "xdg"),
        "POETRY_CACHE_DIR": str(tmp_path / "poetry"),
        "NOX_PEX_CACHE_DIR": str(tmp_path / "cold"),
    }
    # Only the tools are shared: the index would give the same ones again.
    (tmp_path / "höme").mkdir()
    (tmp_path / "cold").mkdir()
    (tmp_path / "cold" / "tools").symlink_to(Path(origin.environ["NOX_PEX_CACHE_DIR"]) / "tools")
    second = Project(root=other, environ={**origin.environ, **other_circumstances})
    before = os.umask(0o077)
    try:
        second.nox("-s", "pex")
    finally:
        os.umask(before)
    digests = [project.record("app")["sha256"] for project in (first, second)]
    assert digests[0] == digests[1], _differing(first.binary("app"), second.binary("app"))
    for path in (one, other, origin.root, Path(pythons()["3.11"]).parents[1] if "3.11" in pythons() else one):
        assert list(find_text(first.binary("app").read_bytes(), "app.pex", str(path))) == []
    assert launch(second.binary("app"), home=home).output == "deeper edited fixed\n"
    # With full caches, after another build in between.
    first.append("app/a.py", "# changed\n")
    first.nox("-s", "pex")
    assert first.record("app")["sha256"] != digests[0]
    GitRepository(root=one, environ=origin.environ).git("checkout", "--quiet", "app/a.py")
    first.nox("-s", "pex")
    assert first.record("app")["sha256"] == digests[0]


TWO_BINARIES = """\
[tool.poetry]
name = "app"
package-mode = false

[tool.poetry.dependencies]
python = ">=3.10"
idna = "3.11"

[tool.nox-pex.binary.a]
entry-point = "app:first"
execution-mode = "venv"

[tool.nox-pex.binary.b]
entry-point = "app:second"
execution-mode = "zipapp"
"""


def test_the_order_in_which_two_binaries_are_built_does_not_change_their_bytes(
    write_project: Callable[..., Project], lock: Locker, tmp_path: Path, home: Path
) -> None:
    functions = "".join(
        f"\n\ndef {name}() -> None:\n    print('{name}', idna.__name__)\n" for name in ("first", "second")
    )
    files = {"pyproject.toml": TWO_BINARIES, "app.py": f"import idna\n{functions}"}
    one = write_project("one", files)
    lock(one)
    copy = write_project("other", {**files, "poetry.lock": (one.root / "poetry.lock").read_text("utf-8")})
    # Only the tools are shared.
    cold = tmp_path / "cold"
    cold.mkdir()
    (cold / "tools").symlink_to(Path(one.environ["NOX_PEX_CACHE_DIR"]) / "tools")
    caches = {
        "NOX_PEX_CACHE_DIR": str(cold),
        "POETRY_CACHE_DIR": str(cold / "poetry"),
        "XDG_CACHE_HOME": str(cold / "xdg"),
    }
    other = Project(root=copy.root, environ={**copy.environ, **caches})
    for project, order in ((one, "ab"), (other, "ba")):
        for name in order:
            project.nox("-s", "pex", "--", name)
            assert project.binary(order[1]).exists() == (name == order[1])  # each run builds the one it names
    for name, said in (("a", "first"), ("b", "second")):
        same = one.binary(name).read_bytes() == other.binary(name).read_bytes()
        assert same, _differing(one.binary(name), other.binary(name))
        assert launch(other.binary(name), home=home).output == f"{said} idna\n"


def _differing(one: Path, other: Path) -> str:
    """The members that differ, for the message of a failure."""
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(other) as second:
        names = {*members(one), *members(other)}
        both = set(first.namelist()) & set(second.namelist())
        return str(sorted(n for n in names if n not in both or first.read(n) != second.read(n)))
