"""Programs that no machine runs, with the ELF header and the strings by which a Python is recognised."""

from __future__ import annotations

import struct


def program(
    *texts: bytes,
    machine: int = 62,
    loader: bytes = b"/lib64/ld-linux-x86-64.so.2",
    order: str = "<",
    is_64: bool = True,
) -> bytes:
    """A program: an ELF header, the path of its loader if it has one, and the strings `texts` in it."""
    ident = b"\x7fELF" + bytes([1 + is_64, 1 if order == "<" else 2, 1]) + bytes(9)
    count, length = int(bool(loader)), len(loader) + 1
    if is_64:
        head = struct.pack(f"{order}HHIQQQIHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, count)
        segment = struct.pack(f"{order}IIQQQQQQ", 3, 4, 200, 0, 0, length, length, 1)
    else:
        head = struct.pack(f"{order}HHIIIIIHHH", 2, machine, 1, 0, 64, 0, 0, 52, 32, count)
        segment = struct.pack(f"{order}IIIIIIII", 3, 200, 0, 0, length, length, 4, 1)
    content = ((ident + head).ljust(64, b"\0") + segment).ljust(200, b"\0")
    return content + loader + b"\0" + b"\0".join(texts) + b"\0"
