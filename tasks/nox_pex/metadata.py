"""A distribution's METADATA without a trace of this machine.

A build backend writes a dependency on a path or an address into it as it stands in `pyproject.toml`, made absolute
(`Requires-Dist: shelf @ file:///home/…`), or with the password that it has there. Everything that a binary needs is in
it and pinned, so nobody looks there for it.
Fact sources: the core metadata specification (Requires-Dist), PEP 508, the specification of RECORD.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable
from typing import Final

from nox_pex.environment import encoded, record_rows
from nox_pex.secrets import public_url

_REQUIREMENT: Final = re.compile(r"(?P<head>Requires-Dist: *(?P<name>[^@;]*?)) *@ *(?P<url>[^\s;]+)(?P<rest>.*)")


def cleaned(text: str) -> str:
    """The text of a METADATA file without paths of this machine and without credentials in its requirements."""
    header, blank, body = text.partition("\n\n")
    return "\n".join(map(_cleaned_line, header.split("\n"))) + blank + body


def record_with(record: str, *, path: str, content: bytes) -> str:
    """The text of a RECORD in which the row of `path` is that of `content`."""
    new = (path, f"sha256={encoded(hashlib.sha256(content).digest())}", str(len(content)))
    return record_text(new if row[0] == path else row for row in record_rows(record))


def record_text(rows: Iterable[tuple[str, str, str]]) -> str:
    """The text of a RECORD with `rows`."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _cleaned_line(line: str) -> str:
    match = _REQUIREMENT.fullmatch(line)
    if match is None:
        return line
    url = "" if match["url"].startswith("file:") else f" @ {public_url(match['url'])}"
    return f"{match['head']}{url}{match['rest']}"
