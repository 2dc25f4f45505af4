from __future__ import annotations

import os
import subprocess
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from securesystemslib.signer import CryptoSigner, SSlibKey

from nox_pex.errors import NoxPexError
from nox_pex.evidence.keys import check_form, signing_key, verifying_key
from tests.support.signing_keys import ED25519, OTHER, P256, PrivateKey, private_pem, public_pem

PASSPHRASE = "correct horse battery"
SECRET_PATH = "the-path-of-the-key"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
P384 = ec.derive_private_key(2**200 + 7, ec.SECP384R1())
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
DSA = "".join(
    f"-----BEGIN {label}-----\nMIIB\n-----END {label}-----\n" for label in ("DSA PARAMETERS", "DSA PRIVATE KEY")
)
DAMAGED = "the passphrase is wrong, or the key is damaged or encrypted in an unknown way"
TRADITIONAL = serialization.PrivateFormat.TraditionalOpenSSL


@pytest.fixture(params=[ED25519, P256], ids=["Ed25519", "P-256"])
def key(request: pytest.FixtureRequest) -> PrivateKey:
    found: PrivateKey = request.param
    return found


def saved(directory: Path, content: str | bytes) -> str:
    data = content if isinstance(content, bytes) else content.encode("utf-8")
    (directory / SECRET_PATH).write_bytes(data)
    return SECRET_PATH


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE, "\xfcml\xe4ut"])
def test_a_key_in_a_file_or_as_text_signs_what_its_public_key_verifies(
    key: PrivateKey, passphrase: str, tmp_path: Path
) -> None:
    pem = private_pem(key, passphrase)
    public = verifying_key(public_pem(key), relative_to=tmp_path, name="--key")

    for value in (pem, f"\n{pem}", saved(tmp_path, pem), str(tmp_path / SECRET_PATH)):
        loaded = signing_key(value, passphrase or None, relative_to=tmp_path)

        assert public.verifies(loaded.sign(b"data"), b"data")
        assert not public.verifies(loaded.sign(b"data"), b"Data")
        assert not public.verifies(b"", b"data")
        assert not public.verifies(b"\0" * 64, b"data")
        assert loaded.keyid == public.keyid
        assert "PRIVATE" not in repr(loaded)


def test_the_keyid_is_that_of_securesystemslib(key: PrivateKey, tmp_path: Path) -> None:
    expected = SSlibKey.from_crypto(key.public_key())

    assert signing_key(private_pem(key), None, relative_to=tmp_path).keyid == expected.keyid
    assert CryptoSigner(key).public_key.keyid == expected.keyid


def test_another_key_does_not_verify(key: PrivateKey, tmp_path: Path) -> None:
    signature = signing_key(private_pem(key), None, relative_to=tmp_path).sign(b"data")

    for other in (OTHER, ec.derive_private_key(2**200 + 8, ec.SECP256R1())):
        assert not verifying_key(public_pem(other), relative_to=tmp_path, name="--key").verifies(signature, b"data")


def test_an_ecdsa_signature_is_der_over_sha256(tmp_path: Path) -> None:
    signature = signing_key(private_pem(P256), None, relative_to=tmp_path).sign(b"data")

    assert signature[0] == 0x30
    assert signature[1] == len(signature) - 2


@pytest.mark.parametrize(
    "form",
    [
        lambda pem: pem.replace("\n", "\r\n"),
        lambda pem: f"\ufeff{pem}",
        lambda pem: f"made by somebody\n{pem}\n\n",
        lambda pem: pem.rstrip("\n"),
        lambda pem: "".join(f"  {line}  \n" for line in pem.splitlines()),
        lambda pem: pem.replace("\n", "\\n"),
        lambda pem: pem.replace("\n", "\\r\\n"),
        lambda pem: pem.replace("\n", " "),
    ],
    ids=["CRLF", "byte order mark", "text around", "no end of line", "indented", "JSON", "CRLF in JSON", "one line"],
)
def test_the_same_key_with_other_white_space(form: Callable[[str], str], tmp_path: Path) -> None:
    expected = signing_key(private_pem(ED25519), None, relative_to=tmp_path).keyid

    assert signing_key(saved(tmp_path, form(private_pem(ED25519))), None, relative_to=tmp_path).keyid == expected
    public = verifying_key(saved(tmp_path, form(public_pem(ED25519))), relative_to=tmp_path, name="--key")
    assert public.keyid == expected


def test_a_passphrase_that_is_not_needed_is_ignored(tmp_path: Path) -> None:
    signing_key(private_pem(ED25519), PASSPHRASE, relative_to=tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (private_pem(RSA), "it is an RSA key, not Ed25519 or ECDSA P-256"),
        (private_pem(RSA, form=TRADITIONAL), "it is an RSA key"),
        (private_pem(RSA, PASSPHRASE, form=TRADITIONAL), "it is an RSA key"),
        (private_pem(P384), "its curve is not P-256"),
        (private_pem(ec.generate_private_key(ec.SECP256K1())), "its curve is not P-256"),
        (private_pem(ed448.Ed448PrivateKey.generate()), "it is of another type, not Ed25519 or ECDSA P-256"),
        (private_pem(P256, form=TRADITIONAL), "it has the older form of OpenSSL (SEC1)"),
        (private_pem(P256, PASSPHRASE, form=TRADITIONAL), "it has the older form of OpenSSL (SEC1)"),
        (
            "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
            + private_pem(P256, form=TRADITIONAL),
            "it has the older form of OpenSSL (SEC1)",
        ),
        (private_pem(ED25519, form=serialization.PrivateFormat.OpenSSH), "it has the form of OpenSSH"),
        (DSA, "it is a DSA key"),
        (public_pem(ED25519), "it is a public key"),
        (CERTIFICATE, "it is a certificate"),
        ("-----BEGIN DH PARAMETERS-----\nMIIB\n-----END DH PARAMETERS-----\n", "it is something else than a key"),
        (private_pem(ED25519) + private_pem(P256), "it has 2 blocks of PEM"),
        (private_pem(ED25519) + public_pem(ED25519), "it has 2 blocks of PEM"),
        (private_pem(ED25519).replace("MC4", "MC5"), "it is damaged, or of an unknown type"),
        ("-----BEGIN PRIVATE KEY-----\n\n-----END PRIVATE KEY-----\n", "it is damaged, or of an unknown type"),
        ("-----BEGIN PRIVATE KEY-----\n\xe4\n-----END PRIVATE KEY-----\n", "it is damaged, or of an unknown type"),
        ("-----BEGIN PRIVATE KEY-----\nMC4=\n", "it is not a key in PEM"),
        ("", "it is not a key in PEM"),
        (bytes(range(256)), "it is not a key in PEM"),
        (b"\0" * 70_000, "its file has more than 65536 bytes"),
        (private_pem(ED25519, PASSPHRASE), DAMAGED),
    ],
)
def test_a_file_that_is_no_usable_key_is_one_line_without_its_path_and_content(
    content: str | bytes, problem: str, tmp_path: Path
) -> None:
    error = refused(saved(tmp_path, content), "not the passphrase", tmp_path)

    assert error.problem == f"the signing key cannot be used: {problem}"


def refused(value: str, passphrase: str | None, directory: Path) -> NoxPexError:
    """The error, after a look for what it must not show."""
    with pytest.raises(NoxPexError) as caught:
        signing_key(value, passphrase, relative_to=directory)

    error = caught.value
    shown = "".join(traceback.format_exception(error, chain=True))
    assert error.code == "signing"
    assert len(error.lines) == 1
    assert error.__cause__ is None
    assert error.__context__ is None
    for secret in (SECRET_PATH, str(directory), passphrase, *value.splitlines()[1:2]):
        assert not secret or secret not in shown.replace(str(Path(__file__)), "")
    return error


def openssl(command: str, directory: Path) -> None:
    subprocess.run(["openssl", *command.split()], cwd=directory, check=True, capture_output=True)


@pytest.mark.filterwarnings("error")
def test_a_type_of_key_that_cryptography_warns_of_is_one_line(tmp_path: Path) -> None:
    openssl(f"genpkey -algorithm DH -pkeyopt group:ffdhe2048 -out {SECRET_PATH}", tmp_path)
    openssl(f"pkey -in {SECRET_PATH} -pubout -out key.pub", tmp_path)
    problem = "cannot be used: it is of another type, not Ed25519 or ECDSA P-256"

    assert refused(SECRET_PATH, None, tmp_path).problem == f"the signing key {problem}"
    with pytest.raises(NoxPexError) as caught:
        verifying_key("key.pub", relative_to=tmp_path, name="--key 1")
    assert caught.value.problem == f"--key 1 {problem}"


def test_a_key_that_is_encrypted_in_an_unknown_way(tmp_path: Path) -> None:
    saved(tmp_path, private_pem(ED25519))
    openssl(f"pkcs8 -topk8 -v2 aria-256-cbc -in {SECRET_PATH} -out odd.pem -passout pass:{SECRET_PATH}", tmp_path)

    error = refused("odd.pem", SECRET_PATH, tmp_path)

    assert error.problem == f"the signing key cannot be used: {DAMAGED}"
    assert "`openssl pkcs8 -topk8 -in OLD -out NEW`" in error.remedy


def test_openssl_cannot_convert_a_key_of_openssh(tmp_path: Path) -> None:
    pem = private_pem(ED25519, form=serialization.PrivateFormat.OpenSSH)

    assert "convert" not in refused(pem, None, tmp_path).remedy
    assert "convert" in refused(private_pem(P256, form=TRADITIONAL), None, tmp_path).remedy


def test_an_encrypted_key_without_a_passphrase(tmp_path: Path) -> None:
    for passphrase in (None, ""):
        error = refused(saved(tmp_path, private_pem(P256, PASSPHRASE)), passphrase, tmp_path)

        assert error.problem == "the signing key cannot be used: it is encrypted"
        assert "NOX_PEX_SIGNING_PASSPHRASE" in error.remedy


@pytest.mark.parametrize(
    "passphrase", ["a wrong one", "x" * 5000, "a\0b", "\udcff", pytest.param("\ud800", id="surrogate")]
)
def test_a_wrong_passphrase_is_not_shown(passphrase: str, tmp_path: Path) -> None:
    error = refused(private_pem(ED25519, PASSPHRASE), passphrase, tmp_path)

    assert error.problem == f"the signing key cannot be used: {DAMAGED}"


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda _: None, "it cannot be read (No such file or directory)"),
        (os.mkdir, "it cannot be read (it is not a regular file)"),
        (os.mkfifo, "it cannot be read (it is not a regular file)"),
        (lambda path: path.symlink_to(path), "it cannot be read (Too many levels of symbolic links)"),
        (lambda path: path.symlink_to("/dev/zero"), "it cannot be read (it is not a regular file)"),
    ],
    ids=["missing", "directory", "FIFO", "link to itself", "device"],
)
def test_a_path_without_a_file(make: Callable[[Path], None], problem: str, tmp_path: Path) -> None:
    make(tmp_path / SECRET_PATH)

    assert refused(SECRET_PATH, None, tmp_path).problem == f"the signing key cannot be used: {problem}"


@pytest.mark.parametrize("path", ["", "a\0b", "\ud800", "x" * 5000])
def test_a_path_that_cannot_be_one(path: str, tmp_path: Path) -> None:
    refused(path, None, tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (private_pem(ED25519), "it is a private key"),
        (private_pem(ED25519, PASSPHRASE), "it is a private key"),
        (public_pem(RSA), "it is an RSA key, not Ed25519 or ECDSA P-256"),
        (public_pem(P384), "its curve is not P-256"),
        (CERTIFICATE, "it is a certificate"),
        (public_pem(ED25519).replace("MCo", "MCp"), "it is damaged, or of an unknown type"),
        (public_pem(ED25519) + public_pem(P256), "it has 2 blocks of PEM"),
        ("", "it is not a key in PEM"),
    ],
)
def test_a_file_that_is_no_usable_public_key(content: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(NoxPexError) as caught:
        verifying_key(saved(tmp_path, content), relative_to=tmp_path, name="--key 2")

    assert caught.value.code == "usage"
    assert caught.value.problem == f"--key 2 cannot be used: {problem}"
    assert SECRET_PATH not in str(caught.value)


def test_the_commands_that_the_errors_name_make_usable_keys(tmp_path: Path) -> None:
    old = private_pem(P256, form=TRADITIONAL)
    saved(tmp_path, old)
    for command in (
        "openssl genpkey -algorithm ed25519 -out key.pem",
        "openssl pkey -in key.pem -pubout -out key.pub",
        f"openssl pkcs8 -topk8 -nocrypt -in {SECRET_PATH} -out new.pem",
    ):
        subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)

    key = signing_key("key.pem", None, relative_to=tmp_path)
    assert verifying_key("key.pub", relative_to=tmp_path, name="--key").keyid == key.keyid
    signing_key("new.pem", None, relative_to=tmp_path)


def test_the_form_of_a_key_is_checked_without_its_passphrase() -> None:
    check_form(private_pem(ED25519), None)
    encrypted = private_pem(P256, "hunter22")
    check_form(encrypted, "a wrong one")
    for pem, passphrase, said in (
        (encrypted, None, "it is encrypted"),
        (encrypted, "", "it is encrypted"),
        (public_pem(P256), None, "public"),
        ("-----BEGIN nothing", None, "it is not a key in PEM"),
    ):
        with pytest.raises(NoxPexError) as caught:
            check_form(pem, passphrase)
        assert caught.value.code == "signing"
        assert said in caught.value.problem
        assert caught.value.problem.startswith("the signing key cannot be used: ")
