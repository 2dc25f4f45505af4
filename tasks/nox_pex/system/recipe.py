"""The part of nox-pex's own code that decides the bytes of a binary; it is an input of every build."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from nox_pex.version import __version__

_PACKAGE: Final = Path(__file__).resolve().parents[1]

_AFTER_BUILD: Final = {"smoke", "verify", "evidence", "image", "contents", "page"}
"""Rooms that are used after a binary is built, so that no change in them can change its bytes."""


@functools.cache
def digest() -> str:
    """Return the version of nox-pex, and in a checkout of nox-pex also a digest of its code.

    Between two releases, the code of a checkout changes and its version does not.
    """
    return _digest(lambda: _modules(os.fspath(_PACKAGE)))


@functools.cache
def digest_of(*rooms: str) -> str:
    """Return the same of the code in other `rooms`, which decide the content of another file than the binary."""
    package = os.fspath(_PACKAGE)
    return _digest(lambda: (f"/{room}{path}" for room in sorted(rooms) for path in _modules(f"{package}/{room}")))


def _digest(modules: Callable[[], Iterator[str]]) -> str:
    """Return the version of nox-pex, and in a checkout also the digest of `modules`, paths in the package."""
    if not (_PACKAGE.parents[1] / "pyproject.toml").is_file():
        return __version__
    hasher = hashlib.sha256()
    for path in modules():
        descriptor = os.open(f"{_PACKAGE}{path}", os.O_RDONLY)
        try:
            hasher.update(f"{path}\0".encode() + os.read(descriptor, os.fstat(descriptor).st_size))
        finally:
            os.close(descriptor)
    return f"{__version__} {hasher.hexdigest()[:16]}"


def _modules(package: str) -> Iterator[str]:
    """Yield the path of each module that decides the bytes of a binary, from the directory `package`, with a slash.

    `os.walk` and files of Python take twice as long, and this runs even if nothing changed.
    """
    waiting = [""]
    while waiting:
        directory = waiting.pop()
        with os.scandir(f"{package}{directory}") as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.endswith(".py"):
                    yield f"{directory}/{entry.name}"
                elif entry.is_dir() and entry.name != "__pycache__" and (directory or entry.name not in _AFTER_BUILD):
                    waiting.append(f"{directory}/{entry.name}")
