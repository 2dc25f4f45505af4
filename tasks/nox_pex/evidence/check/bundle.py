"""The lines of a file with signed statements. Anybody may have written it, so each of its sizes has a limit.

Fact sources: the in-toto attestation framework, "Bundle layer" v1 (JSON lines) and "Envelope layer" v1; DSSE v1.0,
`envelope.md`, "Parsing rules"; `sigstore_bundle.proto` of sigstore's protobuf-specs.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, ValidationError
from msgspec.json import Decoder

from nox_pex.evidence import dsse
from nox_pex.evidence.keys import VerifyingKey
from nox_pex.evidence.kinds import PAYLOAD_TYPE, Kind

LARGEST: Final = 64 << 20
"""Bytes of a bundle."""


MOST_LINES: Final = 1_000


_MOST_SIGNATURES: Final = 32
"""Signatures of an envelope. Each is compared with each key, and all bytes of the payload are hashed for it."""


_LARGEST_REST: Final = 1 << 20
"""Bytes of a line without its payload: signatures, certificates, entries of a transparency log."""


_PIECE: Final = 1 << 20
"""Bytes that are decoded at a time."""


class SignedLine(Struct, frozen=True, kw_only=True):
    """A line with a payload that `key` has signed. `text` is the whole line."""

    number: int
    text: bytes
    payload: bytes
    key: VerifyingKey


class IgnoredLine(Struct, frozen=True, kw_only=True):
    """A line that proves nothing, and the reason. `unsigned` says that no given key has signed it.

    `kind` is that of a statement about another file, which a given key has signed.
    """

    number: int
    reason: str
    unsigned: bool = False
    kind: Kind | None = None


class RefusedError(ValueError):
    """A file with statements is refused as a whole. The text says why."""


class _Signature(Struct, frozen=True):
    sig: str


class _Envelope(Struct, frozen=True, rename="camel"):
    payload: str
    payload_type: str
    signatures: Raw


class _SigstoreBundle(Struct, frozen=True, rename="camel"):
    dsse_envelope: Raw | UnsetType = UNSET


_ENVELOPE: Final = Decoder(_Envelope)


_SIGSTORE_BUNDLE: Final = Decoder(_SigstoreBundle)


_SIGNATURES: Final = Decoder(Annotated[list[_Signature], Meta(max_length=_MOST_SIGNATURES)])


def split(data: bytes) -> list[tuple[int, bytes]]:
    """Return the number of each line that is not blank, from 1, and its text.

    Raises `RefusedError` if the file has more than 64 MiB, more than 1,000 lines, or bytes that are not UTF-8.
    """
    if len(data) > LARGEST:
        msg = f"it has more than {LARGEST >> 20} MiB"
        raise RefusedError(msg)
    if data.count(b"\n") + (not data.endswith(b"\n")) > MOST_LINES:
        msg = f"it has more than {MOST_LINES:,} lines"
        raise RefusedError(msg)
    if not is_utf_8(data):
        msg = "it is not UTF-8"
        raise RefusedError(msg)
    return [(number, line) for number, line in enumerate(data.split(b"\n"), 1) if line and not line.isspace()]


def read_line(number: int, text: bytes, keys: Sequence[VerifyingKey]) -> SignedLine | IgnoredLine:
    """Return the payload of a line that is an envelope, or a Sigstore bundle with one, if one of `keys` has signed it.

    The payload is not parsed. A certificate, a hint and a `keyid` mean nothing.
    """
    try:
        found = _read(text, keys)
    except RefusedError as error:
        return IgnoredLine(number=number, reason=str(error))
    if found is None:
        return IgnoredLine(number=number, reason="no given key has signed it", unsigned=True)
    payload, key = found
    return SignedLine(number=number, text=text, payload=payload, key=key)


def _read(text: bytes, keys: Sequence[VerifyingKey]) -> tuple[bytes, VerifyingKey] | None:
    """Return the payload and the key that has signed it; None if none has. Raise `RefusedError` for another reason."""
    envelope = _envelope(text)
    if envelope.payload_type != PAYLOAD_TYPE:
        msg = f"its payload type is not {PAYLOAD_TYPE}"
        raise RefusedError(msg)
    if len(text) - len(envelope.payload) > _LARGEST_REST:
        msg = f"it has more than {_LARGEST_REST >> 20} MiB around its payload"
        raise RefusedError(msg)
    signatures = _signatures(envelope.signatures)
    try:
        payload = dsse.decode(envelope.payload)
    except ValueError:
        return None
    key = dsse.signer(keys, signatures, envelope.payload_type, payload)
    return None if key is None else (payload, key)


def _envelope(text: bytes) -> _Envelope:
    try:
        inner = _SIGSTORE_BUNDLE.decode(text).dsse_envelope
        return _ENVELOPE.decode(text if isinstance(inner, UnsetType) else inner)
    except ValidationError as error:
        msg = "it is not an envelope"
        raise RefusedError(msg) from error
    except (ValueError, RecursionError) as error:
        msg = "it is not JSON"
        raise RefusedError(msg) from error


def _signatures(text: Raw) -> list[str]:
    try:
        found = _SIGNATURES.decode(text)
    except ValidationError as error:
        too_many = "length" in str(error)
        msg = f"it has more than {_MOST_SIGNATURES} signatures" if too_many else "it is not an envelope"
        raise RefusedError(msg) from error
    except (ValueError, RecursionError) as error:
        msg = "it is not JSON"
        raise RefusedError(msg) from error
    return [each.sig for each in found]


def is_utf_8(data: bytes) -> bool:
    """Whether `data` is UTF-8. Its text is not kept: a text can need four times as much memory as its bytes."""
    decoder, view = codecs.getincrementaldecoder("utf-8")(), memoryview(data)
    try:
        for start in range(0, len(data), _PIECE):
            decoder.decode(view[start : start + _PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
