"""The tar of a layer as a stream of bytes: decompressed, counted, limited and hashed.

Fact sources: RFC 1952 and RFC 8878 (a file may have several gzip members, or zstd frames, one after another); OCI image
specification 1.1, "Image Layer Filesystem Changeset".
"""

from __future__ import annotations

import hashlib
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Final, Protocol, Self, TypeVar

from nox_pex.oci import media_types
from nox_pex.oci.image import LayerFile
from nox_pex.system import files
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    from backports import zstd
elif sys.version_info >= (3, 14):
    zstd = lazy("compression.zstd")
else:
    zstd = lazy("backports.zstd")

_INPUT: Final = 1 << 16
"""Bytes of a compressed layer that are read at a time."""


_OUTPUT: Final = 1 << 20
"""Bytes that are decompressed at a time, at most."""


_LARGEST: Final = 64 << 30
"""Bytes of an uncompressed layer."""


_ALWAYS_ALLOWED: Final = 1 << 30
"""Bytes of an uncompressed layer that are read, however small the compressed one is."""


_RATIO: Final = 200
"""Bytes of an uncompressed layer for each compressed byte, beyond `_ALWAYS_ALLOWED`. Programs have 2 to 5."""


_GZIP: Final = 31
"""`wbits` of a gzip member with its header and checksum (zlib.h)."""


class LayerError(Exception):
    """A layer that is damaged, hostile, or not what its configuration says. The text is a phrase about the layer."""


class _Decompressor(Protocol):
    """The common part of a gzip member and a zstd frame that are being decompressed."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...


_D = TypeVar("_D", bound=_Decompressor)


class LayerStream:
    """The uncompressed bytes of `layer`, read once from its start. Use it in a `with` block.

    Every method raises `LayerError` if the layer is damaged, or uncompressed larger than any honest layer, and
    `OSError` if the file cannot be read.
    """

    def __init__(self, layer: LayerFile) -> None:
        if layer.descriptor.media_type not in media_types.LAYERS:
            msg = f"has the type {layer.descriptor.media_type!r}, which is not read"
            raise LayerError(msg)
        self._layer = layer
        self._file = files.open_regular(layer.path)
        self._pieces = _pieces(self._file, layer.descriptor.media_type)
        self._limit = min(_LARGEST, max(_ALWAYS_ALLOWED, _RATIO * layer.descriptor.size))
        self._hasher = hashlib.sha256()
        self._total = 0
        self._piece = memoryview(b"")
        self._taken = 0
        self.position: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes; fewer only at the end."""
        start, end = self._taken, self._taken + size
        if end <= len(self._piece):  # nearly always
            self._taken, self.position = end, self.position + size
            return bytes(self._piece[start:end])
        return b"".join(self.chunks(size))

    def chunks(self, size: int) -> Iterator[memoryview]:
        """Yield the next `size` bytes in pieces; fewer only at the end."""
        while size:
            if self._taken == len(self._piece) and not self._next():
                return
            chunk = self._piece[self._taken : self._taken + size]
            self._taken += len(chunk)
            self.position += len(chunk)
            size -= len(chunk)
            yield chunk

    def skip(self, size: int) -> None:
        """Skip `size` bytes. Raises `LayerError` if there are fewer."""
        for chunk in self.chunks(size):
            size -= len(chunk)
        if size:
            raise _cut()

    def finish(self) -> None:
        """Read the rest, and check the digest of all bytes. Raises `LayerError` if it is not that of the layer."""
        while self._next():
            self.position += len(self._piece)
        found = f"sha256:{self._hasher.hexdigest()}"
        if found != self._layer.diff_id:
            msg = f"has the digest {found} without compression, but the configuration says {self._layer.diff_id}"
            raise LayerError(msg)

    def _next(self) -> bool:
        """Decompress the next piece; return False at the end."""
        try:
            piece = next(self._pieces, None)
        except (zlib.error, zstd.ZstdError) as error:
            msg = f"cannot be decompressed: {error}"
            raise LayerError(msg) from error
        if piece is None:
            return False
        self._hasher.update(piece)
        self._total += len(piece)
        if self._total > self._limit:
            msg = f"has more than {self._limit} bytes without compression, and {self._layer.descriptor.size} with it"
            raise LayerError(msg)
        self._piece, self._taken = memoryview(piece), 0
        return True


def _cut() -> LayerError:
    return LayerError("ends too early")


def _pieces(file: IO[bytes], media_type: str) -> Iterator[bytes]:
    """Yield the uncompressed bytes of a file. Raises `LayerError`, `zlib.error`, `ZstdError`, `OSError`."""
    if media_type == media_types.LAYER_GZIP:
        return gzip_pieces(lambda: file.read(_INPUT))
    if media_type == media_types.LAYER_ZSTD:
        return _zstd_pieces(lambda: file.read(_INPUT))
    return iter(lambda: file.read(_OUTPUT), b"")


def gzip_pieces(read: Callable[[], bytes]) -> Iterator[bytes]:
    """Yield the uncompressed bytes of a gzip file, which may have several members.

    `read` returns the next compressed bytes, none at the end. Raises `LayerError` if it is cut, and `zlib.error`.
    """

    def decompress(member: zlib._Decompress, data: bytes) -> tuple[bytes, bytes, bool]:
        piece = member.decompress(data, _OUTPUT)
        return piece, member.unconsumed_tail, len(piece) == _OUTPUT

    return _frames(read, lambda: zlib.decompressobj(_GZIP), decompress)


def _zstd_pieces(read: Callable[[], bytes]) -> Iterator[bytes]:
    def decompress(frame: zstd.ZstdDecompressor, data: bytes) -> tuple[bytes, bytes, bool]:
        piece = frame.decompress(data, _OUTPUT)
        return piece, b"", not frame.needs_input

    return _frames(read, zstd.ZstdDecompressor, decompress)


def _frames(
    read: Callable[[], bytes], begin: Callable[[], _D], decompress: Callable[[_D, bytes], tuple[bytes, bytes, bool]]
) -> Iterator[bytes]:
    """Yield the uncompressed bytes of all members or frames of a file, of which there is at least one.

    `decompress` returns output, input that it has not used, and whether it has more output without more input.
    """
    frame, data, more = begin(), b"", False
    while True:
        if not data and not more:
            data = read()
            if not data:
                raise _cut()
        piece, data, more = decompress(frame, data)
        if piece:
            yield piece
        if frame.eof:
            data = frame.unused_data or read()
            if not data:
                return
            frame, more = begin(), False
