"""The files of a project's directory that can be sources.

All names are POSIX paths from that directory. A name that is not UTF-8 is carried as `os.fsdecode` returns it.
Fact source: PEP 405 (`pyvenv.cfg`).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

_CACHES: Final = frozenset({"__pycache__", "__pypackages__", "node_modules"})


_ENVIRONMENTS: Final = ("pyvenv.cfg", "conda-meta")
"""A directory that contains one of these is a virtual environment or a conda environment."""


_SETUPTOOLS_OUTPUT: Final = re.compile(r"build/(lib|bdist|temp)[^/]*$")
"""Directories that setuptools leaves next to the sources. The first build would count as a change for the second."""


_PROJECT_FILES: Final = frozenset({"pyproject.toml", "poetry.lock", "poetry.toml"})


_BYTECODE: Final = (".pyc", ".pyo")


_NEVER_SHIPPED: Final = (*_BYTECODE, ".pex")


class Tree(Struct, frozen=True, kw_only=True):
    """The directory `root` (absolute, no links). `output` is the output directory inside it, or None if outside."""

    root: str
    output: str | None
    _open: dict[str, bool] = {}

    @classmethod
    def of(cls, root: Path, output_dir: Path) -> Tree:
        """The tree of the directory `root`; `output_dir` may be relative to it."""
        real = root.resolve()
        output = (real / output_dir).resolve()
        inside = output != real and output.is_relative_to(real)
        return cls(root=str(real), output=output.relative_to(real).as_posix() if inside else None)

    def walk(self, top: str = "", *, follow: bool = False) -> Iterator[str]:
        """All entries below the directory `top` that are not directories. Closed directories are skipped (`is_open`).

        A link to a directory is an entry. With `follow` it is a directory: it is skipped if it leads to the root or
        above, or to a directory that another link has led to before.
        """
        if not follow:
            return self._walk(top, None)
        above = {self.root, *map(str, Path(self.root).parents)}
        real = os.path.realpath(f"{self.root}/{top}")
        return iter(()) if top and real in above else self._walk(top, above | {real})

    def _walk(self, top: str, seen: set[str] | None) -> Iterator[str]:
        """`seen` are the real paths of directories that links may not lead to; None if links are not followed."""
        try:
            entries = list(os.scandir(f"{self.root}/{top}"))
        except OSError:  # removed, or not readable: the build cannot read it either
            return
        for entry in entries:
            name = f"{top}/{entry.name}" if top else entry.name
            if not entry.is_dir(follow_symlinks=False):
                if seen is None or not entry.is_symlink() or not entry.is_dir():
                    yield name
                    continue
                real = os.path.realpath(entry.path)
                if real in seen:
                    continue
                seen = seen | {real}
            if self.is_open(name):
                yield from self._walk(name, seen)

    def is_open(self, directory: str) -> bool:
        """Whether `directory` may contain sources.

        It may not if it, or a directory above it, is hidden, a cache, a virtual environment or an output directory.
        """
        if not directory:
            return True
        known = self._open.get(directory)
        if known is None:
            above, _, name = directory.rpartition("/")
            known = self._open[directory] = (
                not name.startswith(".")
                and name not in _CACHES
                and not name.endswith(".egg-info")
                and directory != self.output
                and not _SETUPTOOLS_OUTPUT.match(directory)
                and self.is_open(above)
                and not any(os.path.lexists(f"{self.root}/{directory}/{marker}") for marker in _ENVIRONMENTS)
            )
        return known

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

    def shippable(self, entries: Iterable[str]) -> set[str]:
        """The files among `entries` that may ship.

        Excluded are hidden files, files in closed directories, built files, and the project's own `pyproject.toml` and
        lock. Instead of a link to a directory in the tree, the files of that directory are returned, below the link.
        """
        files: set[str] = set()
        links: dict[str, str] = {}  # name to its target in the tree
        for name in filter(self._may_ship, entries):
            try:
                mode = os.lstat(f"{self.root}/{name}").st_mode
            except OSError:  # only in Git's index
                continue
            if stat.S_ISREG(mode):
                files.add(name)
            elif stat.S_ISLNK(mode) and (target := self._link_target(name)):
                links[name] = target
        linked = {name for name, target in links.items() if target in files}
        for name, target in links.items():
            if self.is_directory(target):
                inside = (file[len(target) :] for file in files if file.startswith(f"{target}/"))
                linked |= {name + path for path in inside if self._may_ship(name + path)}
        return files | linked

    def _may_ship(self, name: str) -> bool:
        above, _, last = name.rpartition("/")
        return (
            not last.startswith(".")
            and not last.endswith(_NEVER_SHIPPED)
            and name not in _PROJECT_FILES
            and self.is_open(above)
        )

    def _link_target(self, name: str) -> str | None:
        """The target of a link, as a name in the tree. None if it is outside, or a directory above the link itself."""
        target = os.path.realpath(f"{self.root}/{name}")
        inside = target.startswith(f"{self.root}/") and not f"{self.root}/{name}".startswith(f"{target}/")
        return target[len(self.root) + 1 :] if inside else None


def top_of(name: str) -> str:
    """The directory at the root that contains the file `name`. For a file at the root, the file itself."""
    return name.partition("/")[0]


def directories_above(name: str) -> Iterator[str]:
    """The directories below the root that contain the file or directory `name`, innermost first."""
    while name := name.rpartition("/")[0]:
        yield name
