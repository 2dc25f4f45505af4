"""A PEX, as a file or as a directory: its PEX-INFO, its distributions, its digest and its size."""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

from packaging.utils import NormalizedName, canonicalize_name

from nox_pex.system import files


def distribution_names(binary: Path) -> frozenset[str]:
    """Return the normalized names of the distributions in a PEX; those that `exclude` removed are not among them."""
    return frozenset(distribution_name(wheel) for wheel in info(binary)["distributions"])


def distribution_name(wheel: str) -> NormalizedName:
    """Return the normalized name of the distribution that PEX-INFO lists by the name of its wheel."""
    # Older build backends leave hyphens in the names of wheels: the version begins after the first one before a digit.
    return canonicalize_name(re.split(r"-(?=\d)", wheel, maxsplit=1)[0])


def info(binary: Path) -> dict[str, Any]:
    """Return the PEX-INFO of a PEX."""
    if binary.is_dir():
        text = (binary / "PEX-INFO").read_bytes()
    else:
        with zipfile.ZipFile(binary) as archive:
            text = archive.read("PEX-INFO")
    found: dict[str, Any] = json.loads(text)
    return found


def digest(binary: Path) -> str:
    """Return the SHA-256 of a PEX file; for a PEX directory, of the paths and digests of its files."""
    if not binary.is_dir():
        return files.digest(binary)
    hasher = hashlib.sha256()
    for file in _files(binary):
        hasher.update(os.fsencode(file.relative_to(binary)) + b"\0" + files.digest(file).encode() + b"\0")
    return hasher.hexdigest()


def size(binary: Path) -> int:
    """Return the bytes of a PEX file, or of all files in a PEX directory."""
    if not binary.is_dir():
        return binary.stat().st_size
    return sum(path.stat().st_size for path in _files(binary))


def _files(binary: Path) -> list[Path]:
    """Return the files of a PEX directory, without the bytecode that Python writes into it when it runs there."""
    return sorted(path for path in binary.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
