from __future__ import annotations

import json

from msgspec import json as msgspec_json

from nox_pex.evidence import dsse, sigstore_bundle
from tests.support.signing_keys import ED25519, loaded


def test_the_bundle_has_the_envelope_and_names_the_key() -> None:
    envelope = dsse.sign(b"{}", loaded(ED25519))

    found = json.loads(msgspec_json.encode(sigstore_bundle.bundle(envelope)))

    assert found == {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": loaded(ED25519).keyid}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": "e30=",
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"keyid": loaded(ED25519).keyid, "sig": envelope.signatures[0].sig}],
        },
    }
