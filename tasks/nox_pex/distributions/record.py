"""RECORD files (PEP 376, PEP 427): read, compared and written."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_CHUNK: Final = 1 << 20


_AROUND: Final = b"#!/bin/sh\n'''exec' "
"""How a script begins whose interpreter has a path that no kernel reads: three lines long (`installer`, distlib)."""


def record_rows(text: str) -> Iterator[tuple[str, str, str]]:
    """The rows of a RECORD: path relative to site-packages, `algorithm=digest` or empty, size or empty."""
    for row in csv.reader(text.splitlines()):
        if row:
            path, digest, size = (*row, "", "")[:3]
            yield path, digest, size


def body_digest(content: bytes) -> bytes:
    """A digest of a script without its beginning where that names an interpreter."""
    if content.startswith(_AROUND):
        return hashlib.sha256(content.split(b"\n", 3)[-1]).digest()
    first, newline, rest = content.partition(b"\n")
    return hashlib.sha256(rest if first.startswith(b"#!") else first + newline + rest).digest()


def record_digest(algorithm: str, path: Path) -> str:
    """The digest of a file in the form that a RECORD has it: urlsafe base64 without padding."""
    hasher = hashlib.new(algorithm)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
    return encode_digest(hasher.digest())


def encode_digest(digest: bytes) -> str:
    """A digest as a RECORD has it."""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def record_with(record: str, *, path: str, content: bytes) -> str:
    """The text of a RECORD in which the row of `path` is that of `content`."""
    new = (path, f"sha256={encode_digest(hashlib.sha256(content).digest())}", str(len(content)))
    return record_text(new if row[0] == path else row for row in record_rows(record))


def record_text(rows: Iterable[tuple[str, str, str]]) -> str:
    """The text of a RECORD with `rows`."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
