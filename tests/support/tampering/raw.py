"""Changes of bytes, without any idea of what they mean."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from random import Random
from typing import Final

Change = Callable[[bytes, Random], bytes]

_EDGES: Final = (0, 1, 0x7F, 0x80, 0xFF)


def _place(data: bytes, chosen: Random) -> int:
    """A place in `data`: anywhere, or in the first or last kilobytes, where the structure of an archive is."""
    end = len(data)
    first, last = chosen.choice([(0, end), (0, min(end, 4096)), (max(0, end - 30_000), end), (max(0, end - 64), end)])
    return chosen.randrange(first, last) if last > first else 0


def _flip_bit(data: bytes, chosen: Random) -> bytes:
    at = _place(data, chosen)
    return data[:at] + bytes([data[at] ^ 1 << chosen.randrange(8)]) + data[at + 1 :]


def _set_byte(data: bytes, chosen: Random) -> bytes:
    at = _place(data, chosen)
    return data[:at] + bytes([chosen.choice(_EDGES)]) + data[at + 1 :]


def _set_word(data: bytes, chosen: Random) -> bytes:
    at, size = _place(data, chosen), chosen.choice([2, 4, 8])
    word = chosen.choice([b"\0" * 8, b"\xff" * 8, b"\x01" + b"\0" * 7, len(data).to_bytes(8, "little")])
    return data[:at] + word[:size] + data[at + size :]


def _flip_many(data: bytes, chosen: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chosen.choice([2, 16, 256])):
        changed[_place(data, chosen)] ^= 1 << chosen.randrange(8)
    return bytes(changed)


def _insert(data: bytes, chosen: Random) -> bytes:
    at = _place(data, chosen)
    return data[:at] + chosen.randbytes(chosen.choice([1, 2, 30, 5000])) + data[at:]


def _delete(data: bytes, chosen: Random) -> bytes:
    at = _place(data, chosen)
    return data[:at] + data[at + chosen.choice([1, 2, 30, 5000]) :]


def _duplicate(data: bytes, chosen: Random) -> bytes:
    at, size = _place(data, chosen), chosen.choice([1, 46, 4096])
    return data[: at + size] + data[at : at + size] + data[at + size :]


def _swap_blocks(data: bytes, chosen: Random) -> bytes:
    size = chosen.choice([1, 64, 4096])
    a, b = sorted((_place(data, chosen), _place(data, chosen)))
    if b < a + size:
        return data
    return data[:a] + data[b : b + size] + data[a + size : b] + data[a : a + size] + data[b + size :]


def _truncate(data: bytes, chosen: Random) -> bytes:
    return data[: _place(data, chosen)]


def _fill_with_zeros(data: bytes, chosen: Random) -> bytes:
    at, size = _place(data, chosen), chosen.choice([4, 64, 100_000])
    return data[:at] + b"\0" * len(data[at : at + size]) + data[at + size :]


def _prepend(data: bytes, chosen: Random) -> bytes:
    return chosen.choice([b"\0", b"#!/bin/sh\nexit 0\n", b"PK\3\4", chosen.randbytes(70_000)]) + data


def _append(data: bytes, chosen: Random) -> bytes:
    return data + chosen.choice([b"\n", b"\0" * 22, b"PK\5\6", chosen.randbytes(70_000)])


def _append_empty_archive(data: bytes, _: Random) -> bytes:
    return data + b"PK\5\6" + b"\0" * 18


def _append_archive(data: bytes, chosen: Random) -> bytes:
    return data + _other_archive(chosen)


def _prepend_archive(data: bytes, chosen: Random) -> bytes:
    return _other_archive(chosen) + data


def _other_archive(chosen: Random) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(chosen.choice(["__main__.py", "PEX-INFO", "x.py", ".deps/x/y"]), b"print('another one')\n")
    return stream.getvalue()


def _of_something(change: Change) -> Change:
    """Leave the empty content as it is, which has no place to change."""
    return lambda data, chosen: change(data, chosen) if data else data


CHANGES: Final[dict[str, Change]] = {
    "flip-bit": _of_something(_flip_bit),
    "set-byte": _of_something(_set_byte),
    "set-word": _set_word,
    "flip-many": _of_something(_flip_many),
    "insert": _insert,
    "delete": _delete,
    "duplicate": _duplicate,
    "swap-blocks": _swap_blocks,
    "truncate": _truncate,
    "zeros": _fill_with_zeros,
    "prepend": _prepend,
    "append": _append,
    "append-empty-archive": _append_empty_archive,
    "append-archive": _append_archive,
    "prepend-archive": _prepend_archive,
}
