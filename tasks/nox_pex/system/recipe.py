"""The part of nox-pex's own code that decides the bytes of a binary; it is an input of every build."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path
from typing import Final

from nox_pex.version import __version__

_PACKAGE: Final = Path(__file__).resolve().parents[1]

_AFTER_BUILD: Final = {"smoke", "verify", "image"}
"""Rooms that are used after a binary is built, so that no change in them can change its bytes."""


@functools.cache
def digest() -> str:
    """Return the version of nox-pex, and in a checkout of nox-pex also a digest of its code.

    Between two releases, the code of a checkout changes and its version does not.
    """
    if not (_PACKAGE.parents[1] / "pyproject.toml").is_file():
        return __version__
    hasher = hashlib.sha256()
    package = os.fspath(_PACKAGE)
    # By `os.walk` and not by `Path.rglob`, which takes twice as long: this runs even if nothing changed.
    for directory, subdirectories, names in os.walk(package):
        later = _AFTER_BUILD if directory == package else set()
        subdirectories[:] = sorted({*subdirectories} - {"__pycache__"} - later)
        for name in sorted(names):
            if name.endswith(".py"):
                path = f"{directory}/{name}"
                with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # fast, for ninety files
                    hasher.update(f"{path.removeprefix(package)}\0".encode() + file.readall())
    return f"{__version__} {hasher.hexdigest()[:16]}"
