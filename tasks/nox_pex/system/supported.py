"""Refuse operating systems that nox-pex does not run on."""

from __future__ import annotations

import sys

from nox_pex.errors import NoxPexError


def check_supported() -> None:
    """Raise `NoxPexError` `usage` on Windows, which cannot run these PEX files."""
    if sys.platform == "win32":
        raise NoxPexError("usage", "nox-pex does not run on Windows", "use WSL, or a Linux or macOS machine")
