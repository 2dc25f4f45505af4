"""Read a file and its bundle, each of which may be anything, and check the file."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import os
from pathlib import Path
from typing import Final

from nox_pex.errors import NoxPexError
from nox_pex.evidence.check import bundle, verdict
from nox_pex.evidence.check.policy import Policy
from nox_pex.evidence.check.report import Checked
from nox_pex.evidence.check.verdict import Verdict
from nox_pex.system import files

_SUFFIX: Final = ".intoto.jsonl"
"""The end of the name of a bundle, after that of its file."""


_PIECE: Final = 1 << 20
"""Bytes that are read at a time."""


def check(file: Path, bundle_path: Path | None, policy: Policy, *, now: dt.datetime) -> Checked:
    """Return the verdict about `file` from the statements in `bundle_path`, by default `FILE.intoto.jsonl`.

    Raises `NoxPexError` `usage` if `file` cannot be read. A bundle that cannot be read proves nothing.
    """
    sha256 = _sha256(file)
    path = file.with_name(f"{file.name}{_SUFFIX}") if bundle_path is None else bundle_path
    return Checked(
        file=str(file), sha256=sha256, bundle=str(path), verdict=_verdict(path, sha256=sha256, policy=policy, now=now)
    )


def _sha256(file: Path) -> str:
    """Return the SHA-256 of a regular file, which is opened once."""
    remedy = "name the file that ships, such as service.pex; a directory has no statements"
    try:
        with files.open_regular(file) as opened:
            size = os.fstat(opened.fileno()).st_size
            digest = _digest(opened, size)
    except (OSError, ValueError) as error:  # `ValueError` for a path with NUL
        reason = error.strerror if isinstance(error, OSError) else "no path"
        raise NoxPexError("usage", f"{file} cannot be read: {reason}", remedy) from error
    if digest is None:
        raise NoxPexError("usage", f"{file} is being written", "wait until it is complete")
    return digest


def _digest(opened: io.FileIO, size: int) -> str | None:
    """Return the SHA-256 of an open file of `size` bytes; None if it has more, perhaps without an end."""
    hasher, buffer, left = hashlib.sha256(), memoryview(bytearray(_PIECE)), size
    while read := opened.readinto(buffer):
        left -= read
        if left < 0:
            return None
        hasher.update(buffer[:read])
    return hasher.hexdigest()


def _verdict(path: Path, *, sha256: str, policy: Policy, now: dt.datetime) -> Verdict:
    try:
        data = _read(path)
    except (OSError, ValueError) as error:  # `ValueError` for a path with NUL
        if isinstance(error, FileNotFoundError):
            return verdict.refused(f"there is no bundle {path} (--bundle names another one)")
        reason = error.strerror if isinstance(error, OSError) else "no path"
        return verdict.refused(f"the bundle {path} cannot be read: {reason}")
    return verdict.check(data, sha256=sha256, policy=policy, now=now)


def _read(path: Path) -> bytes:
    """Return the bytes of a bundle. Stops at the first byte, or line, that is too much."""
    pieces, size, ends = [], 0, 0
    with files.open_regular(path) as opened:
        while size <= bundle.LARGEST and ends <= bundle.MOST_LINES and (piece := opened.read(_PIECE)):
            pieces.append(piece)
            size += len(piece)
            ends += piece.count(b"\n")
    return b"".join(pieces)
