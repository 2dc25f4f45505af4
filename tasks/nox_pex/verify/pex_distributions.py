"""The distributions in a PEX, as their own metadata has them, and where the files of one are installed.

Fact sources: the binary distribution format (PEP 427), PEP 376 for RECORD, pex's `installed_wheel.py` and `pep_427.py`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import PurePosixPath
from typing import Final

from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_name, parse_wheel_filename

from nox_pex.distributions.entry_points import parse_entry_points
from nox_pex.distributions.record import record_rows
from nox_pex.verify.archive import BOOTSTRAP, DEPENDENCIES, Container, Pex, PexWheel, read_text

LAYOUT: Final = ".layout.json"
"""What pex adds to a wheel that it has installed; it stands in no RECORD."""


_DIST_INFO: Final = re.compile(r"(?P<directory>[^/]+\.dist-info)/")


_LOOSE: Final = re.compile(r"[^/]+\.(?:dist-info/METADATA|egg-info/PKG-INFO)")
"""At the root, that is on `sys.path`: elsewhere it is somebody's vendored copy."""


@dataclass(frozen=True, kw_only=True)
class PexDistribution:
    """A distribution in a PEX: its normalized name and its version, the entry of `.deps` that holds it.

    `dist_info` is the name of its metadata directory, None where it has none, or more than one; name and version are
    then those of the file name. `wheel` is None for one that lies among the loose files, where pex does not see it.
    """

    name: NormalizedName
    version: str
    wheel: PexWheel | None
    dist_info: str | None

    @property
    def where(self) -> str:
        """Where it lies in the PEX."""
        return DEPENDENCIES + self.wheel.name if self.wheel else "among the loose files"


@dataclass(frozen=True, kw_only=True)
class RecordRow:
    """A row of a RECORD: `algorithm` and `digest` (urlsafe base64 without padding) are empty where it gives none."""

    path: str
    algorithm: str
    digest: str


@dataclass(frozen=True, order=True)
class Location:
    """Where an installer puts a file: `scheme` is `lib`, `scripts`, `headers` or `data`, `path` the path in that."""

    scheme: str
    path: str


def distributions(pex: Pex) -> Iterator[PexDistribution]:
    """All distributions in a PEX: those of `.deps`, and those that lie among its loose files."""
    yield from map(_of_wheel, pex.wheels)
    for name in pex.container.members:
        if not name.startswith((DEPENDENCIES, f"{BOOTSTRAP}/")) and _LOOSE.fullmatch(name):
            found, version = name_and_version(read_text(pex.container, name))
            yield PexDistribution(name=found, version=version, wheel=None, dist_info=None)


def name_and_version(metadata: str) -> tuple[NormalizedName, str]:
    """Name and version in the text of a METADATA."""
    headers = HeaderParser().parsestr(metadata)
    return canonicalize_name(str(headers.get("Name", "")).strip()), str(headers.get("Version", "")).strip()


def parse_record(text: str) -> Iterator[RecordRow]:
    """The rows of a RECORD."""
    for path, digest, _ in record_rows(text):
        algorithm, _, value = digest.partition("=")
        yield RecordRow(path=path, algorithm=algorithm, digest=value)


def console_scripts(content: Container, dist_info: str) -> Mapping[str, str]:
    """The scripts that an installer makes itself, by name."""
    text = read_text(content, f"{dist_info}/entry_points.txt")
    return {**parse_entry_points(text), **parse_entry_points(text, "gui_scripts")}


def location_in_wheel(path: str, *, name: str) -> Location:
    """Where the member `path` of a wheel is installed; of a wheel as it came, or of one that pex has installed.

    `name` is the distribution's, normalized: its headers lie in a directory of that name.
    """
    parts = PurePosixPath(path).parts
    if len(parts) > 2 and parts[0].endswith(".data"):  # noqa: PLR2004  # NAME.data, a scheme, a path
        scheme, rest = parts[1], "/".join(parts[2:])
        return Location("lib" if scheme in ("purelib", "platlib") else scheme, rest)
    if parts[0] != ".prefix":
        return Location("lib", path)
    if len(parts) > 2 and parts[1] in ("purelib", "platlib", "data"):  # noqa: PLR2004  # as above
        return Location("data" if parts[1] == "data" else "lib", "/".join(parts[2:]))
    return _in_prefix("/".join(parts[1:]), name=name)


def location_in_environment(path: str, *, name: str, site_packages: str) -> Location:
    """Where the row `path` of an installed RECORD is installed; `site_packages` is that directory in the environment.

    `name` is as in `location_in_wheel`.
    """
    whole = posixpath.normpath(posixpath.join(site_packages, path))
    if whole.startswith(f"{site_packages}/"):
        return Location("lib", whole[len(site_packages) + 1 :])
    return _in_prefix(whole, name=name)


def _in_prefix(path: str, *, name: str) -> Location:
    parts = PurePosixPath(path).parts
    if parts[0] == "bin":
        return Location("scripts", "/".join(parts[1:]))
    if parts[:2] == ("include", "site") and len(parts) > 4 and canonicalize_name(parts[3]) == name:  # noqa: PLR2004
        return Location("headers", "/".join(parts[4:]))  # include/site/python3.11/NAME/…
    return Location("data", path)


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
