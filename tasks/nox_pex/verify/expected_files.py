"""The files that each distribution in the binary must have, with their digests: those that Poetry installed."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Final

from msgspec import Struct

from nox_pex.distributions import dist_info, environment, record, target_python
from nox_pex.distributions import wheel as wheels
from nox_pex.distributions.dist_info import PackableDistInfo
from nox_pex.distributions.launcher import Library
from nox_pex.distributions.target_python import TargetPython
from nox_pex.errors import NoxPexError
from nox_pex.platforms.wheelhouse import Wheel, Wheelhouse
from nox_pex.poetry import install_state
from nox_pex.poetry.installed import Installed
from nox_pex.poetry.lock import Lock
from nox_pex.system import files
from nox_pex.verify.container import chunks
from nox_pex.verify.pex_distributions import (
    Location,
    RecordRow,
    location_in_environment,
    location_in_wheel,
    parse_record,
)

_INSTALLER_FILES: Final = ("INSTALLER", "REQUESTED", "RECORD", "RECORD.jws", "RECORD.p7s", "direct_url.json")
"""Files of a `.dist-info` that an installer writes itself."""


class Script(Struct, frozen=True, kw_only=True):
    """A script of a distribution: its row in the RECORD, and a function that reads its content."""

    row: RecordRow
    read: Callable[[], bytes]


class ExpectedFiles(Struct, frozen=True, kw_only=True):
    """The files that one distribution in the binary must have: `rows` by the location where they are installed.

    Metadata that pex does not accept has its row as nox-pex rewrites it. Files that an installer writes itself are left
    out. `scripts`, by file name, are apart, because an installer may
    change their first line.
    """

    version: str
    rows: Mapping[Location, RecordRow]
    scripts: Mapping[str, Script]


def expected_from_wheels(wheelhouse: Wheelhouse, lock: Lock) -> Mapping[str, ExpectedFiles]:
    """Return the files of all wheels for other platforms, by the wheels' file names.

    Raises `NoxPexError` `integrity` if a wheel's hash is not the one that is recorded and locked.
    """
    for wheel in wheelhouse.wheels:
        hashes = {value for package in lock.find(wheel.name, wheel.version) for value in package.hashes}
        sha256 = files.digest(wheelhouse.path(wheel))
        # A hash of another kind was checked when the wheel was fetched. A wheel that was built here has none.
        locked = wheel.built or not any(value.startswith("sha256:") for value in hashes) or f"sha256:{sha256}" in hashes
        if sha256 != wheel.sha256 or not locked:
            problem = f"{wheelhouse.path(wheel)} is not the file that {lock.path} locks"
            raise NoxPexError("integrity", problem, "run `nox -s install -- --force` to fetch it again")
    libraries = wheelhouse.libraries()
    return {
        wheel.file: _from_wheel(
            wheelhouse.path(wheel), wheel, pythons=wheelhouse.target_pythons(wheel), libraries=libraries
        )
        for wheel in wheelhouse.wheels
    }


def expected_from_environment(installed: Installed) -> Mapping[str, ExpectedFiles]:
    """Return the files of all distributions in an environment that Poetry finished, by normalized name.

    Distributions that are installed in editable mode are left out: nox-pex builds their wheels itself.
    Raises `NoxPexError` `integrity` if a RECORD has changed since Poetry installed it.
    """
    state = install_state.read(installed.environment)
    recorded = state.distributions if state is not None else {}
    for distribution in installed.distributions:
        if recorded.get(distribution.name) != [distribution.version, distribution.record]:
            path = installed.environment.path
            problem = f"the RECORD of {distribution.name} in {path} has changed since Poetry installed it"
            raise NoxPexError("integrity", problem, "run `nox -s install -- --force` to install it again")
    python = target_python.of_this_machine(installed.interpreter)
    libraries = installed.libraries()
    return {d.name: _from_record(d, python, libraries) for d in installed.distributions if not _is_editable(d)}


def is_written_by_installer(location: Location) -> bool:
    """Whether a file is one that an installer adds to those of the distribution."""
    directory, _, name = location.path.rpartition("/")
    return directory.endswith(".dist-info") and "/" not in directory and name in _INSTALLER_FILES


def is_bytecode(path: str) -> bool:
    """Whether a file is compiled Python code. pex leaves out the one in a wheel."""
    return path.endswith((".pyc", ".pyo")) or "__pycache__" in path.split("/")


def _is_editable(distribution: environment.Distribution) -> bool:
    origin = files.read_json(distribution.directory / "direct_url.json")
    return bool(origin.get("dir_info", {}).get("editable", False))


def _from_record(
    distribution: environment.Distribution, python: TargetPython, libraries: Sequence[Library]
) -> ExpectedFiles:
    site_packages = distribution.directory.parent
    # ENVIRONMENT/lib/python3.11/site-packages
    relative = site_packages.relative_to(site_packages.parents[2]).as_posix()
    content: dict[Location, RecordRow] = {}
    scripts: dict[str, Script] = {}
    for row in parse_record((distribution.directory / "RECORD").read_text("utf-8", "surrogateescape")):
        location = location_in_environment(row.path, name=distribution.name, site_packages=relative)
        if location.scheme == "scripts":
            scripts[location.path] = Script(row=row, read=(site_packages / row.path).read_bytes)
        elif not is_written_by_installer(location):
            content[location] = row if row.digest else _with_digest(row, site_packages)
    original = dist_info.read_directory(distribution.directory)
    packable = dist_info.packable(original, direct=distribution.direct, pythons=[python], libraries=libraries)
    content |= _rewritten_rows(distribution.directory.name, original, packable)
    return ExpectedFiles(version=distribution.version, rows=content, scripts=scripts)


def _with_digest(row: RecordRow, site_packages: Path) -> RecordRow:
    """Return a row that lacks a digest with that of the installed file. It stays as it is if there is none."""
    try:
        with (site_packages / row.path).open("rb") as file:
            return RecordRow(path=row.path, algorithm="sha256", digest=_sha256(file))
    except OSError:
        return row


def _rewritten_rows(
    directory: str, original: Mapping[str, bytes], packable: PackableDistInfo
) -> Mapping[Location, RecordRow]:
    """Return the rows of the files in a `.dist-info` that the binary has in another form, as nox-pex rewrites them."""
    paths = {f"{directory}/{name}": content for name, content in packable.contents.items() if content != original[name]}
    return {
        Location(scheme="lib", path=path): RecordRow(path=path, algorithm="sha256", digest=_sha256(io.BytesIO(content)))
        for path, content in paths.items()
    }


def _from_wheel(
    path: Path, wheel: Wheel, *, pythons: Sequence[TargetPython], libraries: Sequence[Library]
) -> ExpectedFiles:
    content: dict[Location, RecordRow] = {}
    scripts: dict[str, Script] = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            location = location_in_wheel(member.filename, name=wheel.name)
            if member.is_dir() or is_written_by_installer(location):
                continue
            with archive.open(member) as stream:
                row = RecordRow(path=member.filename, algorithm="sha256", digest=_sha256(stream))
            if location.scheme == "scripts":
                scripts[location.path] = Script(row=row, read=partial(_read_member, path, member.filename))
            else:
                content[location] = row
    original = wheels.read_dist_info(path)
    packable = dist_info.packable(original, direct=wheel.direct, pythons=pythons, libraries=libraries)
    content |= _rewritten_rows(wheels.dist_info_directory(path), original, packable)
    return ExpectedFiles(version=wheel.version, rows=content, scripts=scripts)


def _read_member(wheel: Path, name: str) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name)


def _sha256(stream: IO[bytes]) -> str:
    """Return a digest in the form that a RECORD has."""
    hasher = hashlib.sha256()
    for piece in chunks(stream):
        hasher.update(piece)
    return record.encode_digest(hasher.digest())
