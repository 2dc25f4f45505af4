"""Digests of files, computed without the code under test."""

from __future__ import annotations

import hashlib
from pathlib import Path


def digest(path: Path) -> str:
    """The SHA-256 digest of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def file_digests(directory: Path) -> dict[str, str]:
    """The path of every file below `directory`, relative to it, and the digest of its content."""
    return {
        path.relative_to(directory).as_posix(): digest(path) for path in sorted(directory.rglob("*")) if path.is_file()
    }
