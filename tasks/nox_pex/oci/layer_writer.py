"""Layers of images: deterministic tar archives, compressed by gzip.

The archive and the header of gzip are written here, and not by `tarfile` and `gzip`, so that they are the same on each
version of Python. Only the compressed bytes depend on zlib.

Fact sources: OCI image specification 1.1, "Image Layer Filesystem Changeset"; POSIX.1-2008, pax ("ustar Interchange
Format", "pax Header Block"); RFC 1952 for gzip.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Final

from msgspec import Struct

from nox_pex.oci import media_types
from nox_pex.oci.descriptor import Descriptor
from nox_pex.oci.image import LayerFile
from nox_pex.system.environ import EPOCH

COMPRESSOR: Final = f"zlib {zlib.ZLIB_RUNTIME_VERSION}"
"""The library that compresses, on which the digests of layers depend. Their diff ids do not."""


_LEVEL: Final = 6
"""The level of compression. Level 9 takes four times as long and saves 0.7% of the bytes (82 distributions)."""


_BLOCK: Final = 512
"""Bytes of a block of a tar archive."""


_END: Final = bytes(2 * _BLOCK)


_PIECE: Final = 1 << 20
"""Bytes that are read at a time."""


_GZIP: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""The header of gzip: no name, no date, an unknown system."""


_LARGEST: Final = 8**11 - 1
"""Bytes of the largest file whose size fits into a ustar header."""


_NAME: Final = 100
_PREFIX: Final = 155
"""Bytes of the two fields of a ustar header for a path."""


class Stream(Struct, frozen=True, kw_only=True):
    """The content of a file that is read when it is written: its `size` in bytes, and `open`, which opens it."""

    size: int
    open: Callable[[], IO[bytes]]


class Entry(Struct, frozen=True, kw_only=True):
    """An entry of a layer: a file with `content`, a link to `target`, or a directory if both are None.

    `path` is relative to the root of the image, with `/`.
    """

    path: str
    content: bytes | Stream | None = None
    target: str | None = None
    executable: bool = False


def write_layer(entries: Iterable[Entry], output: Path, *, compressed: bool = False) -> LayerFile:
    """Write a layer with `entries` to the new file `output`, as gzip.

    If they are `compressed` already, they are only stored: a second compression takes seconds, and gains nothing.

    The entries are sorted, and the directories above them are added. All belong to user 0 and group 0, with the modes
    0755, 0644 (0777 for links) and the date 1980-01-01. The same entries give the same `diff_id` on any machine.
    Raises `ValueError` if two entries have the same path, a path leaves the image, or a file has not the size that its
    stream promises; and `OSError`.
    """
    return compress(archive(entries), output, level=zlib.Z_NO_COMPRESSION if compressed else _LEVEL)


def compress(pieces: Iterable[bytes], output: Path, *, level: int = _LEVEL) -> LayerFile:
    """Write the layer whose tar archive is `pieces` to the new file `output`. Raises `OSError`."""
    with output.open("xb", buffering=0) as file:
        gzip = _Gzip(file, level)
        for piece in pieces:
            gzip.write(piece)
        gzip.close()
    descriptor = Descriptor(media_type=media_types.LAYER_GZIP, digest=gzip.digest, size=gzip.size)
    return LayerFile(descriptor=descriptor, diff_id=gzip.diff_id, path=output)


class _Gzip:
    """Compresses into a file, and hashes both sides."""

    def __init__(self, file: IO[bytes], level: int) -> None:
        self._file = file
        self._compressor = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._plain, self._compressed = hashlib.sha256(), hashlib.sha256()
        self._checksum, self._length = 0, 0
        self.size = 0
        self._emit(_GZIP)

    @property
    def diff_id(self) -> str:
        """The digest of the archive."""
        return f"sha256:{self._plain.hexdigest()}"

    @property
    def digest(self) -> str:
        """The digest of the compressed bytes."""
        return f"sha256:{self._compressed.hexdigest()}"

    def write(self, piece: bytes) -> None:
        """Append a piece of the archive."""
        self._plain.update(piece)
        self._checksum = zlib.crc32(piece, self._checksum)
        self._length += len(piece)
        self._emit(self._compressor.compress(piece))

    def close(self) -> None:
        """Write what is left, and the checksum."""
        self._emit(self._compressor.flush())
        self._emit(self._checksum.to_bytes(4, "little") + (self._length & 0xFFFFFFFF).to_bytes(4, "little"))

    def _emit(self, data: bytes) -> None:
        if data:
            self._compressed.update(data)
            self.size += len(data)
            self._file.write(data)


def archive(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield a tar archive with `entries`, as for `write_layer`, in pieces of at least a mebibyte.

    Hashing and compressing small pieces takes longer.
    """
    waiting: list[bytes] = []
    length = 0
    for piece in _blocks(entries):
        waiting.append(piece)
        length += len(piece)
        if length >= _PIECE:
            yield b"".join(waiting)
            waiting, length = [], 0
    yield b"".join(waiting)


def _blocks(entries: Iterable[Entry]) -> Iterator[bytes]:
    for entry in _complete(entries):
        content = entry.content
        size = 0 if content is None else content.size if isinstance(content, Stream) else len(content)
        yield header(entry, size)
        if isinstance(content, bytes):
            yield content
        elif content is not None:
            yield from _read(content, entry.path)
        yield bytes(-size % _BLOCK)
    yield _END


def _read(stream: Stream, path: str) -> Iterator[bytes]:
    left = stream.size
    with stream.open() as file:
        while left > 0 and (piece := file.read(min(_PIECE, left))):
            left -= len(piece)
            yield piece
        if left or file.read(1):
            msg = f"{path} has not the size that is noted for it"
            raise ValueError(msg)


def _complete(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries and the directories above them, each after its directory."""
    found: dict[str, Entry] = {}
    for entry in entries:
        known = found.get(entry.path)
        if known is not None and not (_is_directory(known) and _is_directory(entry)):
            msg = f"two entries have the path {entry.path}"
            raise ValueError(msg)
        found[entry.path] = entry
    for path in list(found):
        parts = path.split("/")
        if any(part in ("", ".", "..") for part in parts) or "\0" in path:
            msg = f"{path!r} is no path in an image"
            raise ValueError(msg)
        for depth in range(1, len(parts)):
            parent = "/".join(parts[:depth])
            if not _is_directory(found.setdefault(parent, Entry(path=parent))):
                msg = f"{parent} is not a directory, but it has entries"
                raise ValueError(msg)
    return [found[path] for path in sorted(found, key=lambda path: path.split("/"))]


def _is_directory(entry: Entry) -> bool:
    return entry.content is None and entry.target is None


def header(entry: Entry, size: int) -> bytes:
    """Return the header of an entry with `size` bytes, after a pax header if ustar has no room for a value."""
    if entry.target is not None:
        kind, mode = b"2", 0o777
    elif entry.content is None:
        kind, mode = b"5", 0o755
    else:
        kind, mode = b"0", 0o755 if entry.executable else 0o644
    path = entry.path + ("/" if kind == b"5" else "")
    records: dict[str, str] = {}
    fields = _ustar_path(path)
    if fields is None:
        records["path"] = path
        fields = b"", _ascii(path)[:_NAME]
    target = entry.target or ""
    if not target.isascii() or len(target) > _NAME:
        records["linkpath"] = target
    if size > _LARGEST:
        records["size"] = str(size)
    header = _ustar(fields, kind, mode=mode, size=0 if "size" in records else size, target=_ascii(target)[:_NAME])
    if not records:
        return header
    pax = b"".join(_pax_record(key, value) for key, value in sorted(records.items()))
    extended = _ustar((b"", b"PaxHeaders/entry"), b"x", mode=0o644, size=len(pax), target=b"")
    return extended + pax + bytes(-len(pax) % _BLOCK) + header


def _ustar(path: tuple[bytes, bytes], kind: bytes, *, mode: int, size: int, target: bytes) -> bytes:
    """Return a header of ustar; `path` are the fields `prefix` and `name`."""
    prefix, name = path
    before = b"%s%07o\0%07o\0%07o\0%011o\0%011o\0" % (name.ljust(_NAME, b"\0"), mode, 0, 0, size, int(EPOCH))
    after = b"%s%sustar\x0000%s%07o\0%07o\0%s" % (
        kind,
        target.ljust(_NAME, b"\0"),
        bytes(64),
        0,
        0,
        prefix.ljust(_PREFIX + 12, b"\0"),
    )
    checksum = sum(before) + sum(after) + 8 * ord(" ")
    return before + b"%06o\0 " % checksum + after


def _ustar_path(path: str) -> tuple[bytes, bytes] | None:
    """Return the fields `prefix` and `name` for a path; None if it does not fit into them, or is not ASCII."""
    if not path.isascii():
        return None
    data = path.encode("ascii")
    if len(data) <= _NAME:
        return b"", data
    at = data.find(b"/", len(data) - _NAME - 1, len(data) - 1)
    return (data[:at], data[at + 1 :]) if 0 < at <= _PREFIX else None


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "replace")


def _pax_record(key: str, value: str) -> bytes:
    """Return a record of a pax header: its own length in decimal digits, the key, the value."""
    rest = b" %s=%s\n" % (key.encode(), value.encode("utf-8", "surrogateescape"))
    length = len(rest)
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest
