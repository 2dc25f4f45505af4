"""What Poetry installed, as evidence: for each distribution, the files that it has and their digests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.utils import NormalizedName

from nox_pex import environment, files
from nox_pex.errors import NoxPexError
from nox_pex.install import Installed
from nox_pex.verify.distributions import Place, Row, place_in_environment, rows

_NOTE: Final = "nox-pex.json"
"""Where `install` keeps the SHA-256 of each RECORD as Poetry left it."""

_INSTALLERS_OWN: Final = ("INSTALLER", "REQUESTED", "RECORD", "RECORD.jws", "RECORD.p7s", "direct_url.json")
"""Files of a `.dist-info` that an installer writes itself."""


@dataclass(frozen=True, kw_only=True)
class Trusted:
    """The files of one distribution that Poetry installed: `rows` by where they lie, and `environment`'s directory.

    Left out is what an installer adds itself, and what it may rewrite (the scripts, whose first line it changes).
    `scripts` are those scripts, with the rows for them as they were installed.
    """

    version: str
    rows: Mapping[Place, Row]
    scripts: Mapping[str, Row]
    site_packages: Path


def of_environment(installed: Installed) -> Mapping[NormalizedName, Trusted]:
    """All distributions of an environment that Poetry finished, whose RECORDs are those that were noted then.

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


def is_installers_own(place: Place) -> bool:
    """Whether a file is one that an installer, or Python itself, writes beside those of the distribution."""
    directory, _, name = place.path.rpartition("/")
    return (directory.endswith(".dist-info") and "/" not in directory and name in _INSTALLERS_OWN) or (
        "__pycache__" in directory.split("/")
    )


def body_digest(content: bytes) -> bytes:
    """A digest of a script without its first line where that names an interpreter."""
    first, newline, rest = content.partition(b"\n")
    return hashlib.sha256(rest if first.startswith(b"#!") else first + newline + rest).digest()


def _is_editable(distribution: environment.Distribution) -> bool:
    origin = files.read_json(distribution.directory / "direct_url.json")
    return bool(origin.get("dir_info", {}).get("editable", False))


def _trusted(distribution: environment.Distribution) -> Trusted:
    site_packages = distribution.directory.parent
    # ENVIRONMENT/lib/python3.11/site-packages
    relative = site_packages.relative_to(site_packages.parents[2]).as_posix()
    content: dict[Place, Row] = {}
    scripts: dict[str, Row] = {}
    for row in rows((distribution.directory / "RECORD").read_text("utf-8", "surrogateescape")):
        place = place_in_environment(row.path, name=distribution.name, site_packages=relative)
        if place.scheme == "scripts":
            scripts[place.path] = row
        elif not is_installers_own(place):
            content[place] = row
    return Trusted(version=distribution.version, rows=content, scripts=scripts, site_packages=site_packages)
