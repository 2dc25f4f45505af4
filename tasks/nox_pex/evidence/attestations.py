"""The directory `dist/NAME.attestations`: for each kind a statement for DSSE signers, and its predicate for others."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from nox_pex.errors import NoxPexError
from nox_pex.evidence.kinds import KINDS, Kind
from nox_pex.evidence.statement import Subject, json_text, statement
from nox_pex.system import files, locks, os_errors

_ENDINGS: Final = ("statement.json", "predicate.json", "sigstore.json")
"""The endings of the files of each kind. `nox_pex.evidence.signing` writes the last one."""


OUR_FILES: Final = frozenset(f"{kind}.{ending}" for kind in KINDS for ending in _ENDINGS)
"""The names of all files that nox-pex writes into the directory."""


def write(directory: Path, predicates: Mapping[Kind, Mapping[str, Any]], subjects: Sequence[Subject]) -> None:
    """Write `KIND.statement.json` and `KIND.predicate.json` for each of `predicates` into `directory`.

    At every moment, `directory` has the files of one run: those of `OUR_FILES` from an earlier run are gone when the
    new ones are there. Other files in it stay. Only if the system cannot exchange two directories (`files`), there is
    no `directory` for a moment.
    Raises `NoxPexError`: `os-error` if a file is in the place of `directory`, `disk-full`; nothing is changed then.
    """
    if os.path.lexists(directory) and not directory.is_dir():
        problem = f"cannot write {directory}: a file with this name exists"
        raise NoxPexError("os-error", problem, "move the file away")
    with os_errors.writing(str(directory), place=directory.parent):
        directory.parent.mkdir(parents=True, exist_ok=True)
        with locks.scratch(f".{directory.name}.", parent=directory.parent) as scratch:
            new = scratch / directory.name
            new.mkdir()
            for kind, predicate in predicates.items():
                files.write_text(new / f"{kind}.statement.json", json_text(statement(kind, predicate, subjects)))
                files.write_text(new / f"{kind}.predicate.json", json_text(predicate))
            if directory.is_dir() and not directory.is_symlink():
                _keep_others(directory, new)
            files.move_into_place(new, directory)


def _keep_others(old: Path, new: Path) -> None:
    """Put everything in the directory `old` that nox-pex did not write into `new`, without another copy if possible."""
    with os.scandir(old) as entries:
        for entry in entries:
            if entry.name in OUR_FILES:
                continue
            if entry.is_dir(follow_symlinks=False):
                files.copy_tree(Path(entry.path), new / entry.name, copy=files.link)
            else:
                files.link(entry.path, new / entry.name)
