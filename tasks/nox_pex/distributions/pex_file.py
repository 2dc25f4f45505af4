"""A PEX, as a file or as a directory: its PEX-INFO, its distributions, its digest and its size."""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.utils import NormalizedName, canonicalize_name

from nox_pex.system import files
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    from nox_pex.distributions import entry_points
else:
    entry_points = lazy("nox_pex.distributions.entry_points")  # not needed if nothing changed


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


def scripts(binary: Path) -> frozenset[str]:
    """Return the names of the scripts of all distributions in a PEX: those that `PEX_SCRIPT` can start.

    Raises `zipfile.BadZipFile` if it is not a PEX.
    """
    if not binary.is_dir():
        with zipfile.ZipFile(binary) as archive:
            return frozenset(_scripts_in_archive(archive))
    found: set[str] = set()
    for entry in sorted((binary / ".deps").glob("*")):
        if entry.is_dir():
            names = [path.relative_to(entry).as_posix() for path in _files(entry)]
            found.update(_scripts(names, partial(_read_file, entry)))
        else:
            with zipfile.ZipFile(entry) as wheel:
                found.update(_scripts(wheel.namelist(), wheel.read))
    return frozenset(found)


_WHEEL: Final = re.compile(r"\.deps/[^/]+")


_SCRIPT: Final = re.compile(r"(?:\.deps/[^/]+/)?(?:\.prefix/bin|[^/]+\.data/scripts)/(?P<name>[^/]+)")
"""The path of a script: in a wheel that pex has installed, or in one that is packed as it was."""


_ENTRY_POINTS: Final = re.compile(r"(?:\.deps/[^/]+/)?[^/]+\.dist-info/entry_points\.txt")


def _read_file(directory: Path, name: str) -> bytes:
    return (directory / name).read_bytes()


def _scripts_in_archive(archive: zipfile.ZipFile) -> Iterator[str]:
    names = archive.namelist()
    yield from _scripts(names, archive.read)
    for name in filter(_WHEEL.fullmatch, names):
        with archive.open(name) as file, zipfile.ZipFile(file) as wheel:
            yield from _scripts(wheel.namelist(), wheel.read)


def _scripts(names: Iterable[str], read: Callable[[str], bytes]) -> Iterator[str]:
    """Yield the scripts of one or more wheels from their members: the `names`, and a function that reads one."""
    for name in names:
        if match := _SCRIPT.fullmatch(name):
            yield match["name"]
        elif _ENTRY_POINTS.fullmatch(name):
            yield from entry_points.generated_scripts(read(name).decode("utf-8", "replace"))


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
    return sorted(path for path in files.paths(binary) if path.is_file() and "__pycache__" not in path.parts)
