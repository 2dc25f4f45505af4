"""The header of a program: which processor it is for, and which loader starts it.

Fact sources: elf(5); the System V ABI for the numbers of machines.
"""

from __future__ import annotations

import struct
from typing import Final

from msgspec import Struct

_MAGIC: Final = b"\x7fELF"


_MACHINES: Final = {
    (3, "<"): "i686",
    (21, "<"): "ppc64le",
    (21, ">"): "ppc64",
    (22, ">"): "s390x",
    (40, "<"): "armv7l",
    (62, "<"): "x86_64",
    (183, "<"): "aarch64",
    (243, "<"): "riscv64",
    (258, "<"): "loongarch64",
}
"""The kernel's names of machines, by the number in the header and the order of bytes."""


_PT_INTERP: Final = 3


_MOST_SEGMENTS: Final = 128


_LONGEST: Final = 4096
"""Bytes of the path of a loader."""


class Program(Struct, frozen=True, kw_only=True):
    """A program: the kernel's name of its machine, and the path of its loader, empty if it needs none."""

    machine: str
    loader: str


def read(data: bytes) -> Program | None:
    """Return what the header of a program says; None if `data` is no program for Linux that nox-pex knows."""
    if data[:4] != _MAGIC or len(data) < _HEADER or data[4] not in (1, 2) or data[5] not in (1, 2):
        return None
    is_64, order = data[4] == 2, "<" if data[5] == 1 else ">"  # noqa: PLR2004  # ELFCLASS64
    machine = _MACHINES.get((struct.unpack_from(f"{order}H", data, 18)[0], order))
    if machine is None:
        return None
    try:
        return Program(machine=machine, loader=_loader(data, order, is_64=is_64))
    except (struct.error, OverflowError, UnicodeDecodeError):
        return None


_HEADER: Final = 64


def _loader(data: bytes, order: str, *, is_64: bool) -> str:
    """Return the path of the loader.

    Raises `struct.error`, `OverflowError` and `UnicodeDecodeError` if the headers are damaged.
    """
    if is_64:
        (start,), (size, count) = struct.unpack_from(f"{order}Q", data, 32), struct.unpack_from(f"{order}HH", data, 54)
        form, fields = f"{order}IIQQQQ", (2, 5)  # type, flags, offset, two addresses, size
    else:
        (start,), (size, count) = struct.unpack_from(f"{order}I", data, 28), struct.unpack_from(f"{order}HH", data, 42)
        form, fields = f"{order}IIIII", (1, 4)  # type, offset, two addresses, size
    for number in range(min(count, _MOST_SEGMENTS)):
        segment = struct.unpack_from(form, data, start + number * size)
        if segment[0] == _PT_INTERP:
            offset, length = (segment[field] for field in fields)
            return data[offset : offset + min(length, _LONGEST)].partition(b"\0")[0].decode("ascii")
    return ""
