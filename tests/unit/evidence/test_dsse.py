from __future__ import annotations

import base64
import json

import pytest
from msgspec import json as msgspec_json
from securesystemslib.dsse import Envelope as OtherEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner

from nox_pex.evidence import dsse
from nox_pex.evidence.kinds import PAYLOAD_TYPE
from tests.support.signing_keys import ED25519, OTHER, P256, PrivateKey, loaded


@pytest.fixture(params=[ED25519, P256], ids=["Ed25519", "P-256"])
def key(request: pytest.FixtureRequest) -> PrivateKey:
    found: PrivateKey = request.param
    return found


@pytest.mark.parametrize(
    ("payload_type", "payload", "expected"),
    [
        ("http://example.com/HelloWorld", b"hello world", b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"),
        ("", b"", b"DSSEv1 0  0 "),
        ("\xfc", b"\xff\0\n", b"DSSEv1 2 \xc3\xbc 3 \xff\0\n"),
    ],
)
def test_the_signed_bytes_are_those_of_the_specification(payload_type: str, payload: bytes, expected: bytes) -> None:
    assert dsse.pae(payload_type, payload) == expected


@pytest.mark.parametrize("payload", [b"{}", b"\xfb\xff\xfe" * 5, "\xfcber".encode()])
def test_securesystemslib_verifies_what_nox_pex_signs(key: PrivateKey, payload: bytes) -> None:
    document = msgspec_json.encode(dsse.sign(payload, loaded(key)))

    envelope = OtherEnvelope.from_dict(json.loads(document))

    signer = CryptoSigner(key)
    assert envelope.payload == payload
    assert set(envelope.verify([signer.public_key], 1)) == {loaded(key).keyid}
    with pytest.raises(VerificationError):
        envelope.verify([CryptoSigner(OTHER).public_key], 1)


def test_nox_pex_verifies_what_securesystemslib_signs(key: PrivateKey) -> None:
    envelope = OtherEnvelope(b"payload", PAYLOAD_TYPE, {})
    envelope.sign(CryptoSigner(key))
    signatures = [each["sig"] for each in envelope.to_dict()["signatures"]]
    ours, other = loaded(key).public, loaded(OTHER).public

    assert dsse.signer([other, ours], signatures, PAYLOAD_TYPE, b"payload") == ours
    assert dsse.signer([other], signatures, PAYLOAD_TYPE, b"payload") is None
    assert dsse.signer([ours], signatures, "another type", b"payload") is None
    assert dsse.signer([ours], signatures, PAYLOAD_TYPE, b"Payload") is None
    assert dsse.signer([], signatures, PAYLOAD_TYPE, b"payload") is None
    assert dsse.signer([ours], [], PAYLOAD_TYPE, b"payload") is None


def test_one_good_signature_is_enough() -> None:
    good = dsse.sign(b"payload", loaded(ED25519)).signatures[0].sig

    assert dsse.signer([loaded(ED25519).public], ["", "!", "AAAA", good], PAYLOAD_TYPE, b"payload") is not None


def test_ed25519_gives_the_same_bytes_twice() -> None:
    assert dsse.sign(b"payload", loaded(ED25519)) == dsse.sign(b"payload", loaded(ED25519))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 64, 1000])
def test_every_form_of_base64_is_read(size: int) -> None:
    data = bytes(range(246, 256)) * 100
    data = data[:size]
    url = base64.urlsafe_b64encode(data).decode("ascii")

    for text in (base64.standard_b64encode(data).decode("ascii"), url, url.rstrip("=")):
        assert dsse.decode(text) == data


@pytest.mark.parametrize(
    "text",
    [
        *("A", "AA=", "AAAAA", "A===", "AA===", "AA==AA==", "=", "====", "AAAA====", "AA\n==", " AAAA", "AAAA\n"),
        *("AB==", "AAB=", "_-B=", "AB", "AAB", "+_AA", "/-AA", "AA.A", "\xe4AAA", "A\0AA", "\ud800AAA"),
    ],
    ids=ascii,
)
def test_every_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        dsse.decode(text)


def test_no_change_of_one_character_leaves_the_bytes_as_they_are() -> None:
    text = base64.standard_b64encode(bytes(64)).decode("ascii")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_= \n"

    for at in range(len(text)):
        for character in alphabet.replace(text[at], ""):
            try:
                found = dsse.decode(text[:at] + character + text[at + 1 :])
            except ValueError:
                continue
            assert found != bytes(64)
