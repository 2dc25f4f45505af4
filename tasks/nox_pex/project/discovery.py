"""Which projects `register()` means, and what each is called in the names of its sessions."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from nox_pex.errors import NoxPexError


def names_several(patterns: Sequence[str | os.PathLike[str]]) -> bool:
    """Whether `register()` was given more than one project: several directories, or a pattern, whatever it matches."""
    return len(patterns) > 1 or any(glob.has_magic(os.fspath(pattern)) for pattern in patterns)


def find_projects(patterns: Sequence[str | os.PathLike[str]]) -> tuple[Path, ...]:
    """The directories that `patterns` name, in their order, each once; a pattern's matches are sorted.

    A pattern (`services/*`) takes the directories in which there is a `pyproject.toml`, and no hidden ones. A plain
    path is taken as it is. Raises `NoxPexError` `usage` for a pattern that matches no project.
    """
    directories: dict[str, Path] = {}
    for given in patterns:
        pattern = os.fspath(given)
        matches = [pattern]
        if glob.has_magic(pattern):
            files = glob.glob(os.path.join(pattern, "pyproject.toml"), recursive=True)  # noqa: PTH118, PTH207
            matches = sorted(os.path.dirname(file) for file in files)  # noqa: PTH120  # a pattern is no path
        if not matches:
            problem = f"register({pattern!r}) matches no directory with a pyproject.toml in {Path.cwd()}"
            raise NoxPexError("usage", problem, "correct the pattern; it is taken from the noxfile's directory")
        for match in matches:
            directories.setdefault(os.path.abspath(match), Path(match))  # noqa: PTH100  # no link is followed
    return tuple(directories.values())


def labels(directories: Sequence[Path]) -> Mapping[Path, str]:
    """What each directory is called: its name, or as much of the end of its path as tells it from the others."""
    parts = {directory: Path(os.path.abspath(directory)).parts[1:] for directory in directories}  # noqa: PTH100
    taken = dict.fromkeys(directories, 1)
    while True:
        called = {directory: "/".join(parts[directory][-taken[directory] :]) for directory in directories}
        times = Counter(called.values())
        clashing = [directory for directory in directories if times[called[directory]] > 1]
        if not clashing:
            return called
        for directory in clashing:
            taken[directory] += 1
