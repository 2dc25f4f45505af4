"""The files outside of a project's directory that `packages` of Poetry name, as in a Polylith repository.

`poetry install` accepts `from = "../../bases"`, but poetry-core builds wheels only from files in the project's
directory. So the wheel is built from a copy of the project that contains those packages.
Fact source: the sources of poetry-core 2.5 (`PackageInclude`, `Builder.find_files_to_add`, `Builder.is_excluded`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.project import listing, sources
from nox_pex.project.pyproject import Project
from nox_pex.project.tree import Tree
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import tomli_w
else:
    tomli_w = lazy("tomli_w")  # only needed to build such a project

_COPIED: Final = "nox_pex_outside"
"""The directory in a copy of the project that contains the packages from outside."""


class _Package(Struct, frozen=True, kw_only=True):
    """An entry of `packages`: its position there, its absolute `base` (`from`), and its pattern `include`."""

    position: int
    base: Path
    include: str


def packages(project: Project) -> tuple[_Package, ...]:
    """Return the entries of `packages` that lead out of the directory of `project`, if Poetry's backend builds it."""
    return tuple(_packages(project)) if project.package_mode and project.is_built_by_poetry else ()


def files(project: Project) -> tuple[str, ...]:
    """Return the files outside of the project's directory that its wheel needs, as paths from there (`../…`), sorted.

    These are the files of the packages that Git would commit. If there are any, the README and the scripts of the type
    `file` are also among them. Raises `NoxPexError`: `source-missing` if an entry of `packages` matches nothing, `git`.
    """
    found = packages(project)
    names = {name for package in found for name in _files_of(project, package)}
    if found:
        names |= {name for name in _named_files(project) if _leads_out(name) and (project.root / name).is_file()}
    return tuple(sorted(names))


def copy_inside(project: Project, into: Path) -> Project:
    """Copy `project` below the directory `into`, with its packages from outside in it, and return the copy.

    The copy contains the files that Git would commit and those that `include` names: there is no Git in it to tell
    poetry-core which ones to leave out. Other files from outside have the same relative paths as in the original.
    Raises `NoxPexError` as `files` does.
    """
    found, outside = packages(project), files(project)
    places = [Path(os.path.normpath(project.root / name)) for name in outside]
    base = Path(os.path.commonpath([project.root, *(place.parent for place in places)]))
    root = into / project.root.relative_to(base)
    for name in _own_files(project):
        _copy(project.root / name, root / name)
    for place in places:
        _copy(place, into / place.relative_to(base))
    for package in found:
        for name in _files_of(project, package):
            place = Path(os.path.normpath(project.root / name))
            _copy(place, root / _COPIED / str(package.position) / place.relative_to(package.base))
    document = _with_packages_inside(project.document, found)
    (root / project.file.name).write_text(tomli_w.dumps(document), "utf-8")
    return replace(project, root=root, document=document)


def _packages(project: Project) -> Iterator[_Package]:
    for position, entry in enumerate(project.document.get("tool", {}).get("poetry", {}).get("packages", ())):
        start = str(entry.get("from") or "") if isinstance(entry, dict) else ""
        base = Path(os.path.normpath(project.root / start))
        if not base.is_relative_to(project.root):
            yield _Package(position=position, base=base, include=str(entry.get("include", "")))


def _files_of(project: Project, package: _Package) -> Iterator[str]:
    """Yield the files of a package that Git would commit, as paths from the project's directory."""
    matches = [Path(os.path.normpath(match)) for match in sorted(package.base.glob(package.include or "*"))]
    found = False
    # One question to Git for each directory. A pattern with `**` matches directories and what is in them.
    top = _fixed_part(package)
    tree = Tree.of(top, Path("dist"))
    wanted = tuple(f"{match}/" for match in matches)
    for name in tree.shippable(listing.committed(tree).names).files:
        file = top / name
        if tree.is_source_file(name) and f"{file}/".startswith(wanted):
            found = True
            yield os.path.relpath(file, project.root)
    if not found:
        problem = (
            f"`packages` in {project.file} names {package.include} in {package.base}, and Git would commit no such file"
        )
        raise NoxPexError("source-missing", problem, "correct the entry, or add the files to Git")


def _fixed_part(package: _Package) -> Path:
    """The directory that contains everything that the pattern of a package matches."""
    top = package.base
    for part in Path(package.include).parts:
        if not (top / part).is_dir():
            break
        top /= part
    return top


def _own_files(project: Project) -> set[str]:
    tree = Tree.of(project.root, Path("dist"))
    names = {*listing.committed(tree).names, *sources.matching_files(tree, project.includes)}
    return {name for name in names if tree.is_source_file(name)}


def _named_files(project: Project) -> Iterator[str]:
    """Yield the paths of the README and of the scripts of the type `file`."""
    poetry, standard = project.document.get("tool", {}).get("poetry", {}), project.document.get("project", {})
    for readme in (poetry.get("readme", ()), standard.get("readme", ())):
        named = readme.get("file", ()) if isinstance(readme, Mapping) else readme
        yield from [named] if isinstance(named, str) else map(str, named)
    for script in poetry.get("scripts", {}).values():
        if isinstance(script, Mapping) and script.get("type") == "file":
            yield str(script.get("reference", ""))


def _leads_out(name: str) -> bool:
    return os.path.normpath(name).startswith(("../", "/"))


def _with_packages_inside(document: Mapping[str, Any], found: Iterable[_Package]) -> Mapping[str, Any]:
    tool, poetry = document["tool"], document["tool"]["poetry"]
    entries = list(poetry["packages"])
    for package in found:
        entries[package.position] = {**entries[package.position], "from": f"{_COPIED}/{package.position}"}
    return {**document, "tool": {**tool, "poetry": {**poetry, "packages": entries}}}


def _copy(original: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(original, copy)
