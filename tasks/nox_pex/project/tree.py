"""The files of a project's directory that can be sources.

All names are POSIX paths from that directory. A name that is not UTF-8 is carried as `os.fsdecode` returns it.
Fact source: PEP 405 (`pyvenv.cfg`).
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from nox_pex.project.links import MAX_LINKED, follow, is_circle, is_within
from nox_pex.system.lazy import pattern

_CACHES: Final = frozenset({"__pycache__", "__pypackages__", "node_modules"})


_ENVIRONMENTS: Final = ("pyvenv.cfg", "conda-meta")
"""A directory that contains one of these is a virtual environment or a conda environment."""


_SETUPTOOLS_OUTPUT: Final = pattern(r"build/(lib|(lib|bdist|temp)\.[^/]*)$")
"""Directories that setuptools leaves next to the sources. The first build would count as a change for the second."""


_PROJECT_FILES: Final = frozenset({"pyproject.toml", "poetry.lock", "poetry.toml"})


_BYTECODE: Final = (".pyc", ".pyo")


_NEVER_SHIPPED: Final = (*_BYTECODE, ".pex")


_PRIVATE: Final = pattern(
    r"\.env(?!\.(example|sample|template|dist)$)([._-].*|rc)?"
    r"|\.(git|hg|svn|jj|bzr|venv|nox|tox|ssh|aws|gnupg|kube|docker|netrc|pypirc|pgpass|npmrc|yarnrc|htpasswd)"
    r"|\.(git-credentials|gitmodules|vault_pass.*)"
)
"""Hidden files and directories that never ship, not even if a pattern names them: they hold secrets or a history."""


class Shippable(Struct, frozen=True, kw_only=True):
    """The files that may ship, by name, each with the name of the file itself, which differs if a link leads to it.

    `lost` are links to files that exist and do not ship, with the reason.
    """

    files: Mapping[str, str]
    lost: Mapping[str, str]


class Tree(Struct, frozen=True, kw_only=True):
    """The directory `root` (absolute, no links). `output` is the output directory inside it, or None if outside.

    With `hidden`, hidden files count like others, except those that hold secrets.
    """

    root: str
    output: str | None
    hidden: bool = False
    _open: dict[str, bool] = {}

    @classmethod
    def of(cls, root: Path, output_dir: Path) -> Tree:
        """The tree of the directory `root`; `output_dir` may be relative to it."""
        real = root.resolve()
        output = (real / output_dir).resolve()
        inside = output != real and output.is_relative_to(real)
        return cls(root=str(real), output=output.relative_to(real).as_posix() if inside else None)

    def with_hidden(self) -> Tree:
        """The same tree, in which hidden files count."""
        return Tree(root=self.root, output=self.output, hidden=True)

    def walk(self, top: str = "", *, ignore: Callable[[str, bool], bool] | None = None) -> Iterator[str]:
        """All entries below the directory `top` that are not directories. Closed directories are skipped (`is_open`).

        A link to a directory is an entry. `ignore` is called with each name, and whether it is a directory. It returns
        True for those to skip.
        """
        waiting = [top]
        while waiting:
            directory = waiting.pop()
            for entry in _entries(f"{self.root}/{directory}"):
                name = f"{directory}/{entry.name}" if directory else entry.name
                is_directory = entry.is_dir(follow_symlinks=False)
                if ignore is not None and ignore(name, is_directory):
                    continue
                if not is_directory:
                    yield name
                elif self.is_open(name):
                    waiting.append(name)

    def walk_following(self, top: str = "") -> Iterator[str]:
        """All entries below the directory `top` as `walk` yields them, but links to directories are directories.

        A link is skipped if it leads to the root, or to a directory that contains the link or one that was followed
        before it. So each path ends, and links side by side to one directory all count. Links may lead to at most
        `MAX_LINKED` entries. The nearest are taken first, by name.
        """
        start = os.path.realpath(f"{self.root}/{top}")
        if top and is_within(self.root, start):
            return
        linked = 0
        # a directory, and the real paths of the directories from which links led to it, and its own
        waiting: deque[tuple[str, tuple[str, ...]]] = deque([(top, (start,))])
        while waiting:
            directory, places = waiting.popleft()
            for entry in sorted(_entries(f"{self.root}/{directory}"), key=lambda entry: entry.name):
                name = f"{directory}/{entry.name}" if directory else entry.name
                linked += len(places) > 1
                if not entry.is_dir():
                    yield name
                elif not self.is_open(name) or linked > MAX_LINKED:
                    continue
                elif not entry.is_symlink():
                    waiting.append((name, (*places[:-1], f"{places[-1]}/{entry.name}")))
                elif not is_circle(real := os.path.realpath(entry.path), (self.root, *places)):
                    waiting.append((name, (*places, real)))

    def is_open(self, directory: str) -> bool:
        """Whether `directory` may contain sources.

        It may not if it, or a directory above it, is hidden (unless hidden files count), a cache, a virtual
        environment or an output directory.
        """
        unknown = []
        while directory and directory not in self._open:
            unknown.append(directory)
            directory = directory.rpartition("/")[0]
        is_open = not directory or self._open[directory]
        for below in reversed(unknown):
            is_open = self._open[below] = is_open and self._may_enter(below)
        return is_open

    def _may_enter(self, directory: str) -> bool:
        """Whether `directory` itself is open, if the one above it is."""
        name = directory.rpartition("/")[2]
        return (
            not self._is_hidden(name)
            and name not in _CACHES
            and not name.endswith(".egg-info")
            and directory != self.output
            and not (_SETUPTOOLS_OUTPUT.match(directory) and not os.path.lexists(f"{self.root}/build/__init__.py"))
            and not any(os.path.lexists(f"{self.root}/{directory}/{marker}") for marker in _ENVIRONMENTS)
        )

    def in_output(self, name: str) -> bool:
        """Whether `name` is below the output directory."""
        return self.output is not None and name.startswith(f"{self.output}/")

    def is_directory(self, name: str) -> bool:
        """Whether `name` is a directory, or a link to one."""
        return stat.S_ISDIR(self._mode(name))

    def is_source_file(self, name: str) -> bool:
        """Whether `name` is a regular file, or a link to one, and not bytecode."""
        return stat.S_ISREG(self._mode(name)) and not name.endswith(_BYTECODE)

    def _mode(self, name: str) -> int:
        """The mode of the file that `name` leads to, or 0 if there is none."""
        try:
            return os.stat(f"{self.root}/{name}").st_mode  # noqa: PTH116  # called for 10,000 names
        except OSError:
            return 0

    def shippable(self, entries: Iterable[str]) -> Shippable:
        """The files among `entries` that may ship.

        Excluded are hidden files, files in closed directories, built files, and the project's own `pyproject.toml` and
        lock. Instead of a link to a directory in the tree, its files are returned below the link, also those that links
        in it lead to. Broken links, and links to a directory above themselves, are not among the lost ones.
        """
        files: dict[str, str] = {}
        links: list[str] = []
        for name in filter(self._may_ship, entries):
            try:
                mode = os.lstat(f"{self.root}/{name}").st_mode
            except OSError:  # only in Git's index
                continue
            if stat.S_ISREG(mode):
                files[name] = name
            elif stat.S_ISLNK(mode):
                links.append(name)
        if not links:
            return Shippable(files=files, lost={})
        linked = follow(sorted(links), sorted(files), root=self.root, may_ship=self._may_ship)
        return Shippable(files={**files, **linked.files}, lost=linked.lost)

    def _may_ship(self, name: str) -> bool:
        above, _, last = name.rpartition("/")
        return (
            not self._is_hidden(last)
            and not last.endswith(_NEVER_SHIPPED)
            and name not in _PROJECT_FILES
            and self.is_open(above)
        )

    def _is_hidden(self, last: str) -> bool:
        """Whether a file or directory of this name, the last part of its path, does not count because it is hidden."""
        return last.startswith(".") and (not self.hidden or _PRIVATE.fullmatch(last) is not None)


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:  # removed, or not readable: the build cannot read it either
        return []


def top_of(name: str) -> str:
    """The directory at the root that contains the file `name`. For a file at the root, the file itself."""
    return name.partition("/")[0]


def directories_above(name: str) -> Iterator[str]:
    """The directories below the root that contain the file or directory `name`, innermost first."""
    while name := name.rpartition("/")[0]:
        yield name
