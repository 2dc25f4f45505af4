"""The part of nox-pex's own code that decides the bytes of a binary; it is an input of every build."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Final

from nox_pex.version import __version__

_PACKAGE: Final = Path(__file__).resolve().parents[1]

_AFTER_BUILD: Final = ("smoke", "verify", "image")
"""Rooms that are used after a binary is built, so that no change in them can change its bytes."""


@functools.cache
def digest() -> str:
    """Return the version of nox-pex, and in a checkout of nox-pex also a digest of its code.

    Between two releases, the code of a checkout changes and its version does not.
    """
    if not (_PACKAGE.parents[1] / "pyproject.toml").is_file():
        return __version__
    hasher = hashlib.sha256()
    for file in sorted(_PACKAGE.rglob("*.py")):
        name = file.relative_to(_PACKAGE)
        if name.parts[0] not in _AFTER_BUILD:
            hasher.update(f"{name.as_posix()}\0".encode() + file.read_bytes())
    return f"{__version__} {hasher.hexdigest()[:16]}"
