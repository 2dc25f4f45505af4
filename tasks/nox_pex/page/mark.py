"""The first line of a page: that nox-pex wrote it, and a digest of everything that it shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from nox_pex.system import files
from nox_pex.system.lazy import pattern

Kind = Literal["report", "index"]


class Mark(Struct, frozen=True, kw_only=True):
    """The content of the first line: the kind of the page, and the SHA-256 of what it was made from."""

    kind: Kind
    digest: str


_DOCTYPE: Final = "<!doctype html>"


_LINE: Final = pattern(rf"{_DOCTYPE}<!-- nox-pex (report|index) ([0-9a-f]{{64}}) -->\n?")


_LONGEST: Final = 200
"""Bytes of a first line."""


def marked(page: str, mark: Mark) -> str:
    """Return a page, which begins with a doctype, with its mark. A comment is allowed there, and nobody sees it."""
    rest = re.sub(rf"\A\s*{_DOCTYPE}\n?", "", page, flags=re.IGNORECASE)
    return f"{_DOCTYPE}<!-- nox-pex {mark.kind} {mark.digest} -->\n{rest}"


def read(path: Path) -> Mark | None:
    """Return the mark of the page at `path`; None if there is none, or if nox-pex did not write it."""
    try:
        with files.open_regular(path) as file:
            line = file.read(_LONGEST).split(b"\n", 1)[0].decode("ascii")
    except (OSError, ValueError):
        return None
    match = _LINE.fullmatch(line)
    return None if match is None else Mark(kind="index" if match[1] == "index" else "report", digest=match[2])


def is_report(path: Path) -> bool:
    """Whether a file is the page of a binary."""
    found = read(path)
    return found is not None and found.kind == "report"


def is_index(path: Path) -> bool:
    """Whether a file is the index of several pages."""
    found = read(path)
    return found is not None and found.kind == "index"
