"""A PEX file on disk: its PEX-INFO, the distributions in it, its digest and its size."""

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
    """The normalized names of the distributions in a PEX: all that was asked for but what `exclude` took out."""
    return frozenset(distribution_name(wheel) for wheel in info(binary)["distributions"])


def distribution_name(wheel: str) -> NormalizedName:
    """The normalized name of the distribution that PEX-INFO has under the name of a wheel."""
    # Older ones leave hyphens in the names of wheels: a name ends where a version begins.
    return canonicalize_name(re.split(r"-(?=\d)", wheel, maxsplit=1)[0])


def info(binary: Path) -> dict[str, Any]:
    """The PEX-INFO of a PEX file or directory."""
    if binary.is_dir():
        text = (binary / "PEX-INFO").read_bytes()
    else:
        with zipfile.ZipFile(binary) as archive:
            text = archive.read("PEX-INFO")
    found: dict[str, Any] = json.loads(text)
    return found


def digest(binary: Path) -> str:
    """The SHA-256 of a PEX file, read in pieces; of a PEX directory, over its files by path."""
    if not binary.is_dir():
        return files.digest(binary)
    hasher = hashlib.sha256()
    for file in _files(binary):
        hasher.update(os.fsencode(file.relative_to(binary)) + b"\0" + files.digest(file).encode() + b"\0")
    return hasher.hexdigest()


def size(binary: Path) -> int:
    """The bytes of a PEX file, or of all files of a PEX directory."""
    if not binary.is_dir():
        return binary.stat().st_size
    return sum(path.stat().st_size for path in _files(binary))


def _files(binary: Path) -> list[Path]:
    """The files of a PEX directory, but for the bytecode that Python leaves in it when it is run in its place."""
    return sorted(path for path in binary.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
