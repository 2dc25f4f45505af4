"""Decode the content codings of a body (RFC 9110, section 8.4) in bounded memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

_WINDOW_BITS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""The content codings that can be decoded, and the `wbits` of zlib for each."""


_MOST_CODINGS: Final = 10
"""The number of content codings that are decoded. Each one is a level of nested generators, and servers use one."""


class UndecodableError(Exception):
    """The body does not match its Content-Encoding."""


class TooLargeError(Exception):
    """The body is larger than the limit."""


def decode(parts: Iterator[bytes], encoding: str, limit: int) -> Iterator[bytes]:
    """Decode the content codings of a Content-Encoding, the last one first. No stage decodes much more than `limit`.

    `limit` is in bytes. Raises `UndecodableError`, `TooLargeError`.
    """
    codings = [name for each in encoding.split(",") if (name := each.strip().lower()) not in {"", "identity"}]
    if len(codings) > _MOST_CODINGS:
        msg = f"the Content-Encoding of the body lists {len(codings)} codings, more than {_MOST_CODINGS}"
        raise UndecodableError(msg)
    for coding in reversed(codings):
        parts = _decompress(parts, coding, limit)
    return parts


def _decompress(parts: Iterator[bytes], coding: str, limit: int) -> Iterator[bytes]:
    if coding not in _WINDOW_BITS:
        msg = f"the body has the unsupported Content-Encoding {coding[:40]!r}"
        raise UndecodableError(msg)
    decoder = zlib.decompressobj(_WINDOW_BITS[coding])
    started = False
    total = 0
    for part in parts:
        started, pending = True, part
        while pending:
            try:
                piece = decoder.decompress(pending, 65536)
            except zlib.error as error:
                msg = f"the body is not {coding}, as its Content-Encoding says: {error}"
                raise UndecodableError(msg) from None
            yield piece
            total += len(piece)
            if total > limit:
                raise TooLargeError
            pending = decoder.unconsumed_tail
    if started and not decoder.eof:
        msg = f"the body's {coding} data is truncated"
        raise UndecodableError(msg)
