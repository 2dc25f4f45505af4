"""Remove the paths of this machine, and credentials, from a distribution's METADATA.

A build backend copies a dependency on a path or a URL from `pyproject.toml` into METADATA: the path as an absolute one
(`Requires-Dist: shelf @ file:///home/…`), the URL with its password. A binary does not need them, because all of its
distributions are in it.
Fact sources: the core metadata specification (Requires-Dist), PEP 508, the specification of RECORD.
"""

from __future__ import annotations

import re
from typing import Final

from nox_pex.system.secrets import public_url

_REQUIREMENT: Final = re.compile(r"(?P<head>Requires-Dist: *(?P<name>[^@;]*?)) *@ *(?P<url>[^\s;]+)(?P<rest>.*)")


def cleaned(text: str) -> str:
    """Return the text of a METADATA file without local paths and credentials in its requirements."""
    header, blank, body = text.partition("\n\n")
    return "\n".join(map(_cleaned_line, header.split("\n"))) + blank + body


def _cleaned_line(line: str) -> str:
    match = _REQUIREMENT.fullmatch(line)
    if match is None:
        return line
    url = "" if match["url"].startswith("file:") else f" @ {public_url(match['url'])}"
    return f"{match['head']}{url}{match['rest']}"
