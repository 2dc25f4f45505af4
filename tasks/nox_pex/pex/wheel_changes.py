"""The files that `sources.include` adds to the wheel of a packaged project, and those that `exclude` removes."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Collection, Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

from nox_pex.distributions import wheel, wheel_edit
from nox_pex.errors import NoxPexError
from nox_pex.pex.inputs import ProjectFiles, package_root
from nox_pex.pex.target import Contents, Target
from nox_pex.poetry.installed import Installed
from nox_pex.project.patterns import matching_any
from nox_pex.project.tree import directories_above
from nox_pex.system.messages import Say


def apply(target: Target, files: ProjectFiles, project_wheel: Path, installed: Contents, *, say: Say) -> None:
    """Change the project's wheel as the table `sources` says, so that a package finds the files next to it.

    A file that the wheel has already stays as its build backend made it; `say` tells the user if the content differs.
    Raises `NoxPexError` `config` if a file cannot be added: it would be metadata, or another distribution installs it.
    """
    members = set(wheel.wheel_files(project_wheel))
    root, below, exclude = target.project.root, package_root(target), target.table.sources.exclude
    in_project = {f"{below}/{name}" if below else name: name for name in members if not wheel_edit.is_metadata(name)}
    remove = {in_project[name] for name in matching_any(exclude, in_project)}
    known = {name: root / file for name, file in files.placed.items() if name in members}
    for name in _different(project_wheel, known):
        say(f"pex: sources.include: {name} stays as the build backend put it into the wheel")
    add = {name: root / file for name, file in files.placed.items() if name not in members}
    _check(target, add, members - remove, installed)
    if add or remove:
        wheel_edit.edit(project_wheel, add=add, remove=remove)


def _check(target: Target, add: Collection[str], members: AbstractSet[str], installed: Contents) -> None:
    """Raise `NoxPexError` `config` for the first file that cannot be added to a wheel with `members`."""
    directories = {directory for name in (*members, *add) for directory in directories_above(name)}
    is_installed = _installed_paths(installed)
    for name in add:
        reason = None
        if wheel_edit.is_metadata(name):
            reason = "that is the place of the metadata of a distribution"
        elif name in directories or not members.isdisjoint(directories_above(name)):
            reason = "the wheel cannot have a file and a directory of one name"
        elif is_installed(name):
            reason = "another distribution in the binary installs that file"
        if reason is not None:
            problem = f"{target.key}.sources.include would add {name} to the project's wheel, and {reason}"
            raise NoxPexError("config", problem, f"rename it, or add it to {target.key}.sources.exclude")


def _installed_paths(installed: Contents) -> Callable[[str], bool]:
    """Return a function: whether another distribution has a file or directory of this path in site-packages."""
    if isinstance(installed, Installed):
        directories = installed.environment.site_packages
        return lambda path: any(os.path.lexists(directory / path) for directory in directories)
    names = {name for each in installed.wheels for name in wheel.wheel_files(installed.path(each))}
    paths = names | {directory for name in names for directory in directories_above(name)}
    return paths.__contains__


def _different(project_wheel: Path, files: dict[str, Path]) -> Iterator[str]:
    """Yield the members of a wheel, by the keys of `files`, whose content is not that of the file."""
    with zipfile.ZipFile(project_wheel) as archive:
        yield from (name for name, file in files.items() if archive.read(name) != file.read_bytes())
