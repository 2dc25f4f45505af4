"""The files of Python near the top of a project, read as text: nothing is imported or run."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from msgspec import Struct

from nox_pex.project.pyproject import Project
from nox_pex.system import files

_MOST_FILES: Final = 200
"""The files of Python that are read."""


_LARGEST: Final = 256 * 1024
"""Bytes of a file that is read."""


_MOST_BYTES: Final = 1 << 20
"""Bytes of all files that are read."""


MOST_ENTRIES: Final = 20_000
"""The entries of directories that are looked at. A directory with more is seen in part, in the order of the system."""


_LONGEST: Final = 400
"""Characters of a line that are read. Of blank lines one is read, so that no search takes long, whatever a file has."""


_BLANK: Final = re.compile(r"\n\s*\n")
_SPACES: Final = re.compile(r"[ \t\f\v]{41,}")
_MODULE: Final = re.compile(r"[^\W\d][\w-]*")


_DEEPEST: Final = 3
"""The directories above a file that is read, from the directory of the packages."""


_NO_SOURCES: Final = frozenset({"tests", "test", "docs", "build", "dist", "node_modules", "noxfile.py", "setup.py"})


class PythonFile(Struct, frozen=True):
    """A file of Python: its path from the project's directory, its module, and its text."""

    path: str
    module: str
    text: str

    @property
    def can_be_imported(self) -> bool:
        """Whether the module has a name that a statement can import: `my-tool.py` is only a script."""
        return all(part.isidentifier() for part in self.module.split("."))


def root_of(project: Project) -> str:
    """Return the directory of the modules as a path from the project's; empty for that itself.

    If the project says nothing, it is the one that has Django's `manage.py`, which imports from its own directory.
    """
    if project.package_root or project.package_mode or (project.root / "manage.py").exists():
        return project.package_root
    inside = (each.name for each in _entries(str(project.root)) if each.is_dir(follow_symlinks=False))
    with_manage = (each for each in inside if (project.root / each / "manage.py").is_file())
    return next((each for each in with_manage if not (project.root / each / "__init__.py").exists()), "")


def read(project: Project) -> tuple[PythonFile, ...]:
    """Return the files of Python near the top of the project, the uppermost first, at most `_MOST_FILES`."""
    return tuple(_read(project))


def _read(project: Project) -> Iterator[PythonFile]:
    below, left = root_of(project), _MOST_BYTES
    for path in itertools.islice(_paths(project, below), _MOST_FILES):
        relative = (PurePosixPath(path).relative_to(below) if below else PurePosixPath(path)).with_suffix("")
        if not all(map(_MODULE.fullmatch, relative.parts)):
            continue
        try:
            content = files.read_bytes(project.root / path, most=min(_LARGEST, left))
        except OSError:
            continue
        left -= len(content)
        module = ".".join(relative.parts).removesuffix(".__init__")
        yield PythonFile(path, module, _short(content.decode("utf-8", "replace")))


def _short(text: str) -> str:
    """Return a text without blank lines in a row, long lines and wide spaces."""
    lines = (line[:_LONGEST] for line in _BLANK.sub("\n\n", text).split("\n"))
    return _SPACES.sub(" " * 40, "\n".join(lines))


def _paths(project: Project, below: str) -> Iterator[str]:
    """Yield the paths of the files of Python, level by level."""
    waiting, seen = [below], 0
    for _ in range(_DEEPEST + 1):
        deeper = []
        for directory in waiting:
            if seen >= MOST_ENTRIES:
                return
            entries = _entries(os.path.join(project.root, directory))  # noqa: PTH118  # `directory` may be empty
            seen += len(entries)
            for entry in entries:
                path = f"{directory}/{entry.name}" if directory else entry.name
                if entry.is_dir(follow_symlinks=False):
                    deeper.append(path)
                elif entry.name.endswith(".py"):
                    yield path
        waiting = deeper[:_MOST_FILES]


def _entries(directory: str) -> list[os.DirEntry[str]]:
    """Return the entries of a directory that may be sources, in the order of their names."""
    try:
        with os.scandir(directory) as found:
            every = [each for each in itertools.islice(found, MOST_ENTRIES) if _is_source(each.name)]
    except OSError:
        return []
    sources = sorted((each for each in every if _may_hold(each)), key=lambda each: each.name)
    return sources[: _MOST_FILES * 10]


def _is_source(name: str) -> bool:
    return not name.startswith(".") and name not in _NO_SOURCES


def _may_hold(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a file of Python, or a directory that is no virtual environment."""
    if not entry.is_dir(follow_symlinks=False):
        return entry.name.endswith(".py")
    return not os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))  # noqa: PTH110, PTH118  # it has a text
