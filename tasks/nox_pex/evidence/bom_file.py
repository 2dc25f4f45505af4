"""The bill of materials in `dist/NAME.cdx.json`, as the predicate of a statement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.system import files


class _Hash(Struct, frozen=True, kw_only=True):
    alg: str
    content: str


class _Component(Struct, frozen=True, kw_only=True):
    hashes: tuple[_Hash, ...] = ()


class _Metadata(Struct, frozen=True, kw_only=True):
    component: _Component


class _Bom(Struct, frozen=True, kw_only=True, rename="camel"):
    bom_format: str
    metadata: _Metadata


def read(path: Path, *, sha256: str) -> dict[str, Any]:
    """Return the bill of materials in `path`, which anybody may have written, of the file with this SHA-256.

    Raises `NoxPexError` `not-proven` if there is none, or if it is about another file.
    """
    document, remedy = files.read_json(path), "run `nox -s sbom`, which writes it"
    try:
        bom = msgspec.convert(document, _Bom)
    except (msgspec.ValidationError, UnicodeError):
        raise NoxPexError("not-proven", f"{path} is not a bill of materials", remedy) from None
    about = {each.content.lower() for each in bom.metadata.component.hashes if each.alg == "SHA-256"}
    if bom.bom_format != "CycloneDX" or about != {sha256}:
        raise NoxPexError("not-proven", f"{path} is about another file", remedy)
    return document
