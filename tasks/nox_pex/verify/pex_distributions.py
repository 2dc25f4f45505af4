"""The distributions in a PEX according to their own metadata, and the locations where their files are installed.

Fact sources: the binary distribution format (PEP 427), PEP 376 for RECORD, pex's `installed_wheel.py` and `pep_427.py`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import PurePosixPath
from typing import Final

from msgspec import Struct
from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_name, parse_wheel_filename

from nox_pex.distributions.record import record_rows
from nox_pex.verify.archive import BOOTSTRAP, DEPENDENCIES, Pex, PexWheel
from nox_pex.verify.container import DamageError, read_text

LAYOUT: Final = ".layout.json"
"""The file that pex adds to a wheel that it has installed; no RECORD lists it."""


_DIST_INFO: Final = re.compile(r"(?P<directory>[^/]+\.dist-info)/")


_LOOSE_METADATA: Final = re.compile(r"[^/]+\.(?:dist-info/METADATA|egg-info/PKG-INFO)")
"""Metadata at the root, which is on `sys.path`. In a deeper directory it belongs to a vendored copy."""


class PexDistribution(Struct, frozen=True, kw_only=True):
    """A distribution in a PEX: its normalized name, its version, and the entry of `.deps` that holds it.

    `dist_info` is the name of its metadata directory. It is None if there is none, or more than one; name and version
    then come from the file name. `wheel` is None if the distribution is among the loose files: pex does not see it
    there.
    """

    name: NormalizedName
    version: str
    wheel: PexWheel | None
    dist_info: str | None

    @property
    def where(self) -> str:
        """Its place in the PEX, for messages."""
        return DEPENDENCIES + self.wheel.name if self.wheel else "among the loose files"


class RecordRow(Struct, frozen=True, kw_only=True):
    """A row of a RECORD. `algorithm` and `digest` (urlsafe base64 without padding) are empty if it has no hash."""

    path: str
    algorithm: str
    digest: str


class Location(Struct, frozen=True, kw_only=True, order=True):
    """The place of an installed file: `path` in the directory `scheme` (`lib`, `scripts`, `headers` or `data`)."""

    scheme: str
    path: str


def distributions(pex: Pex) -> Iterator[PexDistribution]:
    """Yield all distributions in a PEX: those in `.deps`, and those among its loose files."""
    yield from map(_of_wheel, pex.wheels)
    for name in pex.container.members:
        if not name.startswith((DEPENDENCIES, f"{BOOTSTRAP}/")) and _LOOSE_METADATA.fullmatch(name):
            found, version = name_and_version(read_text(pex.container, name))
            yield PexDistribution(name=found, version=version, wheel=None, dist_info=None)


def name_and_version(metadata: str) -> tuple[NormalizedName, str]:
    """Return the normalized name and the version in the text of a METADATA; empty if it has none."""
    headers = HeaderParser().parsestr(metadata)
    return canonicalize_name(str(headers.get("Name", "")).strip()), str(headers.get("Version", "")).strip()


def parse_record(text: str) -> Iterator[RecordRow]:
    """Yield the rows of a RECORD. Raises `DamageError` if it is no CSV."""
    try:
        for path, digest, _ in record_rows(text):
            algorithm, _, value = digest.partition("=")
            yield RecordRow(path=path, algorithm=algorithm, digest=value)
    except ValueError as error:
        msg = f"its RECORD cannot be read: {error}"
        raise DamageError(msg) from error


def location_in_wheel(path: str, *, name: str) -> Location:
    """Return where the member `path` of a wheel is installed; pex may have installed the wheel already.

    `name` is the distribution's normalized name: its headers go into a directory of that name.
    """
    match PurePosixPath(path).parts:
        case (data, scheme, _, *_) as parts if data.endswith(".data"):
            return Location(scheme="lib" if scheme in ("purelib", "platlib") else scheme, path="/".join(parts[2:]))
        case (".prefix", ("purelib" | "platlib" | "data") as scheme, _, *_) as parts:
            return Location(scheme="data" if scheme == "data" else "lib", path="/".join(parts[2:]))
        case (".prefix", *parts):
            return _location_in_prefix("/".join(parts), name=name)
        case _:
            return Location(scheme="lib", path=path)


def location_in_environment(path: str, *, name: str, site_packages: str) -> Location:
    """Return where `path`, a row of an installed RECORD, is installed.

    `site_packages` is that directory's path from the environment. `name` is as for `location_in_wheel`.
    """
    from_environment = posixpath.normpath(posixpath.join(site_packages, path))
    if from_environment.startswith(f"{site_packages}/"):
        return Location(scheme="lib", path=from_environment[len(site_packages) + 1 :])
    return _location_in_prefix(from_environment, name=name)


def _location_in_prefix(path: str, *, name: str) -> Location:
    match PurePosixPath(path).parts:
        case ("bin", *parts):
            return Location(scheme="scripts", path="/".join(parts))
        case ("include", "site", _, directory, _, *_) as parts if canonicalize_name(directory) == name:
            return Location(scheme="headers", path="/".join(parts[4:]))  # include/site/python3.11/NAME/…
        case _:
            return Location(scheme="data", path=path)


def _of_wheel(wheel: PexWheel) -> PexDistribution:
    found = {match["directory"] for name in wheel.content.members if (match := _DIST_INFO.match(name))}
    dist_info = found.pop() if len(found) == 1 else None
    name, version = name_and_version(read_text(wheel.content, f"{dist_info}/METADATA")) if dist_info else ("", "")
    if not name:
        name, version = _from_file_name(wheel.name)
    return PexDistribution(name=canonicalize_name(name), version=version, wheel=wheel, dist_info=dist_info)


def _from_file_name(wheel: str) -> tuple[str, str]:
    try:
        name, version, _, _ = parse_wheel_filename(wheel)
    except InvalidWheelFilename:
        return wheel, ""
    return name, str(version)
