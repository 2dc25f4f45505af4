"""The part of `pyproject.toml` that a build backend can put into a wheel.

A backend is known if it reads certain tables and ships `pyproject.toml` itself only if a pattern in them says so. If it
runs code of the project or a plugin, nobody knows what that code reads.
Fact sources: PEP 517, PEP 621, PEP 639, and the sources of poetry-core 2.5, poetry-dynamic-versioning 1.10,
hatchling 1.33, setuptools 84, flit_core 4.2, pdm-backend 2.5 and uv_build 0.11.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from packaging.utils import canonicalize_name

from nox_pex.project import outside, sources
from nox_pex.project.pyproject import Project
from nox_pex.system import files
from nox_pex.system.lazy import pattern

Table = Mapping[str, Any]


class Backend(Struct, frozen=True, kw_only=True):
    """A known build backend.

    `modules` are its values of `build-backend`. `tables` are the names of the tables in `[tool]` that it reads.
    `patterns` returns the patterns, from the project's directory, of files that it ships besides packages and modules.
    `runs_code` is whether it runs code of the project, or a plugin that is not known.
    """

    modules: frozenset[str]
    tables: frozenset[str]
    patterns: Callable[[Table], Iterator[str]]
    runs_code: Callable[[Project], bool]


def file_digests(project: Project, names: Iterable[str]) -> dict[str, str]:
    """Return the digests of the files `names` in the project's directory, as inputs of its wheel.

    Files outside of that directory that the wheel needs are added (`outside.files`).
    Of `pyproject.toml`, only the tables that the build backend reads count, if they are known.
    Raises `NoxPexError` `source-missing` if a file cannot be read.
    """
    digests = sources.digests(project.root, [*names, *outside.files(project)])
    if project.file.name in digests and (read := digest_of_read_tables(project)) is not None:
        digests[project.file.name] = read
    return digests


def digest_of_read_tables(project: Project) -> str | None:
    """Return the SHA-256 of the tables in `pyproject.toml` that the project's build backend reads, in their order.

    None if the backend may read, or ship, the whole text.
    """
    backend = next((known for known in _KNOWN if _name(project) in known.modules), None)
    if backend is None or "backend-path" in _table(project.document, "build-system") or backend.runs_code(project):
        return None
    patterns = (*_metadata_patterns(_table(project.document, "project")), *backend.patterns(project.document))
    if any(_may_match(project.file.name, pattern) for pattern in patterns):
        return None
    tool = {name: table for name, table in _table(project.document, "tool").items() if name in backend.tables}
    read = {name: table for name, table in project.document.items() if name in ("project", "build-system")}
    return hashlib.sha256(repr({**read, "tool": tool}).encode("utf-8", "surrogateescape")).hexdigest()


def _name(project: Project) -> str:
    """The value of `build-backend`, or its default."""
    return project.build_backend.partition(":")[0]


def _may_match(file: str, pattern: str) -> bool:
    """Whether a pattern may match a file in the project's directory, in any of the dialects of the backends."""
    parts = [part for part in pattern.lstrip("!/").split("/") if part not in ("", ".", "**")]
    if ".." in parts:
        return True
    return not parts or (len(parts) == 1 and fnmatchcase(file, parts[0]))


def _strings(value: Any) -> Iterator[str]:
    """Every string in a value, and every key of a table in it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, Iterable):
        for item in value:
            yield from _strings(item)


def _table(table: Any, *keys: str) -> Table:
    """The table at the dotted key `keys`; empty if there is none."""
    for key in keys:
        table = table.get(key, {}) if isinstance(table, Mapping) else {}
    return table if isinstance(table, Mapping) else {}


def _metadata_patterns(project: Table) -> Iterator[str]:
    yield from _strings([project.get("license-files", ()), _table(project, "license").get("file", ())])
    readme = project.get("readme", ())
    yield from _strings(readme.get("file", ()) if isinstance(readme, Mapping) else readme)


def _requires_only(project: Project, *known: str) -> bool:
    names = {canonicalize_name(re.split(r"[^A-Za-z0-9._-]", each, maxsplit=1)[0]) for each in project.build_requires}
    return names <= set(known)


def _poetry_patterns(document: Table) -> Iterator[str]:
    poetry = _table(document, "tool", "poetry")
    for key in ("include", "packages"):
        for entry in poetry.get(key, ()):
            where = (
                [entry.get("from", ""), entry.get("path") or entry.get("include")] if isinstance(entry, dict) else []
            )
            yield posixpath.join(*map(str, where)) if where else str(entry)
    yield from _strings([poetry.get("readme", ()), _table(poetry, "scripts")])


def _poetry_runs_code(project: Project) -> bool:
    build = _table(project.document, "tool", "poetry").get("build")
    return isinstance(build, str) or (isinstance(build, Mapping) and "script" in build)


_HATCH_PLUGINS: Final = frozenset({"vcs", "version", "fancy-pypi-readme"})
"""Hooks of hatchling itself, hatch-vcs and hatch-fancy-pypi-readme."""


def _hatch_patterns(document: Table) -> Iterator[str]:
    build = _table(document, "tool", "hatch", "build")
    for table in (build, _table(build, "targets", "wheel")):
        for key, value in table.items():
            if key not in ("targets", "hooks", "exclude", "dependencies"):
                yield from _strings(value)
    yield from _strings(_table(document, "tool", "hatch", "metadata", "hooks"))


def _hatch_runs_code(project: Project) -> bool:
    hatch = _table(project.document, "tool", "hatch")
    build = _table(hatch, "build")
    hooks = {
        *_table(hatch, "metadata", "hooks"),
        *_table(build, "hooks"),
        *_table(build, "targets", "wheel", "hooks"),
    }
    source = _table(hatch, "version").get("source", "regex")
    elsewhere = any((directory / "hatch.toml").exists() for directory in (project.root, *project.root.parents))
    return elsewhere or not hooks <= _HATCH_PLUGINS or source not in ("regex", "code", "env", "vcs")


def _setuptools_patterns(document: Table) -> Iterator[str]:
    setuptools = _table(document, "tool", "setuptools")
    for key in ("data-files", "license-files", "script-files", "dynamic"):
        yield from _strings(setuptools.get(key, ()))
    # These are relative to a package: they match only if they lead out of it, or if its directory is the project's.
    yield from (text for text in _strings(setuptools.get("package-data", ())) if ".." in text.split("/"))
    yield from (str(path) for name, path in _table(setuptools, "package-dir").items() if name)


_SETUP_CFG: Final = pattern(r"^\[(?:options|metadata)", re.MULTILINE)


def _setuptools_runs_code(project: Project) -> bool:
    setuptools = _table(project.document, "tool", "setuptools")
    return (
        bool({"cmdclass", "ext-modules"} & set(setuptools))
        or not _requires_only(project, "setuptools", "wheel", "setuptools-scm", "vcs-versioning")
        or (project.root / "setup.py").exists()
        or _SETUP_CFG.search(_text(project.root / "setup.cfg")) is not None
    )


def _flit_patterns(document: Table) -> Iterator[str]:
    yield from _strings(_table(document, "tool", "flit", "external-data"))


def _pdm_patterns(document: Table) -> Iterator[str]:
    build = _table(document, "tool", "pdm", "build")
    yield from _strings([build.get("includes", ()), *_table(build, "wheel-data").values()])


def _pdm_runs_code(project: Project) -> bool:
    build = _table(project.document, "tool", "pdm", "build")
    hooks = {"custom-hook", "setup-script", "run-setuptools"} & set(build)
    return bool(hooks) or not _requires_only(project, "pdm-backend") or (project.root / "pdm_build.py").exists()


def _uv_patterns(document: Table) -> Iterator[str]:
    data = _table(document, "tool", "uv", "build-backend", "data")
    yield from _strings(list(data.values()))


def _text(file: Path) -> str:
    try:
        return files.read_text(file, errors="replace")
    except OSError:
        return ""


def _never(_: Project) -> bool:
    return False


_KNOWN: Final = (
    Backend(
        modules=frozenset({"poetry.core.masonry.api", "poetry.masonry.api", "poetry_dynamic_versioning.backend"}),
        tables=frozenset({"poetry", "poetry-dynamic-versioning"}),
        patterns=_poetry_patterns,
        runs_code=_poetry_runs_code,
    ),
    Backend(
        modules=frozenset({"hatchling.build"}),
        tables=frozenset({"hatch", "setuptools_scm", "vcs-versioning"}),
        patterns=_hatch_patterns,
        runs_code=_hatch_runs_code,
    ),
    Backend(
        modules=frozenset({"setuptools.build_meta"}),
        tables=frozenset({"setuptools", "setuptools_scm", "setuptools-scm", "vcs-versioning", "distutils"}),
        patterns=_setuptools_patterns,
        runs_code=_setuptools_runs_code,
    ),
    Backend(
        modules=frozenset({"flit_core.buildapi"}),
        tables=frozenset({"flit"}),
        patterns=_flit_patterns,
        runs_code=_never,
    ),
    Backend(
        modules=frozenset({"pdm.backend"}),
        tables=frozenset({"pdm"}),
        patterns=_pdm_patterns,
        runs_code=_pdm_runs_code,
    ),
    Backend(
        modules=frozenset({"uv_build"}),
        tables=frozenset({"uv"}),
        patterns=_uv_patterns,
        runs_code=_never,
    ),
)
"""scikit-build-core, meson-python and maturin are not among them: CMake, Meson and Cargo may read any file."""
