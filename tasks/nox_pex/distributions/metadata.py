"""A distribution's METADATA without a trace of this machine.

A build backend writes a dependency on a path or an address into it as it stands in `pyproject.toml`, made absolute
(`Requires-Dist: shelf @ file:///home/…`), or with the password that it has there. Everything that a binary needs is in
it and pinned, so nobody looks there for it.
Fact sources: the core metadata specification (Requires-Dist), PEP 508, the specification of RECORD.
"""

from __future__ import annotations

import re
from typing import Final

from nox_pex.system.secrets import public_url

_REQUIREMENT: Final = re.compile(r"(?P<head>Requires-Dist: *(?P<name>[^@;]*?)) *@ *(?P<url>[^\s;]+)(?P<rest>.*)")


def cleaned(text: str) -> str:
    """The text of a METADATA file without paths of this machine and without credentials in its requirements."""
    header, blank, body = text.partition("\n\n")
    return "\n".join(map(_cleaned_line, header.split("\n"))) + blank + body


def _cleaned_line(line: str) -> str:
    match = _REQUIREMENT.fullmatch(line)
    if match is None:
        return line
    url = "" if match["url"].startswith("file:") else f" @ {public_url(match['url'])}"
    return f"{match['head']}{url}{match['rest']}"
