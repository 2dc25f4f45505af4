"""The statements in `dist` that are about one file, and who has signed them. Anybody may have written these files.

No signature is verified here: that needs the key of whoever built the file, and is the business of `nox-pex check`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, Struct, ValidationError
from msgspec.json import Decoder

from nox_pex.evidence import dsse, statement_reader
from nox_pex.evidence.check import bundle
from nox_pex.evidence.kinds import KINDS, PAYLOAD_TYPE, PREDICATE_TYPES, Kind
from nox_pex.page.model import Standing
from nox_pex.system import files


class Statements(Struct, frozen=True, kw_only=True):
    """Statements about a file. `kinds` are those about exactly this file; `note` says what else there is."""

    standing: Standing
    kinds: tuple[Kind, ...] = ()
    note: str = ""


class Signed(Struct, frozen=True, kw_only=True):
    """Signed statements about a file, not verified: the `keyids` under which each kind claims to be signed."""

    standing: Standing
    keyids: Mapping[Kind, tuple[str, ...]] = {}
    note: str = ""


class _Signature(Struct, frozen=True):
    keyid: Annotated[str, Meta(max_length=200)] = ""


class _Envelope(Struct, frozen=True, rename="camel"):
    payload: str
    payload_type: str
    signatures: Annotated[tuple[_Signature, ...], Meta(max_length=32)]


_ENVELOPE: Final = Decoder(_Envelope)


_KINDS: Final[Mapping[str, Kind]] = {PREDICATE_TYPES[kind]: kind for kind in KINDS}


def read(directory: Path, *, sha256: str) -> Statements:
    """Return what is in `dist/NAME.attestations` about the file with this SHA-256."""
    found: dict[Kind, Standing] = {kind: _standing(directory, kind, sha256) for kind in KINDS}
    kinds = tuple(kind for kind, standing in found.items() if standing == "current")
    odd = {standing for standing in found.values() if standing in ("unreadable", "other-file")}
    if kinds:
        return Statements(standing="current", kinds=kinds, note=_note(odd))
    standing: Standing = "unreadable" if "unreadable" in odd else "other-file" if odd else "not-run"
    return Statements(standing=standing, note=_note(odd))


def _note(odd: Collection[Standing]) -> str:
    parts = {"unreadable": "cannot be read", "other-file": "are about another file"}
    return f"some {' and some '.join(text for each, text in parts.items() if each in odd)}" if odd else ""


def _standing(directory: Path, kind: Kind, sha256: str) -> Standing:
    try:
        found = statement_reader.read(files.read_bytes(directory / f"{kind}.statement.json"))
    except (FileNotFoundError, NotADirectoryError):
        return "not-run"
    except (OSError, ValueError):
        return "unreadable"
    if found.predicate_type != PREDICATE_TYPES[kind]:
        return "unreadable"
    return "current" if sha256 in found.sha256s else "other-file"


def read_signed(path: Path, *, sha256: str) -> Signed:
    """Return what is in `NAME.pex.intoto.jsonl` about the file with this SHA-256."""
    try:
        lines = files.read_bytes(path).splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return Signed(standing="not-run")
    except OSError as error:
        return Signed(standing="unreadable", note=f"it cannot be read: {error.strerror}")
    if len(lines) > bundle.MOST_LINES:
        return Signed(standing="unreadable", note=f"it has more than {bundle.MOST_LINES} lines")
    keyids: dict[Kind, list[str]] = {}
    others = 0
    for line in lines:
        about = list(_about(line, sha256))
        others += not about
        for kind, keyid in about:
            keyids.setdefault(kind, []).append(keyid)
    if not keyids:
        return Signed(standing="other-file" if lines else "not-run", note="no line in it is about this file")
    by_kind = {kind: tuple(dict.fromkeys(keyids[kind])) for kind in KINDS if kind in keyids}
    note = f"{others} of its {len(lines)} lines are not about this file" if others else ""
    return Signed(standing="current", keyids=by_kind, note=note)


def _about(line: bytes, sha256: str) -> Iterator[tuple[Kind, str]]:
    """Yield the kind of the statement in a line, with each id of a key; nothing if it is not about this file."""
    try:
        envelope = _ENVELOPE.decode(line)
        found = statement_reader.read(dsse.decode(envelope.payload))
    except (ValueError, ValidationError, RecursionError):
        return
    kind = _KINDS.get(found.predicate_type)
    if envelope.payload_type == PAYLOAD_TYPE and kind is not None and sha256 in found.sha256s:
        yield from ((kind, signature.keyid) for signature in envelope.signatures)
