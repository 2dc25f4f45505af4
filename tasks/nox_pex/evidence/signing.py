"""Sign the finished statements about a binary. Nothing else is read or run.

The files: `KIND.statement.json` in `dist/NAME.attestations`, whose exact bytes are signed; next to it
`KIND.sigstore.json`; and `dist/NAME.pex.intoto.jsonl`, with an envelope on each line.
"""

from __future__ import annotations

import contextlib
import errno
import stat
from pathlib import Path
from typing import Final

from msgspec import json

from nox_pex.errors import NoxPexError
from nox_pex.evidence import dsse, sigstore_bundle, statement_reader
from nox_pex.evidence.check import bundle
from nox_pex.evidence.keys import SigningKey
from nox_pex.evidence.kinds import KINDS, PREDICATE_TYPES, Kind
from nox_pex.system import files, os_errors, strict_json
from nox_pex.system.lazy import pattern

_SUFFIX: Final = ".attestations"
"""The end of the name of a directory with statements."""


_SHA256: Final = pattern(r"[0-9a-f]{64}")


def sign(directory: Path, key: SigningKey) -> Path:
    """Sign each statement in `dist/NAME.attestations` with `key`. Return `dist/NAME.pex.intoto.jsonl`.

    Either all files are written, or none is and the older ones are removed. Raises `NoxPexError`: `usage` if
    `directory` is no such directory, `not-proven` if it holds no statements, or a file that is none, `os-error` and
    `disk-full`.
    """
    with os_errors.one_line("sign", place=directory):
        _require_directory(directory)
        try:
            return _sign(directory, key)
        except BaseException:
            with contextlib.suppress(OSError):
                unsigned(directory)
            raise


def _sign(directory: Path, key: SigningKey) -> Path:
    """Sign each statement in `directory`, and write the signatures: those of an older run are gone before the first."""
    statements = _statements(directory)
    envelopes = {kind: dsse.sign(payload, key) for kind, payload in statements.items()}
    lines = b"".join(json.encode(envelope) + b"\n" for envelope in envelopes.values())
    if len(lines) > bundle.LARGEST:
        problem = f"the statements in {directory} are too large for one file"
        raise NoxPexError("not-proven", problem, f"`nox-pex check` reads {bundle.LARGEST >> 20} MiB at most")
    unsigned(directory)
    for kind, envelope in envelopes.items():
        text = json.encode(sigstore_bundle.bundle(envelope)).decode("utf-8")
        files.write_text(directory / f"{kind}.sigstore.json", f"{text}\n")
    path = _bundle(directory)
    files.write_text(path, lines.decode("utf-8"))
    return path


def unsigned(directory: Path) -> None:
    """Remove the older signatures of the statements in `dist/NAME.attestations`; none may exist.

    Nothing is removed from a directory that a link leads to. Raises `NoxPexError` `os-error` if a directory is in the
    place of a signature.
    """
    is_own = directory.is_dir() and not directory.is_symlink()
    of_kinds = [directory / f"{kind}.sigstore.json" for kind in KINDS] if is_own else []
    for path in (_bundle(directory), *of_kinds):
        files.require_replaceable(path)
        path.unlink(missing_ok=True)


def directories(directory: Path) -> tuple[Path, ...]:
    """Return the directories with statements: `directory` itself, or those in it, sorted by name.

    Raises `NoxPexError` `usage` if there is none.
    """
    try:
        is_directory = directory.is_dir()
    except ValueError:  # a path with NUL
        is_directory = False
    if not is_directory:
        # Its path is not shown: it may be that of the key, given in the wrong place.
        raise NoxPexError("usage", "nox-pex sign: DIR is not a directory", f"give dist/NAME{_SUFFIX}, or dist")
    path = directory.resolve() if directory.name in {"", ".."} else directory
    if path.name.endswith(_SUFFIX):
        return (path,)
    found = tuple(sorted(each for each in path.iterdir() if each.name.endswith(_SUFFIX) and each.is_dir()))
    if not found:
        problem = f"{directory} is not, and does not contain, a directory NAME{_SUFFIX}"
        raise NoxPexError("usage", problem, "run `nox -s attest`, which writes it")
    return found


def _bundle(directory: Path) -> Path:
    return directory.with_name(f"{directory.name.removesuffix(_SUFFIX)}.pex.intoto.jsonl")


def _require_directory(directory: Path) -> None:
    """Raise `NoxPexError` `usage` if `directory` is not a directory `NAME.attestations`."""
    if not directory.name.endswith(_SUFFIX) or directory.name == _SUFFIX or not directory.is_dir():
        problem = f"{directory} is not a directory NAME{_SUFFIX}"
        raise NoxPexError("usage", problem, "run `nox -s attest`, which writes it")
    if directory.is_symlink():
        raise NoxPexError("usage", f"{directory} is a link", "give the directory itself")


def _statements(directory: Path) -> dict[Kind, bytes]:
    """Return the bytes of each statement in `directory`, in the order of the kinds. They are about the same file."""
    found: dict[Kind, bytes] = {}
    for kind in KINDS:
        with contextlib.suppress(FileNotFoundError):
            found[kind] = _read(directory / f"{kind}.statement.json")
    if not found:
        problem = f"{directory} has no statements (KIND.statement.json)"
        raise NoxPexError("not-proven", problem, "run `nox -s attest`, which writes them")
    subjects = [_check(payload, kind, directory / f"{kind}.statement.json") for kind, payload in found.items()]
    if not frozenset.intersection(*subjects):
        problem = f"the statements in {directory} are not about the same file"
        raise NoxPexError("not-proven", problem, "run `nox -s attest` again")
    return found


def _read(path: Path) -> bytes:
    """Return the bytes of a statement. A link is not followed: its target may be a secret that would be published."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise _refused(path, "is not a regular file")
    try:
        return files.read_bytes(path)
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
    raise _refused(path, "is too large")


def _check(payload: bytes, kind: Kind, path: Path) -> frozenset[str]:
    """Return the SHA-256 of the files that a statement is about. Raise `NoxPexError` if it is none of its kind."""
    try:
        found = statement_reader.read(payload)
        strict_json.check(payload)
    except ValueError as error:
        problem = "has a key twice" if isinstance(error, strict_json.RepeatedKeyError) else "is no in-toto statement"
    else:
        subjects = frozenset(each for each in found.sha256s if _SHA256.fullmatch(each))
        problem = "is about no file" if not subjects else ""
        if found.predicate_type != PREDICATE_TYPES[kind]:
            problem = f"is not a statement of the kind {kind}"
        if not problem:
            return subjects
    raise _refused(path, problem)


def _refused(path: Path, problem: str) -> NoxPexError:
    return NoxPexError("not-proven", f"{path} {problem}", "run `nox -s attest` again")
