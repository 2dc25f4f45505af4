"""The built-in rules that say which files of a `package-mode = false` project ship if the settings say nothing.

All names are POSIX paths from the project's directory.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from msgspec import Struct

from nox_pex.project.tree import directories_above, top_of
from nox_pex.system import files

MODULES: Final = (".py", ".pyi", ".so")
"""Endings of files that Python imports or that type checkers read."""


_CODE: Final = (".py", ".so")
"""Endings of files that Python imports. A directory that has one is a package, with or without `__init__.py`."""


PROJECT: Final = "a separate project"
KEY: Final = "a private key, by its name"
TESTS: Final = "tests"
DOCUMENTATION: Final = "documentation"
BUILD_OUTPUT: Final = "build output"
CONFIGURATION: Final = "a file about the project"
NO_PACKAGE: Final = "in no package"
NO_MODULE: Final = "no module"
OUTSIDE_ROOT: Final = "outside sources.root"

ORDINARY: Final = frozenset({TESTS, DOCUMENTATION, BUILD_OUTPUT, CONFIGURATION})
"""Reasons that a person expects: such files are named, but nothing suggests to include them."""


_TOPS: Final = {
    **dict.fromkeys(("tests", "test"), TESTS),
    **dict.fromkeys(("docs", "doc"), DOCUMENTATION),
    **dict.fromkeys(("build", "dist"), BUILD_OUTPUT),
}
"""Directories at the root by what is in them. One with an `__init__.py` is a package, unless it has tests."""


_FAMILIAR: Final = frozenset(
    {
        *("CODEOWNERS", "MANIFEST.in", "Makefile", "GNUmakefile", "justfile", "Justfile", "Procfile", "setup.cfg"),
        *("tox.ini", "pytest.ini", "mypy.ini", "ruff.toml", "mkdocs.yml", "codecov.yml", "package.json"),
        *("setup.py", "noxfile.py"),
    }
)
"""Names of files at the root that are for the developer's machine, so nobody expects them in a binary."""


_FAMILIAR_BEGINNINGS: Final = (
    "README",
    "LICENCE",
    "LICENSE",
    "COPYING",
    "NOTICE",
    "AUTHORS",
    "CHANGE",
    "Dockerfile",
    "Containerfile",
)


_FAMILIAR_ENDINGS: Final = (".md", ".rst", ".lock", ".log", ".iml")


_FAMILIAR_PATTERNS: Final = ("*compose*.y*ml", "requirements*.txt", "constraints*.txt")
"""Each pattern is compiled in every run, also if nothing changed: names, beginnings and endings cost nothing."""


_KEYS: Final = frozenset({"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"})


_KEY_ENDINGS: Final = (".pem", ".key", ".p12", ".pfx")


class Rules(Struct, frozen=True, kw_only=True):
    """The rules for the files of one project.

    `below` is the directory that holds the modules and packages (`sources.root`), empty for the project's directory;
    "at the root" means in it. `projects` are the directories that are separate projects. `packages` are the names of
    the directories at the root that Python can import and that contain code, and `tops` those of all modules and
    packages at the root, without an ending.
    """

    below: str
    projects: frozenset[str]
    packages: frozenset[str]
    tops: frozenset[str]

    @classmethod
    def of(cls, files: Mapping[str, str], *, root: Path, below: str = "") -> Rules:
        """Return the rules for `files`, each with the path of the file itself from the project's directory `root`."""
        prefix = f"{below}/" if below else ""
        projects = frozenset(each for each in _separate_projects(files, root) if not prefix.startswith(f"{each}/"))
        own = (name for name in files if not projects or projects.isdisjoint(directories_above(name)))
        inside = {name[len(prefix) :] for name in own if name.startswith(prefix)}
        packages, modules = _packages(inside), {name for name in inside if "/" not in name and name.endswith(MODULES)}
        tops = packages | {name.partition(".")[0] for name in modules}
        return cls(below=below, projects=projects, packages=packages, tops=tops)

    def reason(self, name: str, file: str) -> str | None:
        """Return why the file `name` does not ship; None if it does. `file` is the file itself, if `name` is a link.

        What ships are the modules at the root, and all files in packages.
        """
        if not self.projects.isdisjoint(directories_above(name)):
            return PROJECT
        if is_key(name) or is_key(file):
            return KEY
        if self.below and not name.startswith(f"{self.below}/"):
            return ordinary_reason(name) or OUTSIDE_ROOT
        name = name[len(self.below) + 1 :] if self.below else name
        if "/" in name:
            return None if top_of(name) in self.packages else ordinary_reason(name) or NO_PACKAGE
        if not name.endswith(MODULES):
            return ordinary_reason(name) or NO_MODULE
        return TESTS if self._tests_another(name.partition(".")[0]) else ordinary_reason(name)

    def _tests_another(self, stem: str) -> bool:
        """Whether a module at the root has the name of the test of another module or package there."""
        return stem.endswith("_test") and stem.removesuffix("_test") in self.tops


def _packages(inside: Collection[str]) -> frozenset[str]:
    """The directories at the root that are packages; `inside` are all files, from the root."""
    found = {top_of(name) for name in inside if "/" in name and name.endswith(_CODE)}
    no_packages = {top for top, reason in _TOPS.items() if reason == TESTS or f"{top}/__init__.py" not in inside}
    return frozenset(top for top in found - no_packages if top.isidentifier())


def ordinary_reason(name: str) -> str | None:
    """Return the one of `ORDINARY` that its name gives to a file at the root, or in a directory there; else None."""
    top, inside, _ = name.partition("/")
    if inside:
        return _TOPS.get(top)
    if _is_familiar(name):
        return CONFIGURATION
    is_test = name.startswith("test_") or name.partition(".")[0] in {"tests", "conftest"}
    return TESTS if is_test and name.endswith(MODULES) else None


def _is_familiar(name: str) -> bool:
    """Whether a file at the root is one for the developer's machine."""
    by_name = name in _FAMILIAR or name.startswith(_FAMILIAR_BEGINNINGS) or name.endswith(_FAMILIAR_ENDINGS)
    return by_name or any(fnmatchcase(name, pattern) for pattern in _FAMILIAR_PATTERNS)


def is_key(name: str) -> bool:
    """Whether a file is a private key, by its name. A public certificate with such a name ships through `include`."""
    return name.endswith(_KEY_ENDINGS) or name.rpartition("/")[2] in _KEYS


def _separate_projects(files: Mapping[str, str], root: Path) -> frozenset[str]:
    """The directories that are separate projects: each has a `pyproject.toml` that describes one.

    One in a directory with an `__init__.py`, or below it, is data of that package, such as a template.
    """
    manifests = [name for name in files if name.endswith("/pyproject.toml")]
    if not manifests:
        return frozenset()
    packages = {name.removesuffix("/__init__.py") for name in files if name.endswith("/__init__.py")}
    candidates = [(manifest, [*directories_above(manifest)]) for manifest in manifests]
    return frozenset(
        directories[0]
        for manifest, directories in candidates
        if packages.isdisjoint(directories) and _describes_project(root / files[manifest])
    )


def _describes_project(manifest: Path) -> bool:
    """Whether a `pyproject.toml` is that of a project, and does not only configure tools. Broken TOML is not."""
    try:
        document = tomllib.loads(files.read_text(manifest))
    except (OSError, ValueError, RecursionError):
        return False
    tool = document.get("tool")
    return "project" in document or "build-system" in document or (isinstance(tool, dict) and "poetry" in tool)
