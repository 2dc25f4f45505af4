"""One header of a tar archive that anybody may have written: ustar, GNU, PAX, and their sparse files.

It is read as Go's `archive/tar` reads it, with which engines unpack layers, and strictly: a number that is none, or a
record that is none, is an error.
Fact sources: pax(1) in POSIX.1-2017 for ustar and PAX; GNU tar's manual, "Standard Format" and "Storing Sparse Files".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from msgspec import Struct

from nox_pex.oci.layer_stream import LayerError

BLOCK: Final = 512
"""Bytes of a header. The content of a member is padded to a multiple of it."""


LARGEST_SPARSE: Final = 1 << 40
"""Bytes of a sparse file, with its holes."""


_MOST_SEGMENTS: Final = 1 << 16
"""Parts of a sparse file that are not holes."""


_CHECKSUM: Final = slice(148, 156)


_OCTAL: Final = re.compile(rb"[0-7]+")


_DECIMAL: Final = re.compile(r"[0-9]{1,19}")


_TIME: Final = re.compile(r"(-?[0-9]{1,19})(?:\.[0-9]*)?")


_LATEST: Final = 1 << 34
"""The latest time in seconds of Unix time, in the year 2514. File systems have no later ones."""


_LARGEST_ID: Final = (1 << 32) - 2
"""The highest number of a user or a group (chown(2): the next one means "no change")."""


Segments: TypeAlias = tuple[tuple[int, int], ...]
"""The parts of a sparse file that are not holes: position and length, in ascending order."""


class Header(Struct, kw_only=True):
    """The fields of a header. `stored` is the bytes that follow it, without padding. Names are as in the archive."""

    type: bytes
    name: bytes
    link: bytes
    mode: int
    uid: int
    gid: int
    mtime: int
    stored: int
    old_sparse: bool
    """Whether it is a sparse file in the old GNU format, whose segments are in the header and after it."""


def parse(block: bytes) -> Header:
    """Return the fields of a header. Raises `LayerError`."""
    if number(block[_CHECKSUM]) not in _checksums(block):
        msg = "has a header with a wrong checksum"
        raise LayerError(msg)
    kind, name, magic = block[156:157], _text(block[:100]), block[257:265]
    if magic[:6] == b"ustar\0":
        star = block[508:512] == b"tar\0"
        prefix = _text(block[345 : 476 if star else 500])
        name = prefix + b"/" + name if prefix else name
    if kind == b"\0":  # before POSIX: a directory has a slash at its end
        kind = b"5" if name.endswith(b"/") else b"0"
    return Header(
        type=kind,
        name=name,
        link=_text(block[157:257]),
        mode=number(block[100:108]) & 0o7777,
        uid=number(block[108:116]),
        gid=number(block[116:124]),
        stored=number(block[124:136]),
        mtime=number(block[136:148], signed=True),
        old_sparse=kind == b"S",
    )


def _checksums(block: bytes) -> tuple[int, int]:
    """Return the sum of a header's bytes, and that of its signed bytes, which old programs wrote."""
    rest = block[:148] + block[156:]
    total = sum(rest) + 8 * 0x20
    return total, total - 256 * sum(byte >> 7 for byte in rest) if not rest.isascii() else total


def number(field: bytes, *, signed: bool = False) -> int:
    """Return a number in octal digits, or, for large ones, in GNU's binary format. Raises `LayerError`."""
    if field[0] & 0x80:
        value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        if field[0] & 0x40:
            value -= 1 << (8 * len(field) - 1)
        if value < 0 and not signed:
            msg = "has a header with a negative number"
            raise LayerError(msg)
        return value
    text = _text(field.lstrip(b" \0")).strip(b" ")
    if not text:
        return 0
    if not _OCTAL.fullmatch(text):
        msg = f"has a header with {text!r} in place of a number"
        raise LayerError(msg)
    return int(text, 8)


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def records(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the records of a PAX header, in order. Raises `LayerError`."""
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + 8)
        length = data[position:space] if space > position else b""
        end = position + int(length) if length.isdigit() else 0
        if not space < end <= len(data) or data[end - 1 : end] != b"\n":
            raise _bad_record()
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not key or not equals or b"\0" in key:
            raise _bad_record()
        yield key.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape")
        position = end


def _bad_record() -> LayerError:
    return LayerError("has a PAX header with a record that is not valid")


def apply(header: Header, pax: Mapping[str, str]) -> None:
    """Set the fields of a header that the records of a PAX header name. An empty record changes nothing."""
    if name := pax.get("GNU.sparse.name") or pax.get("path"):
        header.name = name.encode("utf-8", "surrogateescape")
    if link := pax.get("linkpath"):
        header.link = link.encode("utf-8", "surrogateescape")
    for key, field in (("size", "stored"), ("uid", "uid"), ("gid", "gid")):
        if value := pax.get(key):
            setattr(header, field, decimal(value))
    if value := pax.get("mtime"):
        match = _TIME.fullmatch(value)
        if match is None:
            raise _bad_record()
        header.mtime = int(match[1])


def check(header: Header) -> None:
    """Raise `LayerError` if a number in a header is out of range. A time out of range is set to the nearest one."""
    if max(header.uid, header.gid) > _LARGEST_ID:
        msg = "has a file of a user or group that no system has"
        raise LayerError(msg)
    header.mtime = min(max(header.mtime, 0), _LATEST)


def decimal(text: str) -> int:
    """Return a number of a PAX header. Raises `LayerError`."""
    if not _DECIMAL.fullmatch(text):
        raise _bad_record()
    return int(text)


def pax_segments(pax: Mapping[str, str], pairs: list[str]) -> Segments:
    """Return the segments of a sparse file in the formats 0.0 (`pairs`, from repeated records) and 0.1 (a list).

    Raises `LayerError`.
    """
    listed = pax.get("GNU.sparse.map")
    return segments([decimal(text) for text in (listed.split(",") if listed else pairs)])


def old_segments(fields: bytes) -> Iterator[int]:
    """Yield positions and lengths in the old GNU format: 24 bytes for both. Raises `LayerError`."""
    for start in range(0, len(fields) - 23, 24):
        pair = fields[start : start + 24]
        if not pair[0]:  # the rest is unused
            return
        yield number(pair[:12])
        yield number(pair[12:])


def segments(numbers: list[int]) -> Segments:
    """Return the segments with these positions and lengths, in turn. Raises `LayerError`."""
    if len(numbers) % 2 or len(numbers) > 2 * _MOST_SEGMENTS:
        raise _bad_map()
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def check_segments(found: Segments, *, size: int, stored: int) -> None:
    """Raise `LayerError` unless the segments of a file of `size` bytes are in order, and have `stored` bytes."""
    end = 0
    for position, length in found:
        if position < end:
            raise _bad_map()
        end = position + length
    if end > size or size > LARGEST_SPARSE or sum(length for _, length in found) != stored:
        raise _bad_map()


def _bad_map() -> LayerError:
    return LayerError("has a sparse file with a map that is not valid")
