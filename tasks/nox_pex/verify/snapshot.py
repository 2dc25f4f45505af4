"""A private copy of a binary, read once: the content that `verify` judges, whatever happens to the file meanwhile."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from msgspec import Struct

from nox_pex.distributions import pex_file, tree
from nox_pex.distributions.pex_file import PexError
from nox_pex.errors import NoxPexError
from nox_pex.system import locks, os_errors
from nox_pex.system.wording import megabytes
from nox_pex.verify.container import CHUNK, MOST_FILES, DamageError
from nox_pex.verify.zip_file import Zip

LARGEST: Final = 16 << 30
"""Bytes of the largest binary that is judged. A copy of it is on disk meanwhile."""


_LARGE: Final = 256 << 20
"""Bytes of a file that takes a noticeable time to copy."""


_DEEPEST: Final = 100
"""Levels of directories in a binary. Those of packages have about ten."""


class Snapshot(Struct, frozen=True, kw_only=True):
    """The copy of a binary: an open `file` without a name, or a `directory`; its SHA-256 and its size in bytes."""

    sha256: str
    size: int
    file: IO[bytes] | None = None
    directory: Path | None = None


@contextlib.contextmanager
def taken(path: Path) -> Iterator[Snapshot]:
    """Copy the file or directory at `path`, and yield the copy.

    Raises `DamageError` if it cannot be read, if it is neither, or if it is too large; `NoxPexError`: `usage` if it
    does not exist, `disk-full` if there is no room.
    """
    if not os.path.exists(path):  # noqa: PTH110  # `Path.exists` raises an error for a name that is too long
        raise NoxPexError("usage", f"there is no {path}", "build it with `nox -s pex`, or give the path of one")
    with contextlib.ExitStack() as stack:
        try:
            with (
                os_errors.writing(f"a copy of {path}", place=Path(tempfile.gettempdir())),
                pex_file.opened(path) as original,
            ):
                if stat.S_ISDIR(os.fstat(original).st_mode):
                    temporary = stack.enter_context(locks.scratch("nox-pex-verify-"))
                    snapshot = _copy_of_directory(original, temporary / "binary")
                else:
                    file = stack.enter_context(tempfile.TemporaryFile(prefix="nox-pex-verify-"))
                    snapshot = _copy_of_file(original, file)
        except PexError as error:
            raise DamageError(str(error)) from error
        yield snapshot


def _copy_of_file(original: int, copy: IO[bytes]) -> Snapshot:
    if os.fstat(original).st_size > _LARGE:
        with os.fdopen(os.dup(original), "rb") as file:
            Zip(file)  # raises an error if it is none, before gigabytes are copied
    hasher = hashlib.sha256()
    size = 0
    while piece := os.read(original, CHUNK):
        size += len(piece)
        if size > LARGEST:
            msg = f"it has more than {megabytes(LARGEST)}"
            raise DamageError(msg)
        copy.write(piece)
        hasher.update(piece)
    copy.flush()
    return Snapshot(sha256=hasher.hexdigest(), size=size, file=copy)


def _copy_of_directory(original: int, copy: Path) -> Snapshot:
    if "PEX-INFO" not in os.listdir(original):
        msg = "it is a directory without a PEX-INFO"
        raise DamageError(msg)
    size = number = 0
    for entry in tree.entries(original):
        number, size = number + 1, size + entry.size
        if number > MOST_FILES or size > LARGEST or entry.depth > _DEEPEST:
            limits = f"{MOST_FILES:,} files and directories, {megabytes(LARGEST)}, or {_DEEPEST} levels of directories"
            msg = f"it has more than {limits}"
            raise DamageError(msg)
    tree.copy(original, copy)
    return Snapshot(sha256=pex_file.digest(copy), size=size, directory=copy)
