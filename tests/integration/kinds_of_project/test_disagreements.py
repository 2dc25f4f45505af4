"""Distributions that Poetry installs and that pex objects to: they ship as Poetry installed them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.binaries import launch, pex_info
from tests.support.digests import digest
from tests.support.distribution_files import write_wheel
from tests.support.git_repository import GitRepository
from tests.support.locker import Locker
from tests.support.nox_project import Project
from tests.support.poetry_package import package_files
from tests.support.target_platforms import THIS, describe, set_platforms

WriteProject = Callable[..., Project]


ODD: Final[dict[str, dict[str, Any]]] = {
    "star_python": {"metadata": "Requires-Python: >=3.6.*\n"},
    "old_python": {"metadata": "Requires-Python: <3\n"},
    "star": {"metadata": "Requires-Dist: helper (>=1.0.*)\n"},
    "dev": {"metadata": "Requires-Dist: helper (>dev)\n"},
    "marked": {"metadata": "Requires-Dist: helper (>=5.1.*) ; python_version >= '3'\n"},
    "folded": {"metadata": "Requires-Dist: helper\n  (>=1.0)\n"},
    "newer": {"metadata": "Requires-Dist: helper (>=9)\n"},
    "lonely": {"metadata": "Requires-Dist: setuptools\nRequires-Dist: gone[x]>=2\n"},
    "greedy": {"metadata": "Requires-Dist: helper[more]\n"},
    "helper": {"metadata": "Provides-Extra: more\nRequires-Dist: absent ; extra == 'more'\n"},
    "latin": {"metadata": "Author: Müller\n", "encoding": "latin-1"},
    "renamed": {"tag": "cp27-cp27m-win32"},
    "spread": {"entry_points": "[plugins]\nspread =\n    spread:main\nodd = a:b=c\n"},
}
"""Wheels by name, each with metadata to which pex objects."""


MAIN: Final = """\
import sys
from importlib.metadata import metadata, requires

{imports}

def main() -> None:
    print(*sorted(sys.modules.keys() & {names!r}))
    print(metadata("latin")["Author"], requires("star"), requires("newer"), requires("grown"))
"""


def binary(name: str, **table: str) -> str:
    """A table whose binary prints what it contains."""
    settings = {"entry-point": '"main:main"', "smoke.command": '[{ stdout-matches = "Müller" }]', **table}
    return f"[tool.nox-pex.binary.{name}]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items())


def write_application(write_project: WriteProject) -> Project:
    """A project with a binary for each execution mode, that imports all of its dependencies."""
    files = "".join(f'{name} = {{ path = "wheels/{name}-1.0-py3-none-any.whl" }}\n' for name in ODD)
    names = {*ODD, "union", "grown"}
    union = '[tool.poetry.dependencies]\nidna = "^2.0 || ^3.0"\n'
    return write_project(
        "app",
        {
            "pyproject.toml": (
                '[tool.poetry]\nname = "app"\npackage-mode = false\n\n'
                f'[tool.poetry.dependencies]\npython = ">=3.10"\nidna = "*"\n{files}'
                'union = { path = "union" }\ngrown = { path = "grown" }\n\n'
                + binary("venv")
                + binary("zip", **{"execution-mode": '"zipapp"', "exclude": '["setuptools"]'})
                + binary("there", **{"complete-platforms": "[]"})
            ),
            "main.py": MAIN.format(imports="".join(f"import {name}\n" for name in sorted(names)), names=names),
            **package_files("union", "union", below="union/", dependencies=union),
            **package_files("grown", "grown", below="grown/"),
        },
    )


def write_wheels(directory: Path, *, odd: bool) -> list[Path]:
    """Write all wheels; unless `odd`, with metadata to which nobody objects."""
    return [write_wheel(directory, name, {f"{name}.py": ""}, **(given if odd else {})) for name, given in ODD.items()]


def lock_then_change(app: Project, lock: Locker) -> None:
    """Lock plain wheels, then replace them and their hashes: Poetry accepts a lock without reading metadata again."""
    plain = write_wheels(app.root / "wheels", odd=False)
    before = {path: digest(path) for path in plain}
    lock(app)
    text = (app.root / "poetry.lock").read_text("utf-8")
    for path in write_wheels(app.root / "wheels", odd=True):
        text = text.replace(before[path], digest(path))
    (app.root / "poetry.lock").write_text(text, "utf-8")
    app.edit("grown/pyproject.toml", 'version = "1.0"', 'version = "2.0"')
    with (app.root / "grown" / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write('[tool.poetry.dependencies]\nidna = ">=99"\nbrand-new = "*"\n')


REWRITTEN: Final = {
    "dev": "Requires-Dist: helper",
    "folded": "Requires-Dist: helper (>=1.0)",
    "latin": "METADATA in UTF-8",
    "marked": "Requires-Dist: helper ; python_version >= '3'",
    "old-python": "",
    "star": "Requires-Dist: helper",
    "star-python": "",
    "union": "Requires-Dist: idna",
}
"""The fields that pex refuses, by distribution, as the binary has them, for a Python of any platform."""


@pytest.mark.long
def test_what_pex_objects_to_ships_as_poetry_installed_it(
    write_project: WriteProject, lock: Locker, home: Path
) -> None:
    app = write_application(write_project)
    set_platforms(app, {"this": describe(THIS)})
    lock_then_change(app, lock)
    said = app.nox("-s", "freeze", "smoke", "verify")
    assert said.said("warning: newer 1.0 requires helper (>=9), but Poetry installed 1.0", "run `poetry lock`")
    assert said.said("warning: grown 2.0 requires brand-new, which is not installed", "run `poetry lock`")
    assert said.said("warning: grown 2.0 ships as Poetry installed it", "poetry.lock says 1.0")
    assert said.said("integrity", "note: lonely 1.0 requires gone[x]>=2")
    assert said.said("closure", "note: grown is 2.0, and poetry.lock says 1.0")
    direct = (app.root / "dist" / "venv.requirements-direct.txt").read_text("utf-8")
    assert "grown @ grown" in direct

    for name in ("venv", "zip", "there"):
        (own := home / name).mkdir()
        for _ in ("cold", "warm"):
            result = launch(app.binary(name), home=own)
            names, values = result.output.splitlines()
            assert result.status == 0
            assert names.split() == sorted({*ODD, "union", "grown"})
            assert values == "Müller ['helper'] ['helper (>=9)'] ['brand-new', 'idna (>=99)']"
        found = app.record(name)["disagreements"]
        others = {"renamed": "Tag: py3-none-any"} if name != "there" else {}
        rewritten = {each["distribution"]: each["replacement"] for each in found if each["kind"] == "rewritten"}
        assert {**rewritten, "spread": ""} == {**REWRITTEN, **others, "spread": ""}
        missing = {each["text"] for each in found if each["kind"] == "missing"}
        assert missing == {"brand-new", "gone[x]>=2", "absent ; extra == 'more'"} | (
            {"setuptools"} if name != "zip" else set()
        )
        assert {each["text"]: each["installed"] for each in found if each["kind"] == "unmet"} == {
            "helper (>=9)": "1.0",
            "idna (>=99)": pinned_version(app, "idna"),
        }
        assert [each["text"] for each in found if each["kind"] == "moved"] == ["1.0"]
        verdict = json.loads((app.root / "dist" / f"{name}.verify.json").read_text("utf-8"))
        assert verdict["passed"]
        assert {"helper==1.0", f"idna=={pinned_version(app, 'idna')}"} == set(pex_info(app.binary(name))["overridden"])

    edited = app.nox("-s", "pex", "--", "venv", "--force")
    assert edited.said("creating the environment again: Poetry cannot read the metadata of latin, which is not UTF-8")
    assert edited.said("warning: newer 1.0 requires")
    assert app.nox("-s", "pex", "--", "venv").said("pex: venv unchanged")


def pinned_version(app: Project, name: str) -> str:
    """The version of a distribution in the build record."""
    versions = {each["name"]: each["version"] for each in app.record("venv")["distributions"]}
    version: str = versions[name]
    return version


def test_a_packaged_project_may_require_what_pex_cannot_parse(
    write_project: WriteProject, lock: Locker, home: Path
) -> None:
    files = package_files("shop", "shop", dependencies='[tool.poetry.dependencies]\nidna = "^2.0 || ^3.0"\n')
    files["shop.py"] += "def main() -> None:\n    import idna\n    print(TEXT, idna.__name__)\n"
    app = write_project("app", files)
    with (app.root / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(
            '[tool.nox-pex.binary.shop]\nentry-point = "shop:main"\nsmoke.command = [{ stdout-matches = "shop" }]\n'
        )
    lock(app)
    assert app.nox("-s", "smoke", "verify").said(
        "warning: shop 1.0 has `Requires-Dist: idna (>=2.0,<3.0 || >=3.0,<4.0)`"
    )
    before = app.record("shop")["disagreements"]
    assert [(each["kind"], each["replacement"]) for each in before] == [("rewritten", "Requires-Dist: idna")]
    app.edit("shop.py", "'shop'", "'edited'")
    app.nox("-s", "pex")
    assert "compose" in app.record("shop")["seconds"]
    assert app.record("shop")["disagreements"] == before
    assert launch(app.binary("shop"), home=home).output == "edited idna\n"


def test_a_path_dependency_whose_version_comes_from_git_moves_with_every_commit(
    write_project: WriteProject, lock: Locker, home: Path
) -> None:
    """Committing the lock moves the version, so no lock can have it."""
    app = write_project(
        "app",
        {
            "pyproject.toml": (
                '[tool.poetry]\nname = "app"\npackage-mode = false\n\n'
                '[tool.poetry.dependencies]\npython = ">=3.10"\nmoving = { path = "../moving" }\n\n'
                '[tool.nox-pex.binary.app]\nentry-point = "main:main"\n'
            ),
            "main.py": "from importlib.metadata import version\n\ndef main():\n    print(version('moving'))\n",
            "../moving/pyproject.toml": (
                '[build-system]\nrequires = ["setuptools>=77,<82", "setuptools-scm>=8,<10"]\n'
                'build-backend = "setuptools.build_meta"\n'
                '[project]\nname = "moving"\ndynamic = ["version"]\n[tool.setuptools_scm]\nroot = ".."\n'
                '[tool.setuptools]\npy-modules = ["moving"]\n'
            ),
            "../moving/moving.py": "",
            "../other/readme.txt": "",
            "../.gitignore": ".nox/\ndist/\nbuild/\n*.egg-info/\ncache/\nhome/\n*-cache/\n",
        },
    )
    repository = GitRepository(root=app.root.parent, environ=app.environ)
    repository.commit()
    repository.git("tag", "v1.0")
    lock(app)
    repository.commit()
    assert app.nox("-s", "freeze", "verify").said("warning: moving 1.1.dev1+g", "poetry.lock says 1.0")
    version = {each["name"]: each["version"] for each in app.record("app")["distributions"]}["moving"]
    assert launch(app.binary("app"), home=home).output == f"{version}\n"
    (found,) = app.record("app")["disagreements"]
    assert found == {"distribution": "moving", "version": version, "kind": "moved", "text": "1.0"}
