"""A member of a ZIP archive, and its content, unpacked and checked while it is read."""

from __future__ import annotations

import io
import os
import zlib
from typing import Any, Final, NoReturn

from nox_pex.verify.container import CHUNK, DamageError, Member

STORED: Final = 0


DEFLATED: Final = 8


_PACKED_CHUNK: Final = 1 << 16
"""Bytes of compressed data that are unpacked at a time."""


class ZipMember(Member, frozen=True, kw_only=True, gc=False):
    """A member of an archive. Its data is `packed` bytes that begin at the byte `start` of the file."""

    crc: int
    method: int
    packed: int
    start: int


class MemberContent(io.RawIOBase):
    """The uncompressed content of a member. Raises `DamageError` while it is read, if it is damaged."""

    def __init__(self, descriptor: int, entry: ZipMember) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._entry = entry
        self._position = entry.start
        self._end = entry.start + entry.packed
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS) if entry.method == DEFLATED else None
        self._left = entry.size
        self._crc = 0

    def readable(self) -> bool:
        """Return True (`io.IOBase`)."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill `buffer`, and return the number of bytes; 0 at the end (`io.RawIOBase`)."""
        view = memoryview(buffer).cast("B")
        piece = self._next(min(len(view), CHUNK))
        view[: len(piece)] = piece
        self._crc = zlib.crc32(piece, self._crc)
        self._left -= len(piece)
        if self._left < 0:
            self._fail("is longer than the archive says")
        if not piece and (self._left or self._crc != self._entry.crc):
            self._fail("is shorter than the archive says" if self._left else "has another CRC than the archive says")
        return len(piece)

    def _next(self, wanted: int) -> bytes:
        """Return at least one and at most `wanted` bytes; none at the end."""
        if self._inflater is None:
            return self._packed(wanted)
        while True:
            data = self._inflater.unconsumed_tail or self._packed(_PACKED_CHUNK)
            try:
                piece = self._inflater.decompress(data, wanted)
            except zlib.error as error:
                self._fail(f"cannot be unpacked ({error})")
            if self._inflater.unused_data or (self._inflater.eof and self._position < self._end):
                self._fail("has more data than its content")
            if not piece and not data and not self._inflater.eof:
                self._fail("is truncated")
            if piece or self._inflater.eof:
                return piece

    def _packed(self, size: int) -> bytes:
        data = os.pread(self._descriptor, min(size, self._end - self._position), self._position)
        self._position += len(data)
        return data

    def _fail(self, reason: str) -> NoReturn:
        msg = f"{self._entry.name} {reason}"
        raise DamageError(msg)
