"""`pylock.NAME.toml`: what was installed, in the lock file format of PEP 751, for pip, uv and scanners."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from packaging.markers import Marker
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from nox_pex.distributions.environment import Distribution
from nox_pex.errors import NoxPexError
from nox_pex.poetry import requirements
from nox_pex.poetry.lock import Lock, LockedFile, Package, git_url
from nox_pex.system import files
from nox_pex.system.lazy import lazy
from nox_pex.system.secrets import public_url

if TYPE_CHECKING:
    import tomli_w
    from packaging import pylock

    from nox_pex.poetry.file_urls import FileUrls
else:
    tomli_w = lazy("tomli_w")  # not needed if nothing changed
    pylock = lazy("packaging.pylock")

_ENVIRONMENT: Final = ("python_version", "platform_python_implementation", "sys_platform", "platform_machine")
"""The markers that decide what Poetry installs, except patch releases and versions of operating systems."""


def from_index(distributions: Iterable[Distribution], lock: Lock) -> tuple[Package, ...]:
    """The locked packages of those `distributions` that come from a package index."""
    packages = (requirements.locked(distribution, lock) for distribution in distributions)
    return tuple(package for package in packages if package.source is None or package.source.type == "legacy")


def text(
    distributions: Sequence[Distribution],
    lock: Lock,
    *,
    urls: Sequence[FileUrls],
    environments: Sequence[Mapping[str, str]],
    marker: Callable[[str, str], str],
    directory: Path,
) -> str:
    """The content of the file for the installed `distributions`, to be written into `directory`.

    `urls` are the addresses of the files of all packages from indexes. `environments` are the marker environments that
    the distributions are for, and `marker` is as for `requirements.freeze`. A path is relative to `directory`.
    Raises `NoxPexError`: `not-locked`, or `index-missing` if an index no longer has any file of a package.
    """
    expressions = (" and ".join(f'{key} == "{values[key]}"' for key in _ENVIRONMENT) for values in environments)
    document = pylock.Pylock(
        lock_version=Version("1.0"),
        environments=[Marker(expression) for expression in dict.fromkeys(expressions)],
        created_by="nox-pex",
        packages=[
            _package(
                requirements.locked(distribution, lock),
                urls=urls,
                marker=marker(distribution.name, distribution.version),
                place=_Place(root=lock.path.parent, directory=directory),
            )
            for distribution in distributions
        ],
    )
    return f"{_HEADER}{tomli_w.dumps(document.to_dict())}"


_HEADER: Final = "# What Poetry installed from poetry.lock, made by nox-pex.\n"


class _Address(TypedDict, total=False):
    """One of the two keys for the address of a source."""

    url: str
    path: str


class _Place(Struct, frozen=True, kw_only=True):
    """Writes the addresses of sources for a file in `directory`. `root` is the directory of the project."""

    root: Path
    directory: Path

    def path(self, path: str) -> str:
        """A path in the lock, which is relative to `root`, relative to `directory`."""
        return Path(os.path.relpath(self.root / path, self.directory)).as_posix()

    def of(self, address: str) -> _Address:
        """The key and value for an address: `url`, without a password, or `path` if it is on this machine."""
        if address.startswith("file:"):
            return {"path": self.path(unquote(urlsplit(address).path))}
        url = git_url(address)
        return {"url": public_url(url)} if "://" in url else {"path": self.path(address)}


def _package(package: Package, *, urls: Sequence[FileUrls], marker: str, place: _Place) -> pylock.Package:
    """One `[[packages]]`. A package whose version is that of its source tree has no `version` there."""
    name, condition, source = package.name, Marker(marker) if marker else None, package.source
    if source is None or source.type == "legacy":
        return _from_index(package, urls=urls, marker=condition)
    if source.type == "git":
        vcs = pylock.PackageVcs(
            type="git",
            requested_revision=source.reference,
            commit_id=source.resolved_reference or source.reference or "",
            subdirectory=source.subdirectory,
            **place.of(source.url),
        )
        return pylock.Package(name=name, marker=condition, vcs=vcs)
    if source.type == "directory":
        directory = pylock.PackageDirectory(path=place.path(source.url), subdirectory=source.subdirectory)
        return pylock.Package(name=name, marker=condition, directory=directory)
    hashes = [file.hash for file in package.files] or [f"sha256:{files.digest(place.root / source.url)}"]
    archive = pylock.PackageArchive(hashes=_hashes(hashes[0]), subdirectory=source.subdirectory, **place.of(source.url))
    return pylock.Package(name=name, version=_version(package), marker=condition, archive=archive)


_Entry = TypeVar("_Entry", "pylock.PackageWheel", "pylock.PackageSdist")


def _from_index(package: Package, *, urls: Sequence[FileUrls], marker: Marker | None) -> pylock.Package:
    """The `[[packages]]` of a package from an index, with all locked files that the index has."""
    reference = package.source.reference if package.source else None
    answers = [each for each in urls if (each.name, each.source) == (package.name, reference)]
    addresses = {name: url for each in answers for name, url in each.files.items()}
    available = [file for file in package.files if file.name in addresses]
    if not available:
        problem = f"the package index has no file of {package.name} {package.version} that poetry.lock knows"
        raise NoxPexError("index-missing", problem, "run `poetry lock`")
    common: dict[str, Any] = {
        "name": package.name,
        "version": _version(package),
        "marker": marker,
        "index": answers[0].index,
    }

    def entries(form: type[_Entry], kind: str) -> list[_Entry]:
        kept = (file for file in available if _kind(file, package) == kind)
        return [form(name=file.name, url=addresses[file.name], hashes=_hashes(file.hash)) for file in kept]

    wheels, sdists = entries(pylock.PackageWheel, "wheel"), entries(pylock.PackageSdist, "sdist")
    if wheels or sdists:
        return pylock.Package(**common, wheels=wheels or None, sdist=sdists[0] if sdists else None)
    # A file of another form, such as `.tar.bz2`, or of a version that PEP 440 does not know.
    archive = pylock.PackageArchive(url=addresses[available[0].name], hashes=_hashes(available[0].hash))
    return pylock.Package(**common, archive=archive)


def _kind(file: LockedFile, package: Package) -> str | None:
    """`wheel` or `sdist`; None if the name of the file is not that of one for this package and version."""
    version = _version(package)
    with contextlib.suppress(InvalidWheelFilename):
        if parse_wheel_filename(file.name)[:2] == (package.name, version):
            return "wheel"
    with contextlib.suppress(InvalidSdistFilename):
        if parse_sdist_filename(file.name) == (package.name, version):
            return "sdist"
    return None


def _version(package: Package) -> Version | None:
    """The version of a package; None if it is not one of PEP 440, and then it cannot be in the file."""
    try:
        return Version(package.version)
    except InvalidVersion:
        return None


def _hashes(value: str) -> dict[str, str]:
    """A hash in the lock (`sha256:…`) as a table."""
    algorithm, _, digest = value.partition(":")
    return {algorithm: digest}
