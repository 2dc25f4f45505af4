"""The files of Python near the top of a project, read as text: nothing is imported or run."""

from __future__ import annotations

import os
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
    below, count = root_of(project), 0
    for path in _paths(project, below):
        if count == _MOST_FILES:
            return
        count += 1
        try:
            text = files.read_bytes(project.root / path, most=_LARGEST).decode("utf-8", "replace")
        except OSError:
            continue
        relative = PurePosixPath(path).relative_to(below) if below else PurePosixPath(path)
        module = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
        yield PythonFile(path, module, text)


def _paths(project: Project, below: str) -> Iterator[str]:
    """Yield the paths of the files of Python, level by level."""
    waiting = [below]
    for _ in range(_DEEPEST + 1):
        deeper = []
        for directory in waiting:
            for entry in _entries(os.path.join(project.root, directory)):  # noqa: PTH118  # `directory` may be empty
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
            every = [each for each in found if not each.name.startswith(".") and each.name not in _NO_SOURCES]
    except OSError:
        return []
    usable = [each for each in every if not os.path.exists(os.path.join(each.path, "pyvenv.cfg"))]  # noqa: PTH110, PTH118  # a `DirEntry` has a text
    return sorted(usable[: _MOST_FILES * 10], key=lambda each: each.name)
