"""The part of nox-pex's own code that decides what is built: an input like any other."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Final

from nox_pex.version import __version__

_PACKAGE: Final = Path(__file__).resolve().parents[1]

_LATER: Final = ("smoke", "verify", "image")
"""Rooms that come after the binary is built, so that nothing in them can change its bytes."""


@functools.cache
def digest() -> str:
    """The version of nox-pex; in a checkout of it, also a digest of its code, which changes between two versions."""
    if not (_PACKAGE.parents[1] / "pyproject.toml").is_file():
        return __version__
    hasher = hashlib.sha256()
    for file in sorted(_PACKAGE.rglob("*.py")):
        name = file.relative_to(_PACKAGE)
        if name.parts[0] not in _LATER:
            hasher.update(f"{name.as_posix()}\0".encode() + file.read_bytes())
    return f"{__version__} {hasher.hexdigest()[:16]}"
