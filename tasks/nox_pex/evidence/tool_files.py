"""The files that Poetry and pex were installed from, each with its digest."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct


class ToolFile(Struct, frozen=True, kw_only=True):
    """An installed tool, and the digest by which it is known.

    `file` is the wheel that it was installed from, and `sha256` its digest, if nox-pex pins it. Otherwise no hash of
    its files is known: `file` is the RECORD of the installation, and `sha256` the digest of that.
    """

    name: str
    version: str
    file: str
    sha256: str
    pinned: bool


def installed(name: str, *, python: Path) -> ToolFile:
    """Return the file of the tool `name` (`pex`, `poetry`), installed in the environment of the interpreter `python`.

    `pinned.provide_poetry(…).python` and `pinned.install_pex(…)` return such an interpreter.
    Raises `NoxPexError` `tool-install` if it is not installed there.
    """
    raise NotImplementedError
