"""A PEX that pex wrote uncompressed, made smaller without packing its distributions again.

The dependency PEX has each of them packed, by pex, in a file of its own, which pex keeps for every project. So a member
is taken over from there as it lies; only the project's own part is packed here. What comes out is, byte for byte, what
`pex --compress` writes: that this zlib packs as the one of pex's Python does is tried on the spot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from nox_pex.build import zip_members
from nox_pex.build.zip_members import NewMember, ZipMember

_BOOTSTRAP: Final = ".bootstrap"


_DEPENDENCIES: Final = ".deps"


def reuse_compressed(stored: Path, output: Path, *, repository: Path, aside: Path) -> bool:
    """Write `stored`, a PEX file that pex made with `--no-compress`, as `output`, compressed.

    `repository` is the dependency PEX that it was made from, packed with compression; `aside` an empty directory to
    work in. Returns False, with no `output`, where the bytes would not be pex's; then pex has to compress them.
    """
    try:
        archive = zip_members.read(stored)
        packed = _packed(repository)
        members = {
            member.name: packed[member.name]
            for member in archive.members
            if member.name in packed and packed[member.name].content == member.content
        }
        rest = [member for member in archive.members if member.name not in members and not member.name.endswith("/")]
        if not _packs_alike(members.values(), aside=aside):
            return False
        own = zip_members.pack(
            aside / "own.zip",
            (NewMember(name=member.name, mode=member.mode, content=member) for member in rest),
            compress=True,
        )
        members |= {member.name: member for member in own.members}
        zip_members.write(output, archive.header, [members.get(member.name, member) for member in archive.members])
    except zip_members.UnsupportedArchiveError:
        output.unlink(missing_ok=True)
        return False
    output.chmod(stored.stat().st_mode & 0o777)
    return True


def _packed(repository: Path) -> Mapping[str, ZipMember]:
    """The members of the archives in a dependency PEX, by the names that they have in a PEX file."""
    archives = {_BOOTSTRAP: repository / _BOOTSTRAP}
    archives |= {f"{_DEPENDENCIES}/{path.name}": path for path in (repository / _DEPENDENCIES).glob("*.whl")}
    if not all(path.is_file() for path in archives.values()):
        msg = f"{repository} is not laid out as files"
        raise zip_members.UnsupportedArchiveError(msg)
    return {
        f"{prefix}/{member.name}": member.with_prefix(f"{prefix}/")
        for prefix, path in archives.items()
        for member in zip_members.read(path).members
        if not member.name.endswith("/")
    }


def _packs_alike(members: Iterable[ZipMember], *, aside: Path) -> bool:
    """Whether packing here gives the same bytes: tried on pex's own largest member."""
    known = max(
        (member for member in members if member.name.startswith(f"{_BOOTSTRAP}/")),
        key=lambda member: member.content[1],
        default=None,
    )
    if known is None:
        return False
    (again,) = zip_members.pack(
        aside / "again.zip", [NewMember(name=known.name, mode=known.mode, content=known)], compress=True
    ).members
    return known.same_as(again)
