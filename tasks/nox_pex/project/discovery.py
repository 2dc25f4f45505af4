"""The projects that `register()` names, and their labels in the names of sessions."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nox_pex.errors import NoxPexError
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    from nox_pex.system import outside_text
else:
    outside_text = lazy("nox_pex.system.outside_text")  # slow, and every `nox --list` loads this module


def names_several(patterns: Sequence[str | os.PathLike[str]]) -> bool:
    """Whether `patterns` name more than one project: several directories, or a pattern, even if it matches only one."""
    return len(patterns) > 1 or any(glob.has_magic(os.fspath(pattern)) for pattern in patterns)


def find_projects(patterns: Sequence[str | os.PathLike[str]]) -> tuple[Path, ...]:
    """Return the directories that `patterns` name, in their order, each once. The matches of a pattern are sorted.

    A pattern (`services/*`) matches the directories that contain a `pyproject.toml` and are not hidden. A plain path
    is returned even if it does not exist. Raises `NoxPexError` `usage` for a pattern that matches no project.
    """
    directories: dict[str, Path] = {}
    for given in patterns:
        pattern = os.fspath(given)
        matches = [pattern]
        if glob.has_magic(pattern):
            files = glob.glob(os.path.join(pattern, "pyproject.toml"), recursive=True)  # noqa: PTH118, PTH207  # a pattern is not a path
            matches = sorted(os.path.dirname(file) for file in files)  # noqa: PTH120  # glob gives strings
        if not matches:
            problem = f"register({pattern!r}) matches no directory with a pyproject.toml in {Path.cwd()}"
            raise NoxPexError("usage", problem, "correct the pattern; it is relative to the noxfile's directory")
        for match in matches:
            directories.setdefault(os.path.abspath(match), Path(match))  # noqa: PTH100  # does not follow links
    return tuple(directories.values())


def labels(directories: Sequence[Path]) -> Mapping[Path, str]:
    """The label of each directory: its name, or as many of its last path components as make the label unique."""
    parts = {directory: Path(os.path.abspath(directory)).parts[1:] for directory in directories}  # noqa: PTH100  # does not follow links
    lengths = dict.fromkeys(directories, 1)
    while True:
        found = {directory: "/".join(parts[directory][-lengths[directory] :]) for directory in directories}
        counts = Counter(found.values())
        ambiguous = [directory for directory in directories if counts[found[directory]] > 1]
        if not ambiguous:
            return {directory: outside_text.shown(label) for directory, label in found.items()}
        for directory in ambiguous:
            lengths[directory] += 1
