"""Compares a binary with what pex makes of the same project and settings, apart from what may differ in it.

Two builds of a project that is not reproducible differ in the project's own wheel, and in the digests of it. In
everything else they are equal: the header, the launcher, the bootstrap, PEX-INFO, loose files, other distributions.
Fact source: pex 2.105 (`pex.pex_builder`, `pex.pex_info`).
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Collection, Iterator
from typing import Final

from nox_pex.distributions import pex_info
from nox_pex.distributions.pex_info import PexInfo
from nox_pex.verify.archive import BOOTSTRAP, DEPENDENCIES, INFO, Pex
from nox_pex.verify.container import Container, DamageError, chunks
from nox_pex.verify.difference import Difference, compare_containers, is_outside_wheels
from nox_pex.verify.pex_distributions import LAYOUT

_DIGESTS: Final = ("code_hash", "distributions", "pex_hash")
"""The keys of PEX-INFO that follow from the content."""


_BOOT_FILES: Final = ("__main__.py", "__main__.pyc", "__pex__/__init__.py", "__pex__/__init__.pyc")
"""The members that hold the hash of the PEX."""


_LARGEST_SMALL_FILE: Final = 16 << 20
"""Bytes of a member that is read as a whole: a boot file, bytecode."""


_PYC_HEADER: Final = 16
"""Bytes before the code in a `.pyc` (PEP 552); the last eight are a hash of the source."""


_FINGERPRINT: Final = re.compile(rb'"fingerprint":"[0-9a-f]{64}"')


_DATES: Final = re.compile(rb"\[\d{4}(?:,\d{1,2}){5}\]")


def problems(pex: Pex, second: Pex, *, may_differ: Collection[str]) -> Iterator[str]:
    """Yield the differences between an open PEX and the `second` build of it that a build cannot have made.

    `may_differ` are the entries of `.deps` whose content two builds may compile or generate differently. Their files
    have the same names and permissions. Raises `DamageError`.
    """
    if pex.sha256 == second.sha256 and pex.modes == second.modes:
        return
    ours, theirs = (each.info.build_properties.pex_version for each in (pex, second))
    if ours != theirs:
        yield f"it was made by pex {ours or 'of an unknown version'}, and these settings name pex {theirs}"
        return
    for name, archive in pex.archives.items():
        known = second.archives[name].irregularities if name in second.archives else ()
        label = f"{name}: " if name else ""
        yield from (f"{label}{each}" for each in archive.irregularities if each not in known)
    yield from _compare_info(pex.info, second.info, may_differ)
    yield from _compare_boot_files(pex, second)
    yield from map(_problem, compare_containers(pex.container, second.container, only=_is_compared))
    yield from _compare_parts(pex, second, BOOTSTRAP, pex.bootstrap, second.bootstrap)
    theirs_by_name = {wheel.name: wheel.content for wheel in second.wheels}
    for wheel in pex.wheels:
        other = theirs_by_name.pop(wheel.name, None)
        if other is None:
            if wheel.name not in may_differ:
                yield f"{DEPENDENCIES}{wheel.name} is not what pex makes of these settings"
        elif wheel.name in may_differ:
            yield from _compare_names(wheel.content, other, wheel=wheel.name)
        else:
            yield from _compare_parts(pex, second, DEPENDENCIES + wheel.name, wheel.content, other)


def _compare_parts(pex: Pex, second: Pex, name: str, ours: Container, theirs: Container) -> Iterator[str]:
    """Yield the differences of the members of two parts, or if there are none, of their archives."""
    found = tuple(compare_containers(ours, theirs, wheel=name.removeprefix(DEPENDENCIES)))
    yield from map(_problem, found)
    first, other = (_digest(each.container, name) for each in (pex, second))
    if not found and first != other:
        yield f"{name} has the same members as in a second build, packed differently"


def _digest(container: Container, name: str) -> str | None:
    """Return the SHA-256 of a member; None if there is none."""
    if name not in container.members:
        return None
    hasher = hashlib.sha256()
    with container.open(name) as stream:
        for piece in chunks(stream):
            hasher.update(piece)
    return hasher.hexdigest()


def _problem(difference: Difference) -> str:
    where = f"{difference.wheel}: " if difference.wheel else ""
    return f"{where}{difference.member} {difference.phrase}, compared with a second build"


def _is_compared(name: str) -> bool:
    return is_outside_wheels(name) and name not in (INFO, *_BOOT_FILES)


def _compare_info(ours: PexInfo, theirs: PexInfo, may_differ: Collection[str]) -> Iterator[str]:
    for key in sorted({*ours.values, *theirs.values} - {*_DIGESTS}):
        if ours.values.get(key) != theirs.values.get(key) or (key in ours.values) != (key in theirs.values):
            yield f"{INFO}: `{key}` is not what pex makes of these settings"
    for name in sorted({*ours.distributions, *theirs.distributions} - {*may_differ}):
        if ours.distributions.get(name) != theirs.distributions.get(name):
            yield f"{INFO}: the digest of {name} differs from that of a second build"
    if ours.code_hash != theirs.code_hash:
        yield f"{INFO}: the digest of the loose files differs from that of a second build"
    is_known = theirs.pex_hash == pex_info.pex_hash(theirs.values)  # another version of pex may compute it differently
    if is_known and ours.pex_hash != pex_info.pex_hash(ours.values):
        yield f"{INFO}: `pex_hash` is not the hash of the other values"


def _compare_boot_files(pex: Pex, second: Pex) -> Iterator[str]:
    """Yield the differences of what holds the hash of the PEX, apart from that hash."""
    for name in _BOOT_FILES:
        ours, theirs = (_content(each.container, name) for each in (pex, second))
        if name.endswith(".pyc") and ours and theirs:
            source = _content(pex.container, name.removesuffix("c")) or b""
            if ours[8:_PYC_HEADER] != importlib.util.source_hash(source):
                yield f"{name} is not compiled from its source"
            ours, theirs = (content[:8] + content[_PYC_HEADER:] for content in (ours, theirs))
        if ours is None or theirs is None or _with_hash_of(second, pex, ours) != theirs:
            if ours is not None or theirs is not None:
                yield f"{name} is not what pex makes of these settings"
            continue
        if pex.container.members[name].mode != second.container.members[name].mode:
            yield f"{name} has other permissions than pex gives it"
    if _with_hash_of(second, pex, pex.head()) != second.head():
        yield "the head of the file is not what pex makes of these settings"


def _compare_names(ours: Container, theirs: Container, *, wheel: str) -> Iterator[str]:
    """Yield the differences between two builds of a wheel apart from the content of its files, except bytecode."""
    for name in sorted({*ours.members, *theirs.members, *(ours.directories.keys() ^ theirs.directories.keys())}):
        first, second = ours.members.get(name), theirs.members.get(name)
        if first is None or second is None:
            yield f"{wheel}: {name} is not in both builds"
        elif first.mode != second.mode:
            yield f"{wheel}: {name} has other permissions than in a second build"
        elif _is_fixed(name) and _fixed_content(ours, name) != _fixed_content(theirs, name):
            yield f"{wheel}: {name} differs from that in a second build"


def _is_fixed(name: str) -> bool:
    """Whether a file of a wheel is bytecode or metadata, which no build backend has a reason to change."""
    directory, _, last = name.rpartition("/")
    metadata = directory.endswith((".dist-info", ".pex-info")) and last not in ("RECORD", "RECORD.jws", "RECORD.p7s")
    return name.endswith((".pyc", ".pyo")) or metadata or name == LAYOUT


def _fixed_content(container: Container, name: str) -> bytes:
    """Return the content of such a file, without the digests and dates in what pex writes about the wheel."""
    content = _content(container, name) or b""
    if name == LAYOUT:
        return _FINGERPRINT.sub(b"", content)
    return _DATES.sub(b"", content) if name.endswith(".pex-info/original-whl-info.json") else content


def _content(container: Container, name: str) -> bytes | None:
    """Return the content of a small member; None if there is none. Raises `DamageError` if it is large."""
    if name not in container.members:
        return None
    with container.open(name) as stream:
        content = stream.read(_LARGEST_SMALL_FILE)
        if stream.read(1):
            msg = f"{name} has more than {_LARGEST_SMALL_FILE:,} bytes"
            raise DamageError(msg)
    return content


def _with_hash_of(second: Pex, first: Pex, content: bytes) -> bytes:
    """Return `content`, of the `first` PEX, with the hash of the `second`."""
    old, new = first.info.pex_hash.encode(), second.info.pex_hash.encode()
    return content.replace(old, new) if old and len(old) == len(new) else content
