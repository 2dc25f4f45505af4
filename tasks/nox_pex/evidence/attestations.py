"""The statements that nox-pex makes, and their directory `dist/NAME.attestations`.

For each kind, it has the statement for DSSE signers, and the predicate alone for tools that make the statement.

Fact sources: in-toto attestation framework, "Statement layer" v1.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.evidence.kinds import KINDS, PREDICATE_TYPES, STATEMENT_TYPE, Kind
from nox_pex.pex.build_record import Sha256
from nox_pex.system import files, locks, os_errors, outside_text

_ENDINGS: Final = ("statement.json", "predicate.json", "sigstore.json")
"""The endings of the files of each kind. `nox_pex.evidence.signing` writes the last one."""


OUR_FILES: Final = frozenset(f"{kind}.{ending}" for kind in KINDS for ending in _ENDINGS)
"""The names of all files that nox-pex writes into the directory."""


class Subject(Struct, frozen=True, kw_only=True):
    """A file that ships: its file name, and its SHA-256 in hexadecimal."""

    name: str
    sha256: Sha256


def statement(kind: Kind, predicate: Mapping[str, Any], subjects: Sequence[Subject]) -> dict[str, Any]:
    """Return the statement of this kind about `subjects`, of which there is at least one.

    `predicate` has JSON values only. Raises `ValueError` without a subject, because such a statement is about nothing.
    """
    if not subjects:
        msg = "a statement needs a subject"
        raise ValueError(msg)
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": subject.name, "digest": {"sha256": subject.sha256}} for subject in subjects],
        "predicateType": PREDICATE_TYPES[kind],
        "predicate": dict(predicate),
    }


def json_text(value: Mapping[str, Any]) -> str:
    """Return the text of a statement or of a predicate, which is always the same for the same value.

    It is indented JSON with one newline at its end. Everything invisible is escaped, and so are lone surrogates, so the
    text can be encoded as UTF-8.
    """
    return outside_text.json_text(value)


def write(directory: Path, predicates: Mapping[Kind, Mapping[str, Any]], subjects: Sequence[Subject]) -> None:
    """Write `KIND.statement.json` and `KIND.predicate.json` for each of `predicates` into `directory`.

    At every moment, `directory` has the files of one run: those of `OUR_FILES` from an earlier run are gone when the
    new ones are there. Other files in it stay. Only if the system cannot exchange two directories (`files`), there is
    no `directory` for a moment.
    Raises `NoxPexError`: `os-error` if a file is in the place of `directory`, `disk-full`; nothing is changed then.
    """
    require_place(directory)
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


def require_place(directory: Path) -> None:
    """Raise `NoxPexError` `os-error` if a file is in the place of `directory`, or a directory in that of a file."""
    if os.path.lexists(directory) and not directory.is_dir():
        problem = f"cannot write {directory}: a file with this name exists"
        raise NoxPexError("os-error", problem, "move the file away")
    for name in sorted(OUR_FILES):
        files.require_replaceable(directory / name)


def remove(directory: Path) -> None:
    """Remove the statements of an earlier run, and `directory` if nothing else is in it; nothing may be there."""
    if directory.is_symlink() or not directory.is_dir():
        return
    for name in OUR_FILES:
        (directory / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it has files of the user
        directory.rmdir()


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
