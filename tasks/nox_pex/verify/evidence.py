"""What Poetry installed, as evidence: for each distribution, the files that it has and their digests."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Final

from nox_pex.distributions import environment, record
from nox_pex.errors import NoxPexError
from nox_pex.platforms.wheelhouse import Wheel, Wheelhouse
from nox_pex.poetry.installed import Installed
from nox_pex.poetry.lock import Lock
from nox_pex.system import files
from nox_pex.verify.archive import chunks
from nox_pex.verify.pex_distributions import (
    Location,
    RecordRow,
    location_in_environment,
    location_in_wheel,
    parse_record,
)

_NOTE: Final = "nox-pex.json"
"""Where `install` keeps the SHA-256 of each RECORD as Poetry left it."""


_INSTALLERS_OWN: Final = ("INSTALLER", "REQUESTED", "RECORD", "RECORD.jws", "RECORD.p7s", "direct_url.json")
"""Files of a `.dist-info` that an installer writes itself."""


@dataclass(frozen=True, kw_only=True)
class ExpectedFiles:
    """The files of one distribution that Poetry installed: `rows` by where they lie.

    Left out is what an installer adds itself, and what it may rewrite (the scripts, whose first line it changes).
    `scripts` are those scripts.
    """

    version: str
    rows: Mapping[Location, RecordRow]
    scripts: Mapping[str, Script]


@dataclass(frozen=True, kw_only=True)
class Script:
    """A script as it was installed: its row in the RECORD, and what gives its content."""

    row: RecordRow
    read: Callable[[], bytes]


def expected_from_wheels(gathered: Wheelhouse, lock: Lock) -> Mapping[str, ExpectedFiles]:
    """All wheels for other platforms, by their file names, whose hashes are those of the lock.

    Raises `NoxPexError` `integrity` where one is not.
    """
    for wheel in gathered.wheels:
        hashes = {value for package in lock.find(wheel.name, wheel.version) for value in package.hashes}
        sha256 = files.digest(gathered.path(wheel))
        # A hash of another kind was checked when the wheel was fetched; a wheel that was built here has none.
        locked = wheel.built or not any(value.startswith("sha256:") for value in hashes) or f"sha256:{sha256}" in hashes
        if sha256 != wheel.sha256 or not locked:
            problem = f"{gathered.path(wheel)} is not the file that {lock.path} says"
            raise NoxPexError("integrity", problem, "run `nox -s install -- --force`: someone changed what was fetched")
    return {wheel.file: _of_wheel(gathered.path(wheel), wheel) for wheel in gathered.wheels}


def expected_from_environment(installed: Installed) -> Mapping[str, ExpectedFiles]:
    """All distributions of an environment that Poetry finished, by name, whose RECORDs are those that were noted then.

    What is installed for editing is not in it: its part of the binary is built anew, not installed by Poetry.
    Raises `NoxPexError` `integrity` where a RECORD is another than when Poetry had just installed it.
    """
    noted = files.read_json(installed.environment.path / _NOTE).get("distributions", {})
    for distribution in installed.distributions:
        if noted.get(distribution.name) != [distribution.version, distribution.record]:
            problem = f"the RECORD of {distribution.name} in {installed.environment.path} is not the one that was noted"
            remedy = "run `nox -s install -- --force`: someone changed what Poetry had installed"
            raise NoxPexError("integrity", problem, remedy)
    return {d.name: _trusted(d) for d in installed.distributions if not _is_editable(d)}


def is_written_by_installer(place: Location) -> bool:
    """Whether a file is one that an installer, or Python itself, writes beside those of the distribution."""
    directory, _, name = place.path.rpartition("/")
    return (directory.endswith(".dist-info") and "/" not in directory and name in _INSTALLERS_OWN) or (
        "__pycache__" in directory.split("/")
    )


def _is_editable(distribution: environment.Distribution) -> bool:
    origin = files.read_json(distribution.directory / "direct_url.json")
    return bool(origin.get("dir_info", {}).get("editable", False))


def _trusted(distribution: environment.Distribution) -> ExpectedFiles:
    site_packages = distribution.directory.parent
    # ENVIRONMENT/lib/python3.11/site-packages
    relative = site_packages.relative_to(site_packages.parents[2]).as_posix()
    content: dict[Location, RecordRow] = {}
    scripts: dict[str, Script] = {}
    for row in parse_record((distribution.directory / "RECORD").read_text("utf-8", "surrogateescape")):
        place = location_in_environment(row.path, name=distribution.name, site_packages=relative)
        if place.scheme == "scripts":
            scripts[place.path] = Script(row=row, read=(site_packages / row.path).read_bytes)
        elif not is_written_by_installer(place):
            content[place] = row
    return ExpectedFiles(version=distribution.version, rows=content, scripts=scripts)


def _of_wheel(path: Path, wheel: Wheel) -> ExpectedFiles:
    content: dict[Location, RecordRow] = {}
    scripts: dict[str, Script] = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            place = location_in_wheel(member.filename, name=wheel.name)
            if member.is_dir() or is_written_by_installer(place):
                continue
            with archive.open(member) as stream:
                row = RecordRow(path=member.filename, algorithm="sha256", digest=_sha256(stream))
            if place.scheme == "scripts":
                scripts[place.path] = Script(row=row, read=partial(_member, path, member.filename))
            else:
                content[place] = row
    return ExpectedFiles(version=wheel.version, rows=content, scripts=scripts)


def _member(wheel: Path, name: str) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name)


def _sha256(stream: IO[bytes]) -> str:
    """A digest in the form of a RECORD."""
    hasher = hashlib.sha256()
    for piece in chunks(stream):
        hasher.update(piece)
    return record.encoded(hasher.digest())
