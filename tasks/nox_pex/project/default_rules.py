"""The built-in rules that say which files of a `package-mode = false` project ship if the settings say nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from nox_pex.project.tree import directories_above, top_of

MODULES: Final = (".py", ".pyi", ".so")
"""Endings of files that Python imports or that type checkers read."""


_TEST_DIRECTORIES: Final = frozenset({"tests", "test"})


_TEST_MODULES: Final = frozenset({"tests.py", "conftest.py"})


_OTHER_DIRECTORIES: Final = frozenset({"docs", "doc", "build", "dist"})
"""Directories at the root for documentation and build output."""


_OTHER_MODULES: Final = frozenset({"noxfile.py", "setup.py"})
"""Modules at the root that run on the developer's machine."""


_KEYS: Final = frozenset({"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"})


_KEY_ENDINGS: Final = (".pem", ".key", ".p12", ".pfx")


def candidates(names: Collection[str]) -> set[str]:
    """The files among `names` without tests, documentation, build output, private keys and other projects."""
    projects = _other_projects(names)
    return {name for name in names if not _is_excluded(name) and projects.isdisjoint(directories_above(name))}


def packages_of(names: Iterable[str]) -> set[str]:
    """The directories at the root that Python can import and that contain Python code."""
    return {top_of(name) for name in names if name.endswith(".py") and top_of(name).isidentifier()}


def ships(name: str, packages: Collection[str]) -> bool:
    """Whether a candidate ships: a module at the root, or any file inside one of `packages`."""
    return top_of(name) in packages if "/" in name else name.endswith(MODULES)


def is_key(name: str) -> bool:
    """Whether a file is a private key, by its name. A public certificate with such a name ships through `include`."""
    return name.endswith(_KEY_ENDINGS) or name.rpartition("/")[2] in _KEYS


def _is_excluded(name: str) -> bool:
    *directories, last = name.split("/")
    return (
        not _TEST_DIRECTORIES.isdisjoint(directories)
        or last in _TEST_MODULES
        or (last.endswith(".py") and (last.startswith("test_") or last.endswith("_test.py")))
        or (directories[0] in _OTHER_DIRECTORIES if directories else name in _OTHER_MODULES)
        or is_key(name)
    )


def _other_projects(names: Iterable[str]) -> set[str]:
    """The directories that are separate projects. One inside a package is data of that package, such as a template."""
    packages = {name.removesuffix("/__init__.py") for name in names if name.endswith("/__init__.py")}
    projects = {name.rpartition("/")[0] for name in names if name.endswith(("/pyproject.toml", "/setup.py"))}
    return {project for project in projects if packages.isdisjoint([project, *directories_above(project)])}
