"""Read the content of a finished file from the file alone: its distributions with their metadata, pex, a Python."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from msgspec import Struct
from packaging.utils import NormalizedName

from nox_pex.distributions import scie_file
from nox_pex.distributions.scie_file import Part, ScieError
from nox_pex.errors import NoxPexError
from nox_pex.evidence.sbom import metadata
from nox_pex.system import files, locks, os_errors
from nox_pex.verify import archive, pex_distributions
from nox_pex.verify.archive import BOOTSTRAP, DEPENDENCIES, Pex
from nox_pex.verify.container import CHUNK, Container, read_text
from nox_pex.verify.pex_distributions import PexDistribution

_VENDORED: Final = re.compile(r"(?:\.bootstrap/)?pex/vendor/_vendored/(\w+)/")


_METADATA: Final = ("METADATA", "PKG-INFO")


class ShippedDistribution(Struct, frozen=True, kw_only=True):
    """A distribution in the file: its name and its version, as its metadata has them, and the text of that METADATA.

    `wheel` is the name of its wheel in `.deps`; empty if it is among the loose files.
    """

    name: NormalizedName
    version: str
    wheel: str
    metadata: str


class ShippedPython(Struct, frozen=True, kw_only=True):
    """A portable Python in a scie: the file name of its archive and its SHA-256, and whether the scie has its bytes."""

    file: str
    sha256: str
    included: bool


class ShippedFile(Struct, frozen=True, kw_only=True):
    """The content of a file. `sha256` is that of the file, or of the whole tree if `is_directory`; `size` is in bytes.

    `constraints` are the Pythons that it can run on, as pex has them. `vendored` are the names of the libraries inside
    pex's own code. `python` is the one inside, if it is a scie.
    """

    sha256: str
    size: int
    is_directory: bool
    pex_version: str
    constraints: tuple[str, ...]
    distributions: tuple[ShippedDistribution, ...]
    vendored: tuple[str, ...] = ()
    python: ShippedPython | None = None


def read(path: Path) -> ShippedFile:
    """Read the PEX at `path`, or the PEX in the scie at `path`.

    Raises `NoxPexError`: `usage` if it does not exist, `integrity` if it is neither or is damaged, `disk-full`.
    """
    try:
        scie, digests = scie_file.read_whole(path)
    except ScieError:
        return _read_pex(path, is_directory=path.is_dir())
    if scie.pex is None:
        return _read_pex(path, is_directory=path.is_dir())
    python = next((part for part in scie.parts if part.name == scie.python), None)
    with copied_part(path, scie.pex) as copy:
        found = _read_pex(copy, is_directory=False)
    if found.sha256 != digests.parts[scie.pex.name]:
        raise NoxPexError("integrity", f"{path} was changed while it was read", "run it again")
    return ShippedFile(
        sha256=digests.whole,
        size=path.stat().st_size,
        is_directory=False,
        pex_version=found.pex_version,
        constraints=found.constraints,
        distributions=found.distributions,
        vendored=found.vendored,
        python=None if python is None else python_of(python),
    )


def python_of(part: Part) -> ShippedPython:
    """Return the portable Python that is a part of a scie."""
    return ShippedPython(file=part.name, sha256=part.sha256, included=part.offset is not None)


@contextlib.contextmanager
def copied_part(path: Path, part: Part) -> Iterator[Path]:
    """Copy the part of a scie to a temporary file, and yield its path."""
    with locks.scratch("nox-pex-sbom-") as scratch:
        copy = scratch / "binary.pex"
        with (
            os_errors.writing(f"a copy of {path}", place=Path(tempfile.gettempdir())),
            files.open_regular(path) as source,
            copy.open("xb") as target,
        ):
            source.seek(part.offset or 0)
            _copy_bytes(source, target, part.size)
        yield copy


def _copy_bytes(source: IO[bytes], target: IO[bytes], size: int) -> None:
    while size > 0 and (piece := source.read(min(size, CHUNK))):
        target.write(piece)
        size -= len(piece)


def _read_pex(path: Path, *, is_directory: bool) -> ShippedFile:
    with archive.open_pex(path) as pex, archive.reporting_damage(str(path)):
        return of_pex(pex, is_directory=is_directory)


def of_pex(pex: Pex, *, is_directory: bool) -> ShippedFile:
    """Return the content of an open PEX. Raises `DamageError` if it is damaged."""
    constraints = pex.info.values.get("interpreter_constraints", ())
    return ShippedFile(
        sha256=pex.sha256,
        size=pex.size,
        is_directory=is_directory,
        pex_version=metadata.plain(pex.info.build_properties.pex_version),
        constraints=tuple(map(str, constraints)) if isinstance(constraints, list) else (),
        distributions=tuple(sorted(_distributions(pex), key=lambda each: (each.name, each.version, each.wheel))),
        vendored=tuple(sorted({match[1] for name in pex.bootstrap.members if (match := _VENDORED.match(name))})),
    )


def _distributions(pex: Pex) -> Iterator[ShippedDistribution]:
    for found in pex_distributions.distributions(pex):
        yield ShippedDistribution(
            name=NormalizedName(metadata.plain(found.name) or "unnamed"),
            version=metadata.plain(found.version),
            wheel=metadata.plain(found.wheel.name) if found.wheel is not None else "",
            metadata=_metadata(pex, found),
        )


def _metadata(pex: Pex, found: PexDistribution) -> str:
    if found.wheel is not None:
        return _text(found.wheel.content, f"{found.dist_info}/METADATA") if found.dist_info else ""
    for name in pex.container.members:
        directory, _, file = name.rpartition("/")
        if file in _METADATA and "/" not in directory and not name.startswith((DEPENDENCIES, f"{BOOTSTRAP}/")):
            text = _text(pex.container, name)
            if pex_distributions.name_and_version(text) == (found.name, found.version):
                return text
    return ""


def _text(container: Container, name: str) -> str:
    return read_text(container, name, limit=metadata.LONGEST_HEADER)
