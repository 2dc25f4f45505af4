"""Installed wheels, packed: each is kept for every project by its content, so that it is packed once.

A packed wheel is a ZIP archive of the members that the wheel has in a PEX. Before it is used, its bytes are compared
with the digest that was noted when it was packed; if they differ, the wheel is packed again.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import hashlib
import json
import os
import stat
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from nox_pex.distributions import installed_wheel, pex_file
from nox_pex.distributions.installed_wheel import LAYOUT, InstalledWheel, LaidOutFile
from nox_pex.distributions.record import encode_digest
from nox_pex.pex import zip_members
from nox_pex.pex.zip_members import Block, NewMember, UnsupportedArchiveError
from nox_pex.system import files, locks, processors, recipe
from nox_pex.tools.cache import Caches

DEPENDENCIES: Final = ".deps/"
"""The directory of the wheels in a PEX."""


_ARCHIVE: Final = "wheel.zip"


_MANIFEST: Final = "manifest.json"


class DamagedFileError(Exception):
    """A file of a distribution does not have the digest in its RECORD. The text is its path."""


class PackedWheel(Struct, frozen=True, kw_only=True):
    """A wheel as a PEX has it: the `name` of its directory, pex's `fingerprint` of it, and its members."""

    name: str
    fingerprint: str
    members: Block


class _Manifest(Struct, frozen=True, kw_only=True):
    """The facts about the packed wheel with the key `key`. `digest` is the quick digest of its archive."""

    key: str
    name: str
    fingerprint: str
    digest: str


class PackedWheels(Struct, frozen=True, kw_only=True, dict=True):
    """The packed wheels in the user's `caches`, as pex `pex_version` packs them, compressed or not."""

    caches: Caches
    pex_version: str
    compress: bool

    @cached_property
    def _root(self) -> Path:
        return self.caches.packed

    @property
    def identity(self) -> str:
        """A digest of what decides the packed bytes of every wheel."""
        decisive = [self.pex_version, self.compress, zlib_identity(), recipe.digest()]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()

    def key(self, wheel: InstalledWheel) -> str:
        """Return the key of a wheel: a digest of everything that decides its packed bytes."""
        return hashlib.sha256(f"{self.identity} {wheel.key}".encode()).hexdigest()[:32]

    def find(self, keys: Iterable[str]) -> Mapping[str, PackedWheel]:
        """Return the packed wheels with these keys, by key, without those that are missing or damaged.

        Their bytes are compared with their digests, on all processors.
        """
        wanted = list(dict.fromkeys(keys))
        with concurrent.futures.ThreadPoolExecutor(processors.count()) as pool:
            found = pool.map(self._intact, wanted)
        return {key: wheel for key, wheel in zip(wanted, found, strict=True) if wheel is not None}

    def pack(self, wheels: Iterable[InstalledWheel]) -> Iterator[PackedWheel]:
        """Yield the packed form of `wheels`; those that are kept are not packed again.

        The largest are packed first, so that no processor waits for one of them at the end.
        Raises `DamagedFileError`, and `OSError` if a file cannot be read or written.
        """
        with concurrent.futures.ThreadPoolExecutor(processors.count()) as pool:
            yield from pool.map(self.pack_one, sorted(wheels, key=lambda wheel: wheel.size, reverse=True))

    def pack_one(self, wheel: InstalledWheel) -> PackedWheel:
        """Return the packed form of a wheel: the one that is kept, or a new one. Raises as `pack` does.

        If another thread or process is packing it, its result is waited for.
        """
        key = self.key(wheel)
        if (kept := self._intact(key)) is not None:
            return kept
        lock = self._root / f".{key}.lock"
        with locks.locked(lock, waiting=_wait_silently):
            try:
                return self._intact(key) or self._pack(wheel, key)
            finally:
                lock.unlink(missing_ok=True)  # whoever waits for it, or makes it again, looks for the wheel first

    def _pack(self, wheel: InstalledWheel, key: str) -> PackedWheel:
        root = self._root
        with (
            files.temporary_directory(prefix=".packing.", parent=root) as scratch,
            locks.try_lock(scratch, shared=True),
        ):
            new = scratch / key
            new.mkdir(0o700)
            packed = pack(wheel, new / _ARCHIVE, compress=self.compress)
            manifest = _Manifest(
                key=key, name=packed.name, fingerprint=packed.fingerprint, digest=pex_file.quick_digest(new / _ARCHIVE)
            )
            files.write_json(new / _MANIFEST, msgspec.structs.asdict(manifest))
            files.move_into_place(new, root / key)
        return _load(root / key, manifest)

    def _intact(self, key: str) -> PackedWheel | None:
        home = self._root / key
        try:
            manifest = msgspec.convert(files.read_json(home / _MANIFEST), _Manifest)
            is_intact = bool(manifest.digest) and manifest.digest == pex_file.quick_digest(home / _ARCHIVE)
            if manifest.key != key or not is_intact:
                return None
            with contextlib.suppress(OSError):  # a read-only cache is not evicted
                os.utime(home)
            return _load(home, manifest)
        except (OSError, ValueError, UnsupportedArchiveError):  # msgspec's errors are ValueErrors
            return None


def _wait_silently() -> None:
    """Say nothing: another build packs the same wheel."""


def pack(wheel: InstalledWheel, path: Path, *, compress: bool) -> PackedWheel:
    """Pack a wheel into the new archive `path`.

    Raises `DamagedFileError` if a file has another content than its RECORD says, or changes while it is packed.
    """
    checksums = {file.path: 0 for file in wheel.files}
    fingerprint = installed_wheel.fingerprint((file.path, _checked(file, checksums)) for file in wheel.files)
    members = new_members(wheel, fingerprint)
    archive = zip_members.pack(path, members, compress=compress)
    prefix = f"{DEPENDENCIES}{wheel.name}/"
    for member in archive.members:
        name = member.name.removeprefix(prefix)
        if name in checksums and member.crc_and_size[0] != checksums[name]:
            raise DamagedFileError(name)
    return PackedWheel(name=wheel.name, fingerprint=fingerprint, members=zip_members.read_block(path))


def store(wheel: Path, scratch: Path, *, fingerprint: str) -> PackedWheel:
    """Return the file `wheel` as a PEX has it that does not install its distributions; it is copied to `scratch`."""
    member = NewMember(name=f"{DEPENDENCIES}{wheel.name}", mode=FILE_MODE, content=wheel)
    archive = zip_members.pack(scratch / f"{wheel.name}.zip", [member], compress=False)
    return PackedWheel(name=wheel.name, fingerprint=fingerprint, members=zip_members.read_block(archive.path))


def number_of_members(wheel: InstalledWheel) -> int:
    """Return the number of members that pex makes of a wheel: files and directories."""
    names = {LAYOUT, *(file.path for file in wheel.files)}
    return 1 + len(names | zip_members.directories(names))  # and the directory of the wheel itself


def new_members(wheel: InstalledWheel, fingerprint: str) -> Iterator[NewMember]:
    """Yield the members that pex makes of a wheel, in pex's order: a directory comes before the first file in it."""
    laid_out = {file.path: file for file in wheel.files}
    laid_out[LAYOUT] = LaidOutFile(path=LAYOUT, content=wheel.layout(fingerprint))
    prefix = f"{DEPENDENCIES}{wheel.name}/"
    written: set[str] = set()
    yield NewMember(name=prefix, mode=DIRECTORY_MODE)
    for path in installed_wheel.walk(laid_out):
        for directory in sorted(zip_members.directories([path]) - written):
            written.add(directory)
            yield NewMember(name=prefix + directory, mode=DIRECTORY_MODE)
        file = laid_out[path]
        mode = EXECUTABLE_MODE if file.executable else FILE_MODE
        yield NewMember(name=prefix + path, mode=mode, content=file.content)


DIRECTORY_MODE: Final = stat.S_IFDIR | 0o755
"""The mode of each directory in a PEX."""


EXECUTABLE_MODE: Final = stat.S_IFREG | 0o755
"""The mode of each file in a PEX that its owner may execute."""


FILE_MODE: Final = stat.S_IFREG | 0o644
"""The mode of each other file in a PEX."""


def _checked(file: LaidOutFile, checksums: dict[str, int]) -> Iterator[bytes]:
    """Yield the content of a file, and note its CRC-32. Raises `DamagedFileError` if its digest differs."""
    algorithm, _, expected = file.digest.partition("=")
    hasher = hashlib.new(algorithm) if file.digest else None
    for chunk in zip_members.pex_chunks(file.content):
        checksums[file.path] = zlib.crc32(chunk, checksums[file.path])
        if hasher is not None:
            hasher.update(chunk)
        yield chunk
    if hasher is not None and encode_digest(hasher.digest()) != expected:
        raise DamagedFileError(file.path)


def _load(home: Path, manifest: _Manifest) -> PackedWheel:
    members = zip_members.read_block(home / _ARCHIVE)
    return PackedWheel(name=manifest.name, fingerprint=manifest.fingerprint, members=members)


@functools.cache
def zlib_identity() -> str:
    """Return a digest of what the zlib of this process makes of a sample: implementations compress differently."""
    sample = b"".join(hashlib.sha256(bytes([number])).hexdigest().encode() * 4 for number in range(256))
    return hashlib.sha256(zlib.compress(sample)).hexdigest()
