"""Read what is in a finished binary. The binary is never run, and may be any bytes."""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from nox_pex.contents import names, results
from nox_pex.contents.model import BinaryContents, Group, Layout, PackedFile, PythonInside
from nox_pex.distributions import scie_file
from nox_pex.distributions.scie_file import Part, Scie, ScieError
from nox_pex.errors import NoxPexError
from nox_pex.evidence.sbom import shipped
from nox_pex.evidence.sbom.shipped import ShippedFile
from nox_pex.verify import archive, snapshot
from nox_pex.verify.archive import BOOTSTRAP, DEPENDENCIES, Pex, PexWheel
from nox_pex.verify.container import Container, DamageError, Member, chunks
from nox_pex.verify.zip_file import Zip
from nox_pex.verify.zip_member import ZipMember

_REMEDY: Final = "give the path of a PEX, or of a scie with one, that pex or nox-pex made"


class _Opened(Struct, frozen=True, kw_only=True):
    """An open binary: its PEX, the digest and the size of the whole, and the scie that the PEX is in."""

    pex: Pex
    sha256: str
    size: int
    scie: Scie | None = None


def read(path: Path, *, digests: bool = True, smoke: Path | None = None) -> BinaryContents:
    """Read the binary at `path`: a PEX of any layout, or a scie, with the results about it that are next to it.

    Without `digests`, files in an archive get no SHA-256, and their contents are not read: that is far faster. `smoke`
    is the file with a smoke result, instead of the one next to the binary; it may not exist.
    Raises `NoxPexError`: `usage` if it does not exist, `integrity` if it is neither or is damaged, `disk-full`.
    """
    return _read(path, digests=digests, smoke=smoke, described=lambda _: None)[0]


def read_with_metadata(
    path: Path, *, digests: bool = True, smoke: Path | None = None
) -> tuple[BinaryContents, ShippedFile]:
    """Read a binary as `read` does, and its distributions with their METADATA, in one go. Raises `NoxPexError`."""

    def described(found: _Opened) -> ShippedFile:
        in_pex = shipped.of_pex(found.pex, is_directory=path.is_dir())
        python = _part_with_python(found.scie)
        known = shipped.python_of(python) if python is not None else None
        return replace(in_pex, sha256=found.sha256, size=found.size, python=known)

    return _read(path, digests=digests, smoke=smoke, described=described)


_T = TypeVar("_T")


def _read(
    path: Path, *, digests: bool, smoke: Path | None, described: Callable[[_Opened], _T]
) -> tuple[BinaryContents, _T]:
    """Return the contents of a binary, and what `described` says of it while it is open."""
    with contextlib.ExitStack() as stack:
        try:
            opened = _opened(path, stack)
            contents, also = _contents(path, opened, digests=digests), described(opened)
        except DamageError as error:
            raise NoxPexError("integrity", f"{path} is not a PEX, or is damaged: {error}", _REMEDY) from error
    sha256 = contents.sha256
    known = replace(
        contents,
        build=results.build(path.with_name(f"{path.name}.json"), sha256=sha256),
        boots=results.boots(smoke or beside(path, "smoke.json"), sha256=sha256),
    )
    return known, also


def beside(binary: Path, ending: str) -> Path:
    """Return the path of a file about a binary next to it: `dist/service.smoke.json` for `dist/service.pex`."""
    return binary.with_name(f"{binary.name.removesuffix('.pex')}.{ending}")


def _opened(path: Path, stack: contextlib.ExitStack) -> _Opened:
    """Open the binary at `path`, a PEX or a scie, until `stack` ends. Raises `DamageError`."""
    try:
        scie, digests = scie_file.read_whole(path)
    except ScieError:
        pex = archive.opened(path, stack.enter_context(snapshot.taken(path)), stack)
        return _Opened(pex=pex, sha256=pex.sha256, size=pex.size)
    part = scie.pex
    if part is None or part.offset is None:
        msg = "it is a scie without a PEX"
        raise DamageError(msg)
    copy = stack.enter_context(shipped.copied_part(path, part))
    taken = stack.enter_context(snapshot.taken(copy))
    if taken.sha256 != digests.parts[part.name]:
        msg = "it was changed while it was read"
        raise DamageError(msg)
    pex = archive.opened(path, taken, stack)
    return _Opened(pex=pex, sha256=digests.whole, size=path.stat().st_size, scie=scie)


def _contents(path: Path, found: _Opened, *, digests: bool) -> BinaryContents:
    pex = found.pex
    for container in (pex.container, pex.bootstrap, *(wheel.content for wheel in pex.wheels)):
        if container.duplicates:
            msg = f"it has the member {container.duplicates[0]!r} twice"
            raise DamageError(msg)
    described = _with_digest if digests else _without_digest
    facts = names.facts(pex.info)
    return BinaryContents(
        file=path.name,
        sha256=found.sha256,
        size=found.size,
        layout=_layout(pex),
        is_scie=found.scie is not None,
        pex_version=facts.pex_version,
        entry_point=facts.entry_point,
        constraints=facts.constraints,
        settings=facts.settings,
        distributions=_distributions(pex, described),
        own=_loose(pex, described, is_runtime=False),
        runtime=_runtime(pex, described),
        python=_python(found.scie),
        complete=digests,
    )


def _layout(pex: Pex) -> Layout:
    if isinstance(pex.container, Zip):
        return "zipapp"
    return "packed" if pex.archives else "loose"


def _part_with_python(scie: Scie | None) -> Part | None:
    return next((part for part in scie.parts if part.name == scie.python), None) if scie is not None else None


def _python(scie: Scie | None) -> PythonInside | None:
    part = _part_with_python(scie)
    if part is None:
        return None
    return PythonInside(file=part.name, size=part.size, sha256=part.sha256, included=part.offset is not None)


_Describe = Callable[[Container, str, str], PackedFile]
"""Returns the member of a container by its name there. The last argument is what its path begins with."""


def _distributions(pex: Pex, described: _Describe) -> tuple[Group, ...]:
    groups = [_distribution(pex, wheel, described) for wheel in pex.wheels]
    return tuple(sorted(groups, key=lambda group: (group.name, group.version, group.wheel)))


def _distribution(pex: Pex, wheel: PexWheel, described: _Describe) -> Group:
    files = tuple(described(wheel.content, member, "") for member in wheel.content.members)
    name, version = names.name_and_version(wheel.name)
    stored = sum(file.stored for file in files)
    if isinstance(wheel.content, Zip):
        stored = _stored(pex.container.members[DEPENDENCIES + wheel.name])
    return Group(kind="distribution", name=name, version=version, wheel=wheel.name, stored=stored, files=files)


def _loose(pex: Pex, described: _Describe, *, is_runtime: bool) -> Group:
    files = tuple(
        described(pex.container, member.name, "")
        for member in pex.project_members()
        if names.is_runtime(member.name) == is_runtime
    )
    return Group(kind="runtime" if is_runtime else "own", stored=sum(file.stored for file in files), files=files)


def _runtime(pex: Pex, described: _Describe) -> Group:
    bootstrap = pex.bootstrap
    inner = tuple(described(bootstrap, name, f"{BOOTSTRAP}/") for name in bootstrap.members)
    stored = sum(file.stored for file in inner)
    if isinstance(bootstrap, Zip):
        stored = _stored(pex.container.members[BOOTSTRAP])
    outer = _loose(pex, described, is_runtime=True)
    return Group(kind="runtime", stored=stored + outer.stored, files=(*outer.files, *inner))


def _without_digest(container: Container, name: str, prefix: str) -> PackedFile:
    member = container.members[name]
    if isinstance(member, ZipMember):
        return PackedFile(path=prefix + name, size=member.size, stored=member.packed, crc=member.crc)
    return _with_digest(container, name, prefix)  # a directory knows no CRC-32


def _with_digest(container: Container, name: str, prefix: str) -> PackedFile:
    hasher, crc, member = hashlib.sha256(), 0, container.members[name]
    with container.open(name) as stream:
        for piece in chunks(stream):
            hasher.update(piece)
            crc = zlib.crc32(piece, crc)
    stored = _stored(member)
    return PackedFile(path=prefix + name, size=member.size, stored=stored, crc=crc, sha256=hasher.hexdigest())


def _stored(member: Member) -> int:
    """Return the bytes of a member in its container."""
    return member.packed if isinstance(member, ZipMember) else member.size
