"""RECORD files (PEP 376, PEP 427): their rows, their digests, their text."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_CHUNK: Final = 1 << 20
"""Bytes that are read at a time."""


_SHELL_LAUNCHER: Final = b"#!/bin/sh\n'''exec' "
"""The beginning of a script that starts its interpreter by a shell, in three lines (`installer`, distlib).

Installers write it if the interpreter's path has a space, or is too long for a shebang.
"""


def record_rows(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the rows of a RECORD: path relative to site-packages, `algorithm=digest` or empty, size or empty.

    Raises `ValueError` if it is not CSV, or has a field of more than 128 KiB.
    """
    try:
        for row in csv.reader(text.splitlines()):
            if row:
                path, digest, size = (*row, "", "")[:3]
                yield path, digest, size
    except csv.Error as error:
        msg = f"not a RECORD: {error}"
        raise ValueError(msg) from error


def body_digest(content: bytes) -> bytes:
    """Return the SHA-256 of a script without the lines at its beginning that name an interpreter."""
    if content.startswith(_SHELL_LAUNCHER):
        return hashlib.sha256(content.split(b"\n", 3)[-1]).digest()
    first, newline, rest = content.partition(b"\n")
    return hashlib.sha256(rest if first.startswith(b"#!") else first + newline + rest).digest()


def record_digest(algorithm: str, path: Path) -> str:
    """Return the digest of a file as RECORD writes it; `algorithm` is a name that `hashlib.new` knows."""
    hasher = hashlib.new(algorithm)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
    return encode_digest(hasher.digest())


def encode_digest(digest: bytes) -> str:
    """Return a digest as RECORD writes it: urlsafe base64 without padding."""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def record_with(record: str, *, path: str, content: bytes) -> str:
    """Return the text of the RECORD `record`, with the digest and the size of `content` in the row of `path`."""
    new = (path, f"sha256={encode_digest(hashlib.sha256(content).digest())}", str(len(content)))
    return record_text(new if row[0] == path else row for row in record_rows(record))


def record_text(rows: Iterable[tuple[str, str, str]]) -> str:
    """Return the text of a RECORD with `rows`."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
