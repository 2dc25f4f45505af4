"""The files of a project as Git would commit them, submodules included.

All names are POSIX paths from the project's directory.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from nox_pex.project.tree import Tree
from nox_pex.system.git import Git
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    from nox_pex.project import gitignore
else:
    gitignore = lazy("nox_pex.project.gitignore")  # only needed if Git does not list the files

REPOSITORY: Final = "another Git repository, which is no submodule"


NOT_CHECKED_OUT: Final = "a Git submodule that is not checked out; run `git submodule update --init`"


class Listing(Struct, frozen=True, kw_only=True):
    """The `names` of the files and links that Git would commit.

    `apart` are directories, with a final slash, of which no file is among them although Git knows them, and the reason.
    """

    names: frozenset[str]
    apart: Mapping[str, str]


def committed(tree: Tree) -> Listing:
    """Return the files in `tree` that Git would commit: tracked, or neither tracked nor ignored.

    Each submodule is asked too, because only it knows what is new in it. If there is no Git repository, or if it
    ignores the directory entirely, these are the files that no `.gitignore` names.
    Raises `NoxPexError` `git` if there is a repository and Git does not answer.
    """
    names, apart = _committed(tree, "")
    return Listing(names=frozenset(names), apart=apart)


def _committed(tree: Tree, top: str) -> tuple[set[str], dict[str, str]]:
    """The names below the directory `top` of `tree` that Git would commit, and the directories apart."""
    listed = Git(root=Path(tree.root, top)).files()
    if listed is None:
        return _not_ignored(tree, top), {}
    names: set[str] = set()
    apart: dict[str, str] = {}
    for each in listed:
        name = f"{top}/{each}" if top else each
        if name.endswith("/"):
            apart[name] = REPOSITORY
        elif not _is_directory(path := f"{tree.root}/{name}"):
            names.add(name)
        elif os.path.lexists(f"{path}/.git"):
            below, apart_below = _committed(tree, name)
            names |= below
            apart |= apart_below
        elif _is_empty(path):
            apart[f"{name}/"] = NOT_CHECKED_OUT
        else:  # a submodule that was copied without its `.git`, or a link that was replaced by what it leads to
            names |= _not_ignored(tree, name)
    return names, apart


def _not_ignored(tree: Tree, top: str) -> set[str]:
    """The files below the directory `top` of `tree` that no `.gitignore` names."""
    rules = gitignore.Rules.of(tree.root)
    return set(tree.walk(top, ignore=lambda name, directory: rules.ignore(name, directory=directory)))


def _is_directory(path: str) -> bool:
    """Whether there is a directory, and not a link to one, at `path`. Git lists only those that are repositories."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:  # only in Git's index
        return False


def _is_empty(directory: str) -> bool:
    try:
        return not os.listdir(directory)  # noqa: PTH208  # names, not paths
    except OSError:  # not readable, so nothing in it can ship
        return True
