"""The locked files that a binary's distributions were installed from, and the package URLs of its distributions.

Fact sources: the purl specification and its types `pypi` and `generic`; "Binary distribution format" of PyPA for the
names of wheels and the tags in WHEEL.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from msgspec import Struct
from packaging.tags import Tag, parse_tag
from packaging.utils import (
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    canonicalize_version,
    parse_wheel_filename,
)

from nox_pex.distributions import target_python
from nox_pex.distributions.environment import Distribution, is_compiled_here, wheel_tags
from nox_pex.errors import NoxPexError
from nox_pex.pex.target import Contents
from nox_pex.platforms.wheelhouse import Wheel
from nox_pex.poetry import origins, requirements
from nox_pex.poetry.installed import Installed
from nox_pex.poetry.lock import Lock, LockedFile, Package, Source, git_url
from nox_pex.system.secrets import public_url

_NEVER_BUILT_HERE: Final = ("manylinux", "musllinux")
"""Beginnings of the platforms of wheels that no build backend makes: `auditwheel` adds them for an index."""


class Material(Struct, frozen=True, kw_only=True):
    """One distribution in a binary, and the file of the lock that it was installed from.

    `purl` is its package URL. `files` has that one file; if it is not certain which one it was, all that it may have
    been, and none for a distribution without locked files (Git, a path). `from_sdist` says that a wheel was built from
    it. `commit` is the commit of a distribution that comes from Git.
    """

    name: NormalizedName
    version: str
    purl: str
    files: tuple[LockedFile, ...] = ()
    from_sdist: bool = False
    commit: str | None = None


def materials(shipped: Iterable[tuple[str, str]], contents: Contents, lock: Lock) -> tuple[Material, ...]:
    """Return the materials of the distributions that a binary has, sorted by name.

    `shipped` are their names and versions: `distributions` in a build record, or what was read from the file.
    `contents` is what was installed for the binary, and `lock` is the lock that it was installed from. A distribution
    with several wheels, for several platforms, has a material for each. One that is not in `contents` is the project.
    """
    wanted = {key(name, version): (name, version) for name, version in shipped}
    found = [material for material in _of_contents(contents, lock) if key(material.name, material.version) in wanted]
    known = {key(material.name, material.version) for material in found}
    found += [of_project(*each) for same, each in wanted.items() if same not in known]
    return tuple(sorted(found, key=lambda each: (each.name, each.version, [file.name for file in each.files])))


def key(name: str, version: str) -> tuple[NormalizedName, str]:
    """Return what is the same for two spellings of a name and a version."""
    return canonicalize_name(name), canonicalize_version(version)


def of_project(name: str, version: str | None) -> Material:
    """Return the material of the project itself, or of what no index is known to have."""
    normalized = canonicalize_name(name)
    return Material(name=normalized, version=version or "", purl=purl("generic", normalized, version))


def of_unknown_origin(name: str, version: str, lock: Lock | None) -> Material:
    """Return the material of a distribution in a file that nothing is known of, and which may be of another lock.

    The lock only says whether its name is one of a package index.
    """
    normalized = canonicalize_name(name)
    packages = [package for package in (lock.packages if lock is not None else ()) if package.name == normalized]
    if packages and not any(package.is_direct for package in packages):
        return Material(name=normalized, version=version, purl=_purl(normalized, version, packages[0].source))
    return of_project(name, version)


def purl(kind: str, name: str, version: str | None, qualifiers: Mapping[str, str] | None = None) -> str:
    """Return a package URL of the type `kind`, in its canonical form. Qualifiers without a value are left out."""
    given = sorted((name, value) for name, value in (qualifiers or {}).items() if value)
    pairs = "&".join(f"{name}={_quoted(value, safe='/:')}" for name, value in given)
    at_version = f"@{_quoted(version, safe=':')}" if version else ""
    return f"pkg:{kind}/{_quoted(name, safe=':')}{at_version}{f'?{pairs}' if pairs else ''}"


def _quoted(text: str, *, safe: str) -> str:
    return quote(text.encode("utf-8", "replace"), safe=f"{safe}~")


def _of_contents(contents: Contents, lock: Lock) -> Iterator[Material]:
    if isinstance(contents, Installed):
        known = origins.read(contents.environment)
        for distribution in contents.distributions:
            package = _locked(distribution, lock)
            origin = origins.of(distribution, known)
            files = _certain(package, origin) or _candidates(distribution, package, contents)
            yield _material(distribution.name, distribution.version, package, files)
        return
    distributions = {(each.name, each.version): each for each in contents.distributions}
    for wheel in contents.wheels:
        package = _locked(distributions[wheel.name, wheel.version], lock)
        yield _material(wheel.name, wheel.version, package, _of_wheel(wheel, package))


def _locked(distribution: Distribution, lock: Lock) -> Package | None:
    """Return the locked package of a distribution; None if the lock has been changed since it was installed."""
    try:
        return requirements.locked(distribution, lock)
    except NoxPexError:
        return None


def _material(name: NormalizedName, version: str, package: Package | None, files: tuple[LockedFile, ...]) -> Material:
    source = package.source if package is not None else None
    return Material(
        name=name,
        version=version,
        purl=_purl(name, version, source),
        files=files,
        from_sdist=bool(files) and not any(_is_wheel(file) for file in files),
        commit=source.resolved_reference if source is not None and source.type == "git" else None,
    )


def _purl(name: str, version: str, source: Source | None) -> str:
    """Return the package URL of a distribution from `source`. It never names a place of this machine."""
    if source is None:
        return purl("pypi", name, version)
    address = "" if source.type in ("directory", "file") else _public_address(source)
    if not address:
        return purl("generic", name, version)
    if source.type == "git":
        commit = f"@{source.resolved_reference}" if source.resolved_reference else ""
        subdirectory = f"#{source.subdirectory}" if source.subdirectory else ""
        return purl("pypi", name, version, {"vcs_url": f"git+{address}{commit}{subdirectory}"})
    return purl("pypi", name, version, {"download_url" if source.type == "url" else "repository_url": address})


def _public_address(source: Source) -> str:
    """Return the address of a source without credentials; empty if it is a path.

    A query may be a signature that gives access to a file, and a fragment is not part of the address.
    """
    address = git_url(source.url)
    scheme, host, path, _, _ = urlsplit(public_url(address))
    return urlunsplit((scheme, host, path, "", "")) if scheme not in ("", "file") and host else ""


def _certain(package: Package | None, name: str | None) -> tuple[LockedFile, ...]:
    """Return the locked file that is certain: the only one, or the one that Poetry named."""
    if package is None or not _has_files(package):
        return ()
    if package.source is not None and package.source.type in ("url", "file"):
        return package.files[:1] if len(package.files) == 1 else ()
    return tuple(file for file in package.files if file.name == name)[:1]


def _has_files(package: Package) -> bool:
    return package.source is None or package.source.type not in ("git", "directory")


def _candidates(distribution: Distribution, package: Package | None, contents: Installed) -> tuple[LockedFile, ...]:
    """Return the locked files that a distribution may have been installed from, by the tags in its WHEEL."""
    if package is None or not _has_files(package):
        return ()
    wheels = [file for file in package.files if _is_wheel(file)]
    sdists = [file for file in package.files if not _is_wheel(file)]
    if is_compiled_here(distribution):
        return tuple(sdists)
    tags = frozenset(tag for written in wheel_tags(distribution) for tag in _parsed(written))
    same = [file for file in wheels if tags and _tags(file) == tags]
    if same and all(tag.platform.startswith(_NEVER_BUILT_HERE) for tag in tags):
        return tuple(same)
    if same:  # the user may have told Poetry to build it from its sources
        return (*same, *sdists)
    accepted = target_python.of_this_machine(contents.interpreter).tags
    fitting = [file for file in wheels if not accepted or not accepted.isdisjoint(_tags(file))]
    return (*fitting, *sdists)


def _of_wheel(wheel: Wheel, package: Package | None) -> tuple[LockedFile, ...]:
    """Return the locked file that a wheel for other platforms is."""
    if package is None or wheel.built:
        return ()
    named = tuple(file for file in package.files if file.name == wheel.file)
    return named or tuple(file for file in package.files if file.hash == f"sha256:{wheel.sha256}")


def _is_wheel(file: LockedFile) -> bool:
    return file.name.endswith(".whl")


def _tags(file: LockedFile) -> frozenset[Tag]:
    """Return the tags in the name of a wheel; empty if it is not the name of one."""
    with contextlib.suppress(InvalidWheelFilename):
        return parse_wheel_filename(file.name)[3]
    return frozenset()


def _parsed(tag: str) -> frozenset[Tag]:
    """Return the tags in a compressed tag set; empty if it is not one."""
    try:
        return parse_tag(tag)
    except ValueError:
        return frozenset()
