"""The project's own files: those that ship, those that a build could read, and the digests of their content.

All names are POSIX paths from the project's directory. Fact source: git-ls-files(1).
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.project import default_rules, left_out, listing
from nox_pex.project.default_rules import Rules
from nox_pex.project.left_out import LeftOut
from nox_pex.project.listing import Listing
from nox_pex.project.tree import Shippable, Tree, top_of
from nox_pex.settings.model import Sources
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    from nox_pex.project import patterns
else:
    patterns = lazy("nox_pex.project.patterns")  # not needed if the settings have no pattern and nothing changed

_CHUNK: Final = 1 << 18
"""Bytes that are read at a time."""


_BOOKKEEPING: Final = (".git", ".DS_Store", ".editorconfig")
"""Beginnings of the names of hidden files that no program reads."""


class SourceSelection(Struct, frozen=True, kw_only=True, dict=True):
    """The loose sources that ship: `files` has the path of each in the binary, sorted, and its path in the project.

    From the other fields a build computes what is left out: all files that Git knows, those that settings exclude.
    """

    files: Mapping[str, str]
    tree: Tree
    listing: Listing
    shippable: Shippable
    rules: Rules
    exclude: Sequence[str]

    @property
    def checkout(self) -> frozenset[str]:
        """The files that a copy of the project needs to ship the same: those that Git would commit, and what ships.

        The `.gitignore` files are not among them. They would count in a copy without a repository, also for files that
        Git knows although they name them.
        """
        committed = {name for name in self.listing.names if not name.endswith(".gitignore")}
        present = (name for name in committed | set(self.files.values()) if not self.tree.in_output(name))
        return frozenset(filter(self.tree.is_source_file, present))

    @cached_property
    def left_out(self) -> tuple[LeftOut, ...]:
        """The files that do not ship although a program could import or read them, with the reasons."""
        shipped = set(self.files.values())
        known, apart = self.shippable.files, tuple(self.listing.apart)
        reasons = {name: self.rules.reason(name, file) for name, file in known.items()}
        present = self.tree.shippable(self.tree.walk())
        for name in _themselves(present) - known.keys():
            if self.rules.reason(name, name) not in default_rules.ORDINARY and not name.startswith(apart):
                reasons[name] = left_out.IGNORED
        prefix = len(self.rules.below) + 1 if self.rules.below else 0
        for name in _themselves(self.tree.with_hidden().shippable(self.listing.names)) - known.keys():
            if top_of(name[prefix:]) in self.rules.packages and not _is_bookkeeping(name):
                reasons[name] = left_out.HIDDEN
        chosen = shipped | patterns.matching_any(self.exclude, reasons)
        return left_out.report(
            {name: reason for name, reason in reasons.items() if reason and name not in chosen},
            shipped=shipped,
            projects=self.rules.projects,
            others=_others(self.shippable, self.listing, lost=present.lost),
        )


def select(root: Path, *, chosen: Sources, output_dir: Path, key: str = "sources") -> SourceSelection:
    """Select the files of the `package-mode = false` project in `root` that ship.

    By default these are the modules and packages at the root, or in the directory `chosen.root`, with the data inside
    them, as Git would commit them: no tests, documentation and build output at the top level, no private keys, no other
    projects inside `root` (path dependencies). `chosen.include` adds files, even those that Git ignores, and
    `chosen.exclude` removes files. Both are patterns as in a `.gitignore`. Some files never ship: secrets such as
    `.env`, virtual environments, caches, built binaries, files in `output_dir`, the project's own `pyproject.toml` and
    lock, and links that lead out of `root`. Hidden files ship only if a pattern names them.
    Raises `NoxPexError`: `git` if there is a Git repository and Git does not answer, `source-missing` if a pattern of
    `include` matches nothing or there is no such directory, `config` if two files would have one path in the binary.
    `key` is the dotted key of the table `chosen`.
    """
    tree = Tree.of(root, output_dir)
    _check_root(tree, chosen, key=key)
    listed = listing.committed(tree)
    shippable = tree.shippable(listed.names)
    rules = Rules.of(shippable.files, root=Path(tree.root), below=chosen.below)
    names = {name for name, file in shippable.files.items() if rules.reason(name, file) is None}
    names |= _included(tree, chosen.include, key=key)
    excluded = patterns.matching_any(chosen.exclude, names) if chosen.exclude else set()
    return SourceSelection(
        files=_placed(names - excluded, below=chosen.below, key=key),
        tree=tree,
        listing=listed,
        shippable=shippable,
        rules=rules,
        exclude=chosen.exclude,
    )


def additions(root: Path, *, chosen: Sources, output_dir: Path, below: str, key: str = "sources") -> Mapping[str, str]:
    """Return the files that `chosen.include` adds to the wheel of the packaged project in `root`.

    These are the path of each in the wheel, without the directory `below`, and its path in the project, sorted. Which
    files may be among them, and the errors, are as for `select`.
    """
    if not chosen.include:
        return {}
    tree = Tree.of(root, output_dir)
    names = _included(tree, chosen.include, key=key)
    return _placed(names - patterns.matching_any(chosen.exclude, names), below=below, key=key)


def beside_wheel(root: Path, *, output_dir: Path, below: str, shipped: Collection[str]) -> tuple[LeftOut, ...]:
    """Return what a program could read in the packaged project in `root`, and its wheel with the files `shipped` lacks.

    `below` is the directory of the packages, which is not part of the paths in the wheel. Raises `NoxPexError` `git`.
    """
    tree = Tree.of(root, output_dir)
    listed = listing.committed(tree)
    shippable = tree.shippable(listed.names)
    rules = Rules.of(shippable.files, root=Path(tree.root), below=below)
    reasons: dict[str, str] = {}
    in_wheel: list[str] = []
    for name, file in shippable.files.items():
        if _place(name, below) in shipped:
            in_wheel.append(name)
            continue
        reason = rules.reason(name, file)
        kept = reason in default_rules.ORDINARY or reason in {default_rules.PROJECT, default_rules.KEY}
        reasons[name] = reason if reason and kept else left_out.NOT_IN_WHEEL
    others = _others(shippable, listed, lost=shippable.lost)
    return left_out.report(reasons, shipped=in_wheel, projects=rules.projects, others=others)


def _check_root(tree: Tree, chosen: Sources, *, key: str) -> None:
    """Raise `NoxPexError` unless `chosen.root` is a directory of the project that may contain sources."""
    below = chosen.below
    if not below:
        return
    if not tree.is_directory(below):
        problem = f"{key}.root is {chosen.root!r}, and {tree.root} has no such directory"
        raise NoxPexError("source-missing", problem, "name the directory that contains the modules and packages")
    if not tree.is_open(below) or not os.path.realpath(f"{tree.root}/{below}").startswith(f"{tree.root}/"):
        problem = (
            f"{key}.root is {chosen.root!r}, which is hidden, a cache, an environment, built, or outside the project"
        )
        raise NoxPexError("config", problem, "name the directory that contains the modules and packages")


def _included(tree: Tree, wanted: Iterable[str], *, key: str) -> set[str]:
    """Return the files that the patterns `wanted` match. Every pattern has to match at least one that may ship."""
    included: set[str] = set()
    present: dict[bool, Collection[str]] = {}
    for pattern in wanted:
        hidden = patterns.parse(pattern).shows_hidden
        if hidden not in present:
            searched = tree.with_hidden() if hidden else tree
            present[hidden] = searched.shippable(searched.walk()).files
        found = patterns.matching(pattern, present[hidden], hidden=False)
        if not found:
            raise patterns.nothing_matches(pattern, Path(tree.root), present[hidden], key=f"{key}.include")
        included |= found
    return included


def _placed(names: Iterable[str], *, below: str, key: str) -> Mapping[str, str]:
    """Return the path of each file in the binary, and its path in the project, sorted.

    Raises `NoxPexError` `config` if two files would have one path, or one the path of a directory of the other.
    """
    placed: dict[str, str] = {}
    for name in sorted(names):
        path = _place(name, below)
        if path in placed:
            problem = f"{key}: {placed[path]} and {name} would both be {path} in the binary"
            raise NoxPexError("config", problem, f"add one of them to {key}.exclude")
        placed[path] = name
    return dict(sorted(placed.items()))


def _place(name: str, below: str) -> str:
    """Return the path in the binary: without the directory `below`."""
    return name.removeprefix(f"{below}/") if below else name


def _others(shippable: Shippable, listed: Listing, *, lost: Collection[str]) -> Iterator[LeftOut]:
    """Yield the links of which nothing ships, and the directories that Git lists as a whole.

    A pattern can include a link unless it is `lost` even if all files count, and another repository.
    """
    for name, reason in shippable.lost.items():
        yield LeftOut(path=name, reason=reason, include=None if name in lost else patterns.literal(name))
    for name, reason in listed.apart.items():
        yield LeftOut(
            path=name, reason=reason, include=patterns.literal(name) if reason == listing.REPOSITORY else None
        )


def _themselves(shippable: Shippable) -> set[str]:
    """Return the names of files, without those that they have through links."""
    return {name for name, file in shippable.files.items() if name == file}


def _is_bookkeeping(name: str) -> bool:
    return any(part.startswith(_BOOKKEEPING) for part in name.split("/"))


def project_files(root: Path, *, output_dir: Path, extra: Sequence[str]) -> tuple[str, ...]:
    """All files that a build backend could read in the packaged project in `root`, sorted.

    These are the files that Git would commit, every file in a directory at the root that contains Python code (ignored
    or not, because a package may contain generated files), modules at the root, and files that match the patterns
    `extra`. Files in virtual environments, caches and `output_dir` are never among them; from hidden directories, only
    files that Git lists. Raises `NoxPexError` `git` if there is a Git repository and Git does not answer.
    """
    tree = Tree.of(root, output_dir)
    listed = listing.committed(tree)
    names = {name for name in listed.names if not tree.in_output(name)}
    for directory in _code_directories(tree, names, listed.apart):
        names.update(tree.walk_following(directory))
    names.update(name for name in os.listdir(tree.root) if name.endswith(default_rules.MODULES))  # noqa: PTH208  # names, not paths
    names |= matching_files(tree, extra)
    return tuple(sorted(name for name in names if tree.is_source_file(name)))


def matching_files(tree: Tree, wanted: Sequence[str]) -> set[str]:
    """Return the files in `tree`, ignored by Git or not, that match one of the patterns `wanted`."""
    return patterns.matching_any(wanted, tree.walk_following()) if wanted else set()


def _code_directories(tree: Tree, listed: Iterable[str], apart: Iterable[str]) -> set[str]:
    """The open directories at the root that contain Python code, other repositories, and links to directories."""
    names = set(listed)
    directories = {top_of(name) for name in names if "/" in name and name.endswith(".py")}
    directories |= {name.rstrip("/") for name in apart} | {name for name in names if tree.is_directory(name)}
    return {directory for directory in directories if tree.is_open(directory)}


def ignored(root: Path, paths: Iterable[str]) -> frozenset[str]:
    """Those of `paths` that Git ignores."""
    return frozenset(paths).difference(listing.committed(Tree.of(root, Path("dist"))).names)


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
