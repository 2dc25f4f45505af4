"""The Poetry project that a `pyproject.toml` describes."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import posixpath
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from msgspec import Struct
from packaging.utils import canonicalize_name

from nox_pex.errors import NoxPexError
from nox_pex.system import toml_file
from nox_pex.system.lazy import pattern

_POETRY_KEYS: Final = (
    "dependencies",
    "dev-dependencies",
    "group",
    "extras",
    "source",
    "requires-poetry",
    "requires-plugins",
    "build-constraints",
)


MAIN: Final = "main"
"""Poetry's name for the group of the project's own dependencies."""


_VERSIONING: Final = pattern(r"version|vcs|scm|^(?:dunamai|pbr)$")
"""Matches the names of build backend plugins that ask Git (`poetry-dynamic-versioning`, `hatch-vcs`)."""


_PROJECT_KEYS: Final = ("requires-python", "dependencies", "optional-dependencies")


class Project(Struct, frozen=True, kw_only=True):
    """A Poetry project.

    `root` is its directory, `document` the parsed `pyproject.toml`, `name` the normalized name, and `version` the
    static version or None. `package_mode` is whether Poetry treats it as a package. `scripts` are its console scripts
    (name to object reference). `other_scripts` are its GUI scripts, and the files that it installs as scripts (name to
    object reference, or None for a file). `groups` and `extras` are the normalized names of its dependency groups and
    extras. `build_requires` are the requirements of its build backend (PEP 518). `includes` are the patterns of files
    that Poetry ships in addition to the packages.
    """

    root: Path
    document: Mapping[str, Any]
    name: str
    version: str | None
    package_mode: bool
    scripts: Mapping[str, str]
    groups: frozenset[str]
    extras: frozenset[str]
    build_requires: tuple[str, ...]
    includes: tuple[str, ...]
    other_scripts: Mapping[str, str | None] = {}

    @property
    def file(self) -> Path:
        """The project's `pyproject.toml`."""
        return self.root / "pyproject.toml"

    @property
    def lock(self) -> Path:
        """The project's `poetry.lock`."""
        return self.root / "poetry.lock"

    @property
    def has_main_group(self) -> bool:
        """Whether Poetry knows the group `main`: it does only if there is a table or list of dependencies."""
        poetry, project = self.document.get("tool", {}).get("poetry", {}), self.document.get("project", {})
        return "dependencies" in poetry or "dependencies" in project or bool(project.get("optional-dependencies"))

    @property
    def version_from_git(self) -> bool:
        """Whether the build backend may ask Git for the version: none is static, or a plugin for that is required.

        For other backends than Poetry's, the version in `[tool.poetry]` is not static.
        """
        names = (re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0] for requirement in self.build_requires)
        static = self.version is not None and (
            self.is_built_by_poetry or "version" not in self.document.get("project", {}).get("dynamic", ())
        )
        return self.package_mode and (not static or any(_VERSIONING.search(name) for name in names))

    @property
    def build_backend(self) -> str:
        """The object reference of the build backend. If there is no `[build-system]`, that is Poetry's own.

        A table that names no backend means setuptools (PEP 517).
        """
        table = self.document.get("build-system")
        if table is None:
            return "poetry.core.masonry.api"
        return str(table.get("build-backend", "setuptools.build_meta:__legacy__"))

    @property
    def is_built_by_poetry(self) -> bool:
        """Whether the build backend is Poetry's, or a wrapper around it such as that of poetry-dynamic-versioning."""
        return self.build_backend.startswith("poetry")

    @property
    def package_root(self) -> str:
        """The directory of the packages, as a path from `root`: `src`, as a rule; empty for `root` itself.

        Poetry's `packages` say it. Otherwise it is `src` if there is such a directory and it is no package, which every
        build backend assumes.
        """
        packages = self.document.get("tool", {}).get("poetry", {}).get("packages", ())
        named = {str(entry.get("from") or "").strip("/") for entry in packages if isinstance(entry, dict)}
        inside = {directory for directory in named if not posixpath.normpath(directory).startswith("..")}
        if named:
            return inside.pop() if len(inside) == 1 else ""
        flat = self.root / self.name.replace("-", "_")
        src = self.root / "src"
        return "src" if src.is_dir() and not (src / "__init__.py").exists() and not flat.is_dir() else ""

    def dependency_digest(self) -> str:
        """The SHA-256 of all keys that decide what Poetry installs; the lock's content-hash covers fewer of them."""
        poetry = self.document.get("tool", {}).get("poetry", {})
        project = self.document.get("project", {})
        decisive = {
            "project": {key: project.get(key) for key in _PROJECT_KEYS},
            "poetry": {key: poetry.get(key) for key in _POETRY_KEYS},
            "dependency-groups": self.document.get("dependency-groups"),
        }
        return hashlib.sha256(json.dumps(decisive, sort_keys=True, default=str).encode()).hexdigest()


def read(root: Path) -> Project:
    """The Poetry project in the directory `root`.

    Raises `NoxPexError` `config` if there is no `pyproject.toml`, if it cannot be read, or if it is not a Poetry
    project.
    """
    file = root / "pyproject.toml"
    try:
        return _parsed(root, toml_file.read_text(file))
    except FileNotFoundError:
        problem = f"there is no pyproject.toml in {root}"
        remedy = "call nox_pex.register() from a noxfile next to one, or with the directory of a Poetry project"
        raise NoxPexError("config", problem, remedy) from None
    except toml_file.UNREADABLE as error:
        raise toml_file.refusal(file, error) from error


@functools.lru_cache(maxsize=1000)  # every session reads the file again and finds the same text
def _parsed(root: Path, text: str) -> Project:
    file, document = root / "pyproject.toml", tomllib.loads(text)
    tool = _table(document, "tool", file)
    poetry = _table(tool, "poetry", file, within="tool")
    project = _table(document, "project", file)
    if not poetry and not project:
        problem = f"{file} has neither a [project] nor a [tool.poetry] table"
        raise NoxPexError("config", problem, "make it a Poetry project first (`poetry init`)")
    for key in ("scripts", "gui-scripts", "optional-dependencies"):
        _table(project, key, file, within="project")
    for key in ("scripts", "group", "extras", "dependencies"):
        _table(poetry, key, file, within="tool.poetry")
    _table(document, "dependency-groups", file)
    _texts(_table(document, "build-system", file), "requires", file, within="build-system")
    _check_entries(poetry, file)
    name = project.get("name") or poetry.get("name") or root.name
    version = project.get("version") or poetry.get("version")
    return Project(
        root=root,
        document=document,
        name=canonicalize_name(str(name)),
        version=str(version) if version and version != "0" else None,
        package_mode=bool(poetry.get("package-mode", True)),
        scripts=_scripts(project, poetry),
        other_scripts=_other_scripts(project, poetry),
        groups=_groups(document, poetry),
        extras=frozenset(
            canonicalize_name(extra) for extra in (*project.get("optional-dependencies", {}), *poetry.get("extras", {}))
        ),
        includes=tuple(_includes(poetry)),
        build_requires=tuple(_table(document, "build-system", file).get("requires", ("poetry-core",))),
    )


def read_source(root: Path) -> Project:
    """The project in the directory of a path dependency. It need not be Poetry's or have a `pyproject.toml`.

    Raises `NoxPexError` `config` if it is a Poetry or standard project that `read` refuses.
    """
    document: Mapping[str, Any] = {}
    with contextlib.suppress(FileNotFoundError, ValueError, RecursionError):
        document = tomllib.loads(toml_file.read_text(root / "pyproject.toml"))
    if "project" in document or "poetry" in document.get("tool", {}):
        return read(root)
    build_system = {"requires": ["setuptools>=61"], **document.get("build-system", {})}
    return Project(
        root=root,
        document={**document, "build-system": build_system},
        name=canonicalize_name(root.name),
        version=None,
        package_mode=True,
        scripts={},
        groups=frozenset(),
        extras=frozenset(),
        includes=(),
        build_requires=tuple(build_system["requires"]),
    )


def _table(table: Mapping[str, Any], key: str, file: Path, *, within: str = "") -> Mapping[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        dotted = f"{within}.{key}" if within else key
        raise NoxPexError("config", f"{file}: `{dotted}` is not a table", f"make it a table, `[{dotted}]`")
    return value


def _texts(table: Mapping[str, Any], key: str, file: Path, *, within: str) -> None:
    """Raise `NoxPexError` `config` unless a key is missing or an array of strings."""
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        problem = f"{file}: `{within}.{key}` is not an array of strings"
        raise NoxPexError("config", problem, f'make it one, as in {key} = ["text"]')


def _check_entries(poetry: Mapping[str, Any], file: Path) -> None:
    """Raise `NoxPexError` `config` unless `packages` and `include` in `[tool.poetry]` are arrays as Poetry has them."""
    for key, name in (("packages", "include"), ("include", "path"), ("exclude", "path")):
        value = poetry.get(key, [])
        entries = value if isinstance(value, list) else [None]
        if not all(isinstance(each.get(name) if isinstance(each, dict) else each, str) for each in entries):
            problem = f"{file}: `tool.poetry.{key}` is not an array of strings, or of tables with the key {name}"
            raise NoxPexError("config", problem, f'make it one, as in {key} = [{{ {name} = "shop" }}]')


def _scripts(project: Mapping[str, Any], poetry: Mapping[str, Any]) -> Mapping[str, str]:
    """The console scripts. In Poetry's own table, an entry of the type `file` is not one."""
    scripts: dict[str, str] = {}
    for name, value in {**poetry.get("scripts", {}), **project.get("scripts", {})}.items():
        if isinstance(value, str):
            scripts[name] = value
        elif isinstance(value, dict) and value.get("type", "console") == "console":
            scripts[name] = str(value.get("reference") or value.get("callable") or "")
    return scripts


def _other_scripts(project: Mapping[str, Any], poetry: Mapping[str, Any]) -> Mapping[str, str | None]:
    """The GUI scripts, and the files of the type `file`, which are installed under their own names."""
    entries = (value for value in poetry.get("scripts", {}).values() if isinstance(value, dict))
    files = [str(entry.get("reference", "")) for entry in entries if entry.get("type") == "file"]
    gui = {name: value for name, value in project.get("gui-scripts", {}).items() if isinstance(value, str)}
    return {**gui, **{PurePosixPath(file).name: None for file in files}}


def _includes(poetry: Mapping[str, Any]) -> Iterator[str]:
    for entry in poetry.get("include", ()):
        yield entry["path"] if isinstance(entry, dict) else entry


def _groups(document: Mapping[str, Any], poetry: Mapping[str, Any]) -> frozenset[str]:
    groups = {MAIN, *poetry.get("group", {}), *document.get("dependency-groups", {})}
    if "dev-dependencies" in poetry:
        groups.add("dev")
    return frozenset(canonicalize_name(group) for group in groups)
