"""Keys for tests, made once: those that nox-pex takes, and those of all other kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from nox_pex.evidence.keys import SigningKey, signing_key

PrivateKey = ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

ED25519: Final = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER: Final = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
P256: Final = ec.derive_private_key(2**200 + 7, ec.SECP256R1())


def private_pem(
    key: PrivateKey,
    passphrase: str = "",
    *,
    form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
) -> str:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode("utf-8"))
    return key.private_bytes(serialization.Encoding.PEM, form, encryption).decode("ascii")


def public_pem(key: PrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode("ascii")


def loaded(key: PrivateKey) -> SigningKey:
    return signing_key(private_pem(key), None, relative_to=Path.cwd())
