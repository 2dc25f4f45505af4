"""The project's own files: those that ship, those that a build could read, and the digests of their content.

All names are POSIX paths from the project's directory. Fact source: git-ls-files(1).
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.project import default_rules, left_out
from nox_pex.project.left_out import LeftOut
from nox_pex.project.patterns import matching, matching_any, nothing_matches
from nox_pex.project.tree import Tree, top_of
from nox_pex.system.git import Git

_CHUNK: Final = 1 << 18
"""Bytes that are read at a time."""


class SourceSelection(Struct, frozen=True, kw_only=True, dict=True):
    """The files that ship, sorted, and the `omitted` ones that a person may expect among them."""

    files: tuple[str, ...]
    omitted: frozenset[str]

    @cached_property
    def left_out(self) -> tuple[LeftOut, ...]:
        """The report on `omitted`: directories and files at the root, and private keys of packages that ship."""
        return left_out.report(self.omitted, shipped_tops={top_of(name) for name in self.files})


def select(
    root: Path, *, include: Sequence[str], exclude: Sequence[str], output_dir: Path, key: str = "sources"
) -> SourceSelection:
    """Select the files of the `package-mode = false` project in `root` that ship.

    By default these are the modules and packages at the root with the data inside them, as Git would commit them: no
    tests, documentation, build output, private keys, or other projects inside `root` (path dependencies). `include`
    adds files, even those that Git ignores, and `exclude` removes files. Both are patterns as in a `.gitignore`. Some
    files never ship: hidden files, virtual environments, caches, built binaries, files in `output_dir`, the project's
    own `pyproject.toml` and lock, and links that lead out of `root`.
    Raises `NoxPexError` `source-missing` if a pattern of `include` matches nothing. `key` is the dotted key of the
    table with the patterns.
    """
    tree = Tree.of(root, output_dir)
    listed = Git(root=root).files()
    committed = tree.shippable(tree.walk() if listed is None else listed)
    candidates = default_rules.candidates(committed)
    packages = default_rules.packages_of(candidates)
    files = {name for name in candidates if default_rules.ships(name, packages)}
    if include:
        files |= _included(include, committed | tree.shippable(tree.walk()), root, key=f"{key}.include")
    excluded = matching_any(exclude, committed | files)
    keys = {name for name in committed if top_of(name) in packages and default_rules.is_key(name)}
    files -= excluded
    return SourceSelection(files=tuple(sorted(files)), omitted=frozenset((candidates | keys) - files - excluded))


def _included(patterns: Iterable[str], present: set[str], root: Path, *, key: str) -> set[str]:
    """The files among `present` that `patterns` match; every pattern has to match at least one."""
    included: set[str] = set()
    for pattern in patterns:
        found = matching(pattern, present)
        if not found:
            raise nothing_matches(pattern, root, present, key=key)
        included |= found
    return included


def project_files(root: Path, *, output_dir: Path, extra: Sequence[str]) -> tuple[str, ...]:
    """All files that a build backend could read in the packaged project in `root`, sorted.

    With Git, these are the files that Git lists, every file in a directory at the root that contains Python code
    (ignored or not, because a package may contain generated files), modules at the root, and files that match the
    patterns `extra`. Without Git, all files. Files in virtual environments, caches and `output_dir` are never among
    them; from hidden directories, only files that Git lists.
    """
    tree = Tree.of(root, output_dir)
    listed = Git(root=root).files()
    names = set(tree.walk(follow=True)) if listed is None else _readable(tree, listed, extra=extra)
    return tuple(sorted(name for name in names if tree.is_source_file(name)))


def _readable(tree: Tree, listed: Iterable[str], *, extra: Sequence[str]) -> set[str]:
    """The names that Git has `listed`, and those of files that Git ignores but that a build backend could read."""
    names = {name for name in listed if not tree.in_output(name)}
    for directory in _code_directories(tree, names):
        names.update(tree.walk(directory, follow=True))
    names.update(name for name in os.listdir(tree.root) if name.endswith(default_rules.MODULES))  # noqa: PTH208  # names, not paths
    if extra:
        names |= matching_any(extra, tree.walk(follow=True))
    return names


def _code_directories(tree: Tree, listed: Iterable[str]) -> set[str]:
    """The open directories at the root that contain Python code, and those that are one entry for Git.

    Such an entry is a submodule, another repository, or a link to a directory.
    """
    names = set(listed)
    directories = {top_of(name) for name in names if "/" in name and name.endswith(".py")}
    directories |= {name.rstrip("/") for name in names if tree.is_directory(name)}
    return {directory for directory in directories if tree.is_open(directory)}


def ignored(root: Path, paths: Iterable[str]) -> frozenset[str]:
    """Those of `paths` that Git ignores; none if there is no Git."""
    listed = Git(root=root).files()
    return frozenset() if listed is None else frozenset(paths).difference(listed)


def digests(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """A digest (BLAKE2b, 128 bits) of each file's content and of its owner's execute permission, by path.

    A link counts as the file that it leads to. Raises `NoxPexError` `source-missing` if a file cannot be read.
    """
    return {path: _digest(root, path) for path in paths}


def _digest(root: Path, path: str) -> str:
    try:
        with io.FileIO(f"{root}/{path}") as file:
            executable = os.fstat(file.fileno()).st_mode & stat.S_IXUSR
            hasher = hashlib.blake2b(b"x" if executable else b"-", digest_size=16)
            while chunk := file.read(_CHUNK):
                hasher.update(chunk)
    except OSError as error:
        problem = f"cannot read {path} in {root}: {error.strerror}"
        raise NoxPexError("source-missing", problem, "make it readable, or exclude it") from error
    return hasher.hexdigest()
