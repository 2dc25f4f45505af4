"""Directories that `output-dir` must not be.

nox-pex writes into it and removes from it, and nothing in it ever ships.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from nox_pex.project.pyproject import Project

_SYSTEM: Final = tuple(
    map(
        Path,
        (
            *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/run", "/sbin", "/sys"),
            *("/usr", "/usr/bin", "/usr/include", "/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/sbin", "/usr/share"),
            *("/var/lib", "/var/log", "/var/spool", "/System", "/Library", "/Applications", "/private/etc"),
        ),
    )
)
"""Directories of the system (FHS 3.0, and macOS): neither they nor anything below them is for results."""


_SHARED: Final = tuple(map(Path, ("/home", "/root", "/var", "/Users")))
"""Directories that only hold directories of others."""


_ALLOWED: Final = tuple(map(Path, ("/dev/shm", "/run/user")))  # noqa: S108  # they are in memory, for any program
"""Directories in those of the system that are for anything."""


_PRIVATE: Final = frozenset({".git", ".hg", ".svn", ".nox", ".tox", ".venv", "__pycache__", "node_modules"})
"""Names of directories that belong to another program."""


_SOURCES: Final = frozenset({"src", "test", "tests", "docs"})


def problem_with(
    project: Project, output_dir: Path, *, stems: Collection[str] = (), named: Collection[str] = ()
) -> tuple[str, str] | None:
    """Return why the results of `project` must not be in `output_dir`, and the remedy; None if they may be there.

    Links are followed. `stems` are the beginnings of the names of the files that nox-pex writes there.
    `named` are files, directories and patterns that the settings name as sources.
    """
    root = project.root.resolve()
    try:
        real = Path(os.path.realpath(root / output_dir))
        why = next(_reasons(project, root, real, stems, named), None)
    except (OSError, ValueError) as error:  # a name is too long, links lead in a circle, or a null character
        why = f"it cannot be used: {getattr(error, 'strerror', None) or error}"
    return (why, 'write a separate directory, such as "dist"') if why is not None else None


def _reasons(project: Project, root: Path, real: Path, stems: Collection[str], named: Collection[str]) -> Iterator[str]:
    """Yield each reason why results must not be in `real`."""
    if root == real:
        yield "it is the directory of the project"
    if root.is_relative_to(real):
        yield f"{real} is above the directory of the project"
    if os.path.lexists(real) and not real.is_dir():  # a circle of links remains a link
        yield f"{real} is not a directory"
    if file := next((each for each in real.parents if each.exists() and not each.is_dir()), None):
        yield f"{file} is not a directory"
    yield from _foreign_reasons(root, real)
    for found in _sources(project, root, real, stems, named):
        yield f"{real} holds sources ({found})"


def _foreign_reasons(root: Path, real: Path) -> Iterator[str]:
    """Yield each reason why `real` is for something other than results, whatever the project is."""
    if (system := system_directory(real, root)) is not None:
        yield f"{real} is {'' if real == system else f'in {system}, '}a directory of the system"
    if real == Path(os.path.realpath(os.path.expanduser("~"))):  # noqa: PTH111  # `Path.expanduser` fails without a home
        yield f"{real} is a home directory"
    new = real.parts[len(Path(os.path.commonpath([root, real])).parts) :]
    if private := next((part for part in new if part.lower() in _PRIVATE), None):
        yield f"{real} is in {private}, which belongs to another program"
    if venv := next((each for each in _between(real, root) if (each / "pyvenv.cfg").exists()), None):
        yield f"{venv} is a virtual environment"


def system_directory(real: Path, root: Path) -> Path | None:
    """Return the directory of the system that holds `real`; None if it holds the project too, as `/usr` may."""
    if real in _SHARED or real.parent == real:
        return real
    if any(real.is_relative_to(each) and real != each for each in _ALLOWED):
        return None
    return next((each for each in _SYSTEM if real.is_relative_to(each) and not root.is_relative_to(each)), None)


def _between(real: Path, root: Path) -> Iterator[Path]:
    """Yield `real` and the directories around it that are not around the project too."""
    yield from (each for each in (real, *real.parents) if not root.is_relative_to(each))


def _sources(project: Project, root: Path, real: Path, stems: Collection[str], named: Collection[str]) -> Iterator[str]:
    """Yield what makes `real` a directory of sources."""
    beginnings = (re.split(r"[*?\[]", pattern)[0] for pattern in named)
    for directory in (*_source_directories(project), *beginnings):
        place = Path(os.path.realpath(root / directory))
        if place != root and place.is_relative_to(real):
            yield directory
    if real.is_dir():
        yield from _sources_in(root, real, stems)


def _sources_in(root: Path, real: Path, stems: Collection[str]) -> Iterator[str]:
    """Yield the names of files in the directory `real` that are sources."""
    entries = sorted(os.scandir(real), key=lambda entry: entry.name)
    foreign = [entry for entry in entries if not _is_ours(entry.name, stems)]
    for entry in foreign:
        if entry.name.endswith((".py", ".pyi")) or entry.name in {"pyproject.toml", "poetry.lock", ".git"}:
            yield entry.name
        elif entry.is_dir() and (Path(entry.path) / "__init__.py").exists():
            yield f"{entry.name}/__init__.py"
    is_inside = any((each / "__init__.py").exists() for each in _between(real, root))
    if foreign and (is_inside or real.name in _SOURCES):
        yield foreign[0].name


def _is_ours(name: str, stems: Collection[str]) -> bool:
    """Whether a file, or a directory, has a name as nox-pex gives it."""
    plain = name.removeprefix(".").removeprefix("pylock.")
    return any(plain.startswith((f"{stem}.", f"{stem}-", f"{stem.replace('.', '-')}.")) for stem in stems)


def _source_directories(project: Project) -> Iterator[str]:
    """Yield the directories of the packages, and of the path dependencies, that `pyproject.toml` names."""
    tool = project.document.get("tool", {})
    poetry = tool.get("poetry", {})
    for package in poetry.get("packages", ()) if isinstance(poetry.get("packages"), list) else ():
        if isinstance(package, dict):
            yield f"{package.get('from') or '.'}/{str(package.get('include')).partition('*')[0]}"
            yield str(package.get("from") or ".")
    if project.package_root:
        yield project.package_root
    yield from _paths(poetry)
    yield from _file_urls([project.document.get("project"), project.document.get("dependency-groups")])


def _paths(value: Any, key: str = "") -> Iterator[str]:
    """Yield the value of each key `path` in the dependencies in a table of Poetry."""
    if isinstance(value, dict):
        for name, part in value.items():
            if name not in {"include", "exclude", "packages", "scripts"}:
                yield from _paths(part, name)
    elif isinstance(value, list):
        for part in value:
            yield from _paths(part)
    elif key == "path" and isinstance(value, str):
        yield value


def _file_urls(value: Any) -> Iterator[str]:
    """Yield the path of each requirement `NAME @ file:///PATH`."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _file_urls(part)
    elif isinstance(value, str) and "@ file:" in value:
        yield unquote(urlsplit(value.partition("@ ")[2].partition(";")[0].strip()).path)
