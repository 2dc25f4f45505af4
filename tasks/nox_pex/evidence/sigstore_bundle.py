"""Sigstore bundles v0.3 of envelopes that a key has signed, without a certificate and without a transparency log.

Fact sources: `sigstore_bundle.proto` and `sigstore_common.proto` of sigstore's protobuf-specs; `validate.ts` of npm's
`@sigstore/bundle`.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from nox_pex.evidence.dsse import Envelope

MEDIA_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"


class _PublicKey(Struct, frozen=True, kw_only=True):
    """The name of the key, which the verifier must have."""

    hint: str


class _Material(Struct, frozen=True, kw_only=True, rename="camel"):
    public_key: _PublicKey
    tlog_entries: tuple[()] = ()


class SigstoreBundle(Struct, frozen=True, kw_only=True, rename="camel"):
    """An envelope with one signature, and what a verifier needs for it."""

    media_type: str
    verification_material: _Material
    dsse_envelope: Envelope


def bundle(envelope: Envelope) -> SigstoreBundle:
    """Return the bundle of an envelope with one signature. The hint is its `keyid`."""
    (signature,) = envelope.signatures
    material = _Material(public_key=_PublicKey(hint=signature.keyid))
    return SigstoreBundle(media_type=MEDIA_TYPE, verification_material=material, dsse_envelope=envelope)
