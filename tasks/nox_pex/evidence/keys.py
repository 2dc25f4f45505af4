"""Keys that sign statements, and keys that verify them: Ed25519, or ECDSA with the curve P-256, in PEM.

No failure shows the path, the passphrase or the content of a key, not even in a traceback: every error is raised
outside of the block that handles its cause, so that it has no other exception in its chain.

Fact sources: RFC 7468 (PEM), RFC 5958 (PKCS#8), RFC 8410 (Ed25519), RFC 5480 (ECDSA), the signature specification of
sigstore's protobuf-specs (ECDSA is DER over SHA-256), `SSlibKey.from_crypto` of securesystemslib 1.6 (`keyid`).
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from msgspec import Struct

from nox_pex.errors import Code, NoxPexError
from nox_pex.system import files
from nox_pex.system.lazy import lazy, pattern

if TYPE_CHECKING:
    from cryptography import exceptions
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
else:  # slow, and not needed without a key
    exceptions = lazy("cryptography.exceptions")
    hashes = lazy("cryptography.hazmat.primitives.hashes")
    serialization = lazy("cryptography.hazmat.primitives.serialization")
    ec = lazy("cryptography.hazmat.primitives.asymmetric.ec")
    ed25519 = lazy("cryptography.hazmat.primitives.asymmetric.ed25519")

_BEGIN: Final = "-----BEGIN"


_BLOCK: Final = pattern(r"-----BEGIN (?P<label>[A-Z0-9 ]{1,64})-----.{1,65536}?-----END (?P=label)-----", re.DOTALL)


_LARGEST: Final = 1 << 16
"""Bytes of a file with a key. A key of the two types has less than 1,000."""


_OTHER_LABELS: Final = {
    "PUBLIC KEY": "it is a public key",
    "PRIVATE KEY": "it is a private key",
    "ENCRYPTED PRIVATE KEY": "it is a private key",
    "CERTIFICATE": "it is a certificate",
    "CERTIFICATE REQUEST": "it is a certificate request",
    "RSA PRIVATE KEY": "it is an RSA key",
    "RSA PUBLIC KEY": "it is an RSA key",
    "DSA PRIVATE KEY": "it is a DSA key",
    "EC PRIVATE KEY": "it has the older form of OpenSSL (SEC1)",
    "OPENSSH PRIVATE KEY": "it has the form of OpenSSH",
    "ENCRYPTED COSIGN PRIVATE KEY": "it has the form of cosign",
    "ENCRYPTED SIGSTORE PRIVATE KEY": "it has the form of cosign",
}
"""Labels of PEM that are not those of the key that is needed, and what such a block is."""


_CONVERT: Final = "convert it with `openssl pkcs8 -topk8 -in OLD -out NEW`, or make one with"


_ENCRYPT: Final = "encrypt it again with `openssl pkcs8 -topk8 -in OLD -out NEW`"


_MAKE_PRIVATE: Final = "`openssl genpkey -algorithm ed25519 -out key.pem`"


_MAKE_PUBLIC: Final = "make it from the signing key with `openssl pkey -in key.pem -pubout -out key.pub`"


_Key = TypeVar("_Key")


class VerifyingKey(Struct, frozen=True, kw_only=True):
    """A public key. `keyid` names it, as securesystemslib computes it: a SHA-256 in hexadecimal."""

    keyid: str
    public: ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether the private key of this key has made `signature` of `data`."""
        try:
            if isinstance(self.public, ed25519.Ed25519PublicKey):
                self.public.verify(signature, data)
            else:
                self.public.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        except exceptions.InvalidSignature:
            return False
        return True


class SigningKey(Struct, frozen=True, kw_only=True):
    """A private key, and its public key."""

    private: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
    public: VerifyingKey

    @property
    def keyid(self) -> str:
        """The name of the key, which is that of its public key."""
        return self.public.keyid

    def sign(self, data: bytes) -> bytes:
        """Return the signature of `data`: 64 bytes (Ed25519), or DER (ECDSA), which differs each time."""
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(data)
        return self.private.sign(data, ec.ECDSA(hashes.SHA256()))


class _Unusable(Struct, frozen=True):
    """The reason why a key cannot be used, and what to do."""

    reason: str
    remedy: str


_PRIVATE_LABELS: Final = ("PRIVATE KEY", "ENCRYPTED PRIVATE KEY")


_NO_PASSPHRASE: Final = _Unusable("it is encrypted", "give its passphrase in NOX_PEX_SIGNING_PASSPHRASE")


def is_pem(value: str) -> bool:
    """Whether `value` is the text of a key, not the path of one."""
    return value.lstrip().startswith(_BEGIN)


def signing_key(value: str, passphrase: str | None, *, relative_to: Path) -> SigningKey:
    """Return the private key that `value` is, or is the path of: an unencrypted or encrypted PKCS#8 in PEM.

    `value` is PEM if it begins with `-----BEGIN`, otherwise a path, `relative_to` a directory. A `passphrase` that an
    unencrypted key does not need is ignored, as OpenSSL does. Raises `NoxPexError` `signing`, always with one line and
    without the path, the passphrase and the content.
    """
    pem = _pem(value, relative_to, _PRIVATE_LABELS)
    found = _private(pem, passphrase or None) if isinstance(pem, bytes) else pem
    return _refuse("signing", "the signing key", found) if isinstance(found, _Unusable) else found


def check_form(pem: str, passphrase: str | None) -> None:
    """Raise `NoxPexError` `signing` if the text of a key has another form than `signing_key` takes; it is not decoded.

    An encrypted one needs a passphrase, which is not tried.
    """
    found = _pem(pem, Path(), _PRIVATE_LABELS)
    if isinstance(found, bytes) and _is_encrypted(found) and not passphrase:
        found = _NO_PASSPHRASE
    if isinstance(found, _Unusable):
        _refuse("signing", "the signing key", found)


def verifying_key(value: str, *, relative_to: Path, name: str) -> VerifyingKey:
    """Return the public key that `value` is, or is the path of: a SubjectPublicKeyInfo in PEM.

    `value` is as in `signing_key`. `name` names it in an error, instead of its path: it may be that of a private key.
    Raises `NoxPexError` `usage`.
    """
    pem = _pem(value, relative_to, ("PUBLIC KEY",))
    found = _public_from(pem) if isinstance(pem, bytes) else pem
    return _refuse("usage", name, found) if isinstance(found, _Unusable) else found


def _refuse(code: Code, name: str, why: _Unusable) -> NoReturn:
    raise NoxPexError(code, f"{name} cannot be used: {why.reason}", why.remedy)


def _pem(value: str, relative_to: Path, labels: tuple[str, ...]) -> bytes | _Unusable:
    """Return the one block of PEM in `value`, or in the file that it names, if its label is one of `labels`."""
    text = value if is_pem(value) else _read(value, relative_to)
    if isinstance(text, _Unusable):
        return text
    text = text.replace("\\r", "").replace("\\n", "\n")  # as variables have them that were written as JSON
    found = list(_BLOCK.finditer(text))
    blocks = [block for block in found if not block["label"].endswith(" PARAMETERS")] or found
    private = "PRIVATE KEY" in labels
    remedy = f"make one with {_MAKE_PRIVATE}" if private else _MAKE_PUBLIC
    if not blocks:
        return _Unusable("it is not a key in PEM", remedy)
    if len(blocks) > 1:
        return _Unusable(f"it has {len(blocks)} blocks of PEM", "give a file with one key")
    label = blocks[0]["label"]
    if label in labels:
        return "\n".join(line.strip() for line in blocks[0][0].splitlines()).encode("utf-8") + b"\n"
    convertible = private and label == "EC PRIVATE KEY"
    reason = _OTHER_LABELS.get(label, "it is something else than a key")
    return _Unusable(reason, f"{_CONVERT} {_MAKE_PRIVATE}" if convertible else remedy)


def _read(value: str, relative_to: Path) -> str | _Unusable:
    """Return the text of a file with a key. It is read whole, and opening it does not wait, whatever it is."""
    if not value:
        return _Unusable("no path is given", "give the path of a key in PEM")
    try:
        with files.open_regular(relative_to / value) as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        reason = "it is not a regular file" if isinstance(error, IsADirectoryError) else error.strerror or "no reason"
        return _Unusable(f"it cannot be read ({reason})", "give the path of a key in PEM that this user can read")
    except ValueError:  # a path with NUL
        return _Unusable("its path cannot be one", "give the path of a key in PEM")
    if len(content) > _LARGEST:
        return _Unusable(f"its file has more than {_LARGEST} bytes", "give the path of a key in PEM")
    return content.decode("utf-8", "replace")


def _is_encrypted(pem: bytes) -> bool:
    return pem.startswith(b"-----BEGIN ENCRYPTED")


def _private(pem: bytes, passphrase: str | None) -> SigningKey | _Unusable:
    encrypted = _is_encrypted(pem)
    if encrypted and passphrase is None:
        return _NO_PASSPHRASE
    password = (passphrase or "").encode("utf-8", "surrogatepass") if encrypted else None
    private = _loaded(lambda: serialization.load_pem_private_key(pem, password))
    if private is None and encrypted:
        reason = "the passphrase is wrong, or the key is damaged or encrypted in an unknown way"
        return _Unusable(reason, f"give the right one in NOX_PEX_SIGNING_PASSPHRASE, or {_ENCRYPT}")
    if private is None:
        return _Unusable("it is damaged, or of an unknown type", f"make one with {_MAKE_PRIVATE}")
    public = _public(private.public_key())
    if isinstance(public, VerifyingKey) and isinstance(private, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
        return SigningKey(private=private, public=public)
    return _Unusable(public if isinstance(public, str) else "", f"make one with {_MAKE_PRIVATE}")


def _public_from(pem: bytes) -> VerifyingKey | _Unusable:
    found = _loaded(lambda: serialization.load_pem_public_key(pem))
    public = "it is damaged, or of an unknown type" if found is None else _public(found)
    return public if isinstance(public, VerifyingKey) else _Unusable(public, _MAKE_PUBLIC)


def _loaded(load: Callable[[], _Key]) -> _Key | None:
    """Return the key that `load` returns; None if there is none. A warning about an old type of key is not shown."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return load()
    except (ValueError, TypeError, exceptions.UnsupportedAlgorithm):
        return None


def _public(key: object) -> VerifyingKey | str:
    """Return a public key of `cryptography` with its `keyid`, or the reason why its type cannot be used."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return VerifyingKey(keyid=_keyid("ed25519", "ed25519", raw.hex()), public=key)
    if isinstance(key, ec.EllipticCurvePublicKey):
        if not isinstance(key.curve, ec.SECP256R1):
            return "its curve is not P-256"
        pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return VerifyingKey(keyid=_keyid("ecdsa", "ecdsa-sha2-nistp256", pem.decode("ascii")), public=key)
    kind = "an RSA key" if "RSA" in type(key).__name__ else "of another type"
    return f"it is {kind}, not Ed25519 or ECDSA P-256"


def _keyid(keytype: str, scheme: str, public: str) -> str:
    """Return the SHA-256 of a key in the canonical JSON of securesystemslib, which escapes no line break."""
    text = f'{{"keytype":"{keytype}","keyval":{{"public":"{public}"}},"scheme":"{scheme}"}}'
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
