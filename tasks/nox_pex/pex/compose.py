"""Write a PEX file from its parts: pex's runtime, packed wheels, the project's loose sources, and PEX-INFO.

The result is, byte for byte, what pex would build from the same parts. `runtime` proves this on a small PEX, once for
each runtime; the tests and `verify` compare whole binaries with those that pex builds alone.
Fact source: pex 2.105 (`pex.pex_builder`, `pex.hashing`, `pex.common.Chroot.zip`).
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from nox_pex.distributions import pex_info
from nox_pex.pex import zip_members
from nox_pex.pex.packed_wheels import DEPENDENCIES, DIRECTORY_MODE, EXECUTABLE_MODE, FILE_MODE, PackedWheel
from nox_pex.pex.zip_members import Archive, Block, NewMember, UnsupportedArchiveError, ZipMember

_PEX_INFO: Final = "PEX-INFO"


_BOOT_MODULES: Final = ("__main__.py", "__pex__/__init__.py")
"""The members that hold the PEX hash, by which a running PEX finds what it unpacked before; the header may too."""


_BOOTSTRAP: Final = ".bootstrap/"


_HOOK: Final = "__pex__/"


_PEX_DIRECTORIES: Final = (_BOOTSTRAP, DEPENDENCIES, _HOOK)
"""The directories that pex writes, for itself and for the distributions."""


_CHUNK: Final = 1 << 20
"""Bytes that are read at a time."""


class LooseSources(Struct, frozen=True, kw_only=True):
    """The project's loose sources: the files `names` in the directory `root`."""

    root: Path
    names: tuple[str, ...]


class Runtime(Struct, frozen=True, kw_only=True, dict=True):
    """The part of a PEX that pex writes for itself, taken from the PEX file `archive`, which pex built."""

    archive: Archive

    @cached_property
    def members(self) -> Mapping[str, ZipMember]:
        """The members of that file by name, in their order."""
        return {member.name: member for member in self.archive.members}

    @cached_property
    def info(self) -> Mapping[str, Any]:
        """The values in its PEX-INFO. Raises `ValueError` if it is no PEX-INFO, and `KeyError` if there is none."""
        return pex_info.parse(self.members[_PEX_INFO].read()).values


class Parts(Struct, frozen=True, kw_only=True):
    """The parts of a PEX file.

    `wheels` are sorted by name. `info` are the values of PEX-INFO that differ from those of the `runtime` (None: the
    key is not there), apart from the digests, which follow from the parts.
    """

    runtime: Runtime
    wheels: Sequence[PackedWheel]
    sources: LooseSources | None
    info: Mapping[str, Any]


def compose(parts: Parts, output: Path, *, compress: bool, scratch: Path, previous: Path | None = None) -> None:
    """Write the PEX file `output` from `parts`, in the empty directory `scratch`.

    `compress` must be as in the `runtime` and the `wheels`. Sources that are in the PEX `previous` with the same
    content are copied from there.
    Raises `UnsupportedArchiveError`, and leaves no `output`, if the file would be a ZIP64 archive, or if a part is of
    an unknown form.
    """
    try:
        _compose(parts, output, compress=compress, scratch=scratch, previous=previous)
    except (KeyError, ValueError) as error:
        output.unlink(missing_ok=True)
        msg = f"a part of the PEX has an unknown form: {error}"
        raise UnsupportedArchiveError(msg) from error
    except UnsupportedArchiveError:
        output.unlink(missing_ok=True)
        raise


def _compose(parts: Parts, output: Path, *, compress: bool, scratch: Path, previous: Path | None) -> None:
    runtime, sources = parts.runtime, parts.sources
    names = sources.names if sources is not None else ()
    if any(_is_of_pex(name) or name.endswith((".pyc", ".pyo")) or "__pycache__/" in name for name in names):
        msg = "a source has the name of a part of the PEX, or is bytecode"
        raise UnsupportedArchiveError(msg)
    info = {
        **{key: value for key, value in {**runtime.info, **parts.info}.items() if value is not None},
        "distributions": {wheel.name: wheel.fingerprint for wheel in parts.wheels},
        "code_hash": _code_hash(sources),
    }
    info["pex_hash"] = pex_info.pex_hash(info)
    old, new = str(runtime.info["pex_hash"]).encode(), info["pex_hash"].encode()
    contents = {name: runtime.members[name].read().replace(old, new) for name in _BOOT_MODULES}
    contents[_PEX_INFO] = pex_info.text_of(info)
    wanted = [NewMember(name=name, mode=runtime.members[name].mode, content=text) for name, text in contents.items()]
    if sources is not None:
        wanted += (NewMember(name=name, mode=DIRECTORY_MODE) for name in sorted(zip_members.directories(names)))
        wanted += (_source(sources.root, name) for name in names)
    packed = dict(_packed(wanted, scratch=scratch, compress=compress, previous=previous))
    header = runtime.archive.header().replace(old, new)
    zip_members.write(output, header, _in_order(_fixed(parts, packed), names, packed))
    output.chmod(runtime.archive.path.stat().st_mode & 0o777)


def _packed(
    wanted: Iterable[NewMember], *, scratch: Path, compress: bool, previous: Path | None
) -> Iterator[tuple[str, ZipMember]]:
    """Yield the packed members by name: from `previous`, if it has a member with this content, or else packed now."""
    known = _sources_of(previous) if previous is not None else {}
    new = []
    for member in wanted:
        former = known.get(member.name)
        if former is not None and former.is_compressed == compress and _is_same(former, member):
            yield former.name, former
        else:
            new.append(member)
    yield from (
        (member.name, member) for member in zip_members.pack(scratch / "new.zip", new, compress=compress).members
    )


def _is_same(former: ZipMember, member: NewMember) -> bool:
    """Whether a member of the previous PEX is `member`, packed."""
    if former.mode != member.mode or not isinstance(member.content, Path):
        return False
    return former.crc_and_size[1] == member.size and zip_members.same_bytes(former.chunks(), _read(member.content))


def _source(root: Path, name: str) -> NewMember:
    path = root / name
    return NewMember(name=name, mode=EXECUTABLE_MODE if os.access(path, os.X_OK) else FILE_MODE, content=path)


def _sources_of(previous: Path) -> Mapping[str, ZipMember]:
    """The loose sources in a PEX file by name; none if it is not a file that pex or nox-pex writes."""
    try:
        archive = zip_members.read(previous, without=(b".bootstrap/", DEPENDENCIES.encode()))
    except UnsupportedArchiveError:
        return {}
    return {member.name: member for member in archive.members}


def _fixed(parts: Parts, packed: Mapping[str, ZipMember]) -> Iterator[tuple[str, ZipMember | Block]]:
    """Yield the parts that are no sources with their names, in pex's order. `packed` replace those of the runtime."""
    runtime = parts.runtime.members
    yield _BOOTSTRAP, zip_members.block_of([member for name, member in runtime.items() if name.startswith(_BOOTSTRAP)])
    if parts.wheels:
        yield DEPENDENCIES, runtime[DEPENDENCIES]
    for wheel in parts.wheels:
        yield f"{DEPENDENCIES}{wheel.name}/", wheel.members
    for name, member in runtime.items():
        if _is_of_pex(name) and not name.startswith((_BOOTSTRAP, DEPENDENCIES)):
            yield name, packed.get(name, member)


def _in_order(
    fixed: Iterable[tuple[str, ZipMember | Block]], sources: Iterable[str], packed: Mapping[str, ZipMember]
) -> list[ZipMember | Block]:
    """All parts in pex's order: `fixed` in their order, with the `packed` members `sources` sorted among them.

    A directory comes before the first file in it.
    """
    order: list[ZipMember | Block] = []
    written: set[str] = set()
    waiting = deque(sorted(sources))

    def add_source() -> None:
        name = waiting.popleft()
        for directory in sorted(zip_members.directories([name]) - written):
            written.add(directory)
            order.append(packed[directory])
        order.append(packed[name])

    directories: list[ZipMember | Block] = []
    for name, part in fixed:
        if name in (DEPENDENCIES, _HOOK):
            directories.append(part)
            continue
        while waiting and waiting[0] < name:
            add_source()
        order += (*directories, part)
        directories.clear()
    while waiting:
        add_source()
    return order


def _is_of_pex(name: str) -> bool:
    """Whether a member is not a source of the project."""
    return name.startswith(_PEX_DIRECTORIES) or name in (_PEX_INFO, *_BOOT_MODULES)


def _code_hash(sources: LooseSources | None) -> str:
    """Return pex's hash of the loose sources (`CacheHelper.pex_code_hash`): all names, then all contents.

    Hidden files do not count, but files in hidden directories do.
    """
    if sources is None:
        return hashlib.sha1(b"").hexdigest()  # noqa: S324  # pex's choice, as the name of a cache
    hashed = [name for name in sorted(sources.names) if not name.rpartition("/")[2].startswith(".")]
    digest = hashlib.sha1("".join(hashed).encode())  # noqa: S324  # pex's choice, as the name of a cache
    for name in hashed:
        for chunk in _read(sources.root / name):
            digest.update(chunk)
    return digest.hexdigest()


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
