"""Envelopes: a payload with signatures of its bytes (DSSE v1.0: `protocol.md`, `envelope.md`)."""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from nox_pex.evidence.keys import SigningKey, VerifyingKey
from nox_pex.evidence.kinds import PAYLOAD_TYPE

_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")
"""The last two characters of base64 for URLs, and of standard base64 (RFC 4648, sections 5 and 4)."""


class Signature(Struct, frozen=True, kw_only=True):
    """A signature in base64. `keyid` says which key may have made it, and proves nothing."""

    keyid: str
    sig: str


class Envelope(Struct, frozen=True, kw_only=True, rename="camel"):
    """A payload in base64, its media type, and signatures of both."""

    payload: str
    payload_type: str
    signatures: tuple[Signature, ...]


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that a signature is made of (`PAE`). Lengths are in bytes."""
    encoded = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(encoded), encoded, len(payload), payload)


def sign(payload: bytes, key: SigningKey) -> Envelope:
    """Return an envelope of an in-toto statement, whose text is `payload`. Its base64 is the standard one, padded."""
    signature = key.sign(pae(PAYLOAD_TYPE, payload))
    return Envelope(
        payload=base64.standard_b64encode(payload).decode("ascii"),
        payload_type=PAYLOAD_TYPE,
        signatures=(Signature(keyid=key.keyid, sig=base64.standard_b64encode(signature).decode("ascii")),),
    )


def decode(text: str) -> bytes:
    """Return the bytes of a base64 text, standard or for URLs, with or without its padding.

    Raises `ValueError` for any other text. Unused bits at the end must be zero (RFC 4648, section 3.5), so that no
    change of a character goes unnoticed.
    """
    encoded = text.encode("ascii")  # `UnicodeEncodeError` is a `ValueError`
    if b"=" not in encoded:
        encoded += b"=" * (-len(encoded) % 4)
    url = b"-" in encoded or b"_" in encoded
    mixed = url and (b"+" in encoded or b"/" in encoded)
    if url:
        encoded = encoded.translate(_FROM_URL)
    found = binascii.a2b_base64(encoded, strict_mode=True)
    last = found[len(found) - (len(found) % 3 or 3) :] if found else b""
    if mixed or binascii.b2a_base64(last, newline=False) != encoded[-4:]:
        msg = "it is not base64"
        raise ValueError(msg)
    return found


def signer(
    keys: Sequence[VerifyingKey], signatures: Sequence[str], payload_type: str, payload: bytes
) -> VerifyingKey | None:
    """Return the first of `keys` that has made one of `signatures`, in base64, of a payload; None if none has."""
    data, decoded = pae(payload_type, payload), _decoded(signatures)
    return next((key for key in keys if any(key.verifies(signature, data) for signature in decoded)), None)


def _decoded(signatures: Sequence[str]) -> list[bytes]:
    """Return the bytes of the signatures that are base64."""
    found = []
    for signature in dict.fromkeys(signatures):
        with contextlib.suppress(ValueError):
            found.append(decode(signature))
    return found
