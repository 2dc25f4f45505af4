"""A PATH on which there is no Python, but everything else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from nox_pex.smoke.process.program import UnavailableError

_PYTHONS: Final = ("python", "pypy")
"""The beginnings of the names of Python interpreters, and of the programs that come with them."""


def path_without_python(path: str, into: Path) -> str:
    """Return the value `path` of PATH without any Python.

    In place of a directory with a Python comes a new one in `into`, with links to all other programs in it.
    Raises `UnavailableError` if a Python is still found.
    """
    entries: dict[str, None] = {}
    for number, entry in enumerate(path.split(os.pathsep)):
        names = list(_names(entry))
        if not any(is_python for _, is_python in names):
            entries[entry] = None
            continue
        copy = into / str(number)
        if not copy.exists():
            copy.mkdir(parents=True)
            for name, is_python in names:
                if not is_python:
                    (copy / name).symlink_to(Path(entry, name))
        entries[str(copy)] = None
    for entry in entries:
        found = next((name for name, is_python in _names(entry) if is_python), None)
        if found is not None:
            msg = f"{entry} on PATH has {found}"
            raise UnavailableError(msg)
    return os.pathsep.join(entries)


def _names(directory: str) -> Iterator[tuple[str, bool]]:
    """Yield the name of each entry of a directory, and whether it is a Python, by its name or by that of its target."""
    try:
        with os.scandir(directory or ".") as entries:
            for entry in entries:
                target = os.path.realpath(entry.path) if entry.is_symlink() else entry.name
                yield entry.name, entry.name.startswith(_PYTHONS) or Path(target).name.startswith(_PYTHONS)
    except OSError:
        return
