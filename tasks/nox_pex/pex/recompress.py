"""Compress a PEX that pex wrote uncompressed, without compressing its distributions again.

The dependency PEX holds each distribution, compressed by pex, in a separate file, which pex keeps for every project. So
the compressed bytes of their members are copied from there, and only the project's part is compressed here. The
result is, byte for byte, what `pex --compress` writes. Every call first tries whether the zlib of this process
compresses as that of pex's Python does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from nox_pex.pex import zip_members
from nox_pex.pex.zip_members import NewMember, UnsupportedArchiveError, ZipMember

_BOOTSTRAP: Final = ".bootstrap"


_DEPENDENCIES: Final = ".deps"


def reuse_compressed(stored: Path, output: Path, *, repository: Path, scratch: Path) -> bool:
    """Write the PEX file `output`: `stored`, which pex wrote with `--no-compress`, compressed.

    `repository` is the dependency PEX that pex built it from, packed with compression; `scratch` is an empty directory
    to work in. Return False, and leave no `output`, if the bytes would differ from pex's; then pex has to compress.
    """
    try:
        return _write(stored, output, repository=repository, scratch=scratch)
    except UnsupportedArchiveError:
        output.unlink(missing_ok=True)
        return False


def _write(stored: Path, output: Path, *, repository: Path, scratch: Path) -> bool:
    archive = zip_members.read(stored)
    compressed = _compressed_members(repository)
    reused = {
        member.name: compressed[member.name]
        for member in archive.members
        if member.name in compressed and compressed[member.name].crc_and_size == member.crc_and_size
    }
    if not _compresses_alike(reused.values(), scratch=scratch):
        return False
    packed = zip_members.pack(
        scratch / "packed.zip",
        (
            NewMember(name=member.name, mode=member.mode, content=member)
            for member in archive.members
            if member.name not in reused and not member.name.endswith("/")
        ),
        compress=True,
    )
    members = {**reused, **{member.name: member for member in packed.members}}
    zip_members.write(output, archive.header(), [members.get(member.name, member) for member in archive.members])
    output.chmod(stored.stat().st_mode & 0o777)
    return True


def _compressed_members(repository: Path) -> Mapping[str, ZipMember]:
    """The members of the archives in a dependency PEX, by the names that they have in a PEX file."""
    archives = {_BOOTSTRAP: repository / _BOOTSTRAP}
    archives |= {f"{_DEPENDENCIES}/{path.name}": path for path in (repository / _DEPENDENCIES).glob("*.whl")}
    if not all(path.is_file() for path in archives.values()):
        msg = f"{repository} has a directory instead of an archive"
        raise UnsupportedArchiveError(msg)
    return {
        f"{prefix}/{member.name}": member.with_prefix(f"{prefix}/")
        for prefix, path in archives.items()
        for member in zip_members.read(path).members
        if not member.name.endswith("/")
    }


def _compresses_alike(members: Iterable[ZipMember], *, scratch: Path) -> bool:
    """Whether compressing here gives the bytes that pex wrote, tried on the largest of pex's own members."""
    largest = max(
        (member for member in members if member.name.startswith(f"{_BOOTSTRAP}/")),
        key=lambda member: member.crc_and_size[1],
        default=None,
    )
    if largest is None:
        return False
    (repacked,) = zip_members.pack(
        scratch / "repacked.zip", [NewMember(name=largest.name, mode=largest.mode, content=largest)], compress=True
    ).members
    return largest.same_as(repacked)
