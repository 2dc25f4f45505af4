"""The real registry of the project `distribution` (`docker-registry`), on a free port of loopback.

Version 2.8 has no referrers API. `tests.support.faulty_registry` has a small server of ours that has one.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec import Struct

USER: Final = "robot"

PASSWORD: Final = "correct-horse-battery"

_HTPASSWD: Final = f"{USER}:$2b$04$cSCa5uHcMSq1nWsfoMQO6O6n05ZVHK7NuA.WtcjaLk6Ao0yG66n9i\n"
"""The password as htpasswd(1) writes it with `-B -C 4`."""

_DEADLINE: Final = 30.0
"""Seconds until the registry must listen."""


class RunningRegistry(Struct, frozen=True, kw_only=True):
    """A registry. `host` is `127.0.0.1:PORT`; `ca` is the file with the certificate of its authority, with TLS."""

    host: str
    root: Path
    ca: Path | None

    @property
    def url(self) -> str:
        return f"{'https' if self.ca else 'http'}://{self.host}"

    @property
    def log(self) -> str:
        return (self.root / "log").read_text("utf-8")


class Certificates(Struct, frozen=True, kw_only=True):
    """Files in PEM: the authority's certificate, and a server's certificate and key for loopback."""

    ca: Path
    certificate: Path
    key: Path


@contextlib.contextmanager
def running_registry(root: Path, *, htpasswd: bool = False, tls: bool = False) -> Iterator[RunningRegistry]:
    """Run a registry that has its files in the directory `root`, and end it with the block.

    `htpasswd`: it wants `USER` and `PASSWORD`. `tls`: it has a certificate of an authority that nobody else trusts.
    The test is skipped if `docker-registry` is not installed.
    """
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed")
    root.mkdir(parents=True, exist_ok=True)
    certificates = make_certificates(root) if tls else None
    (root / "htpasswd").write_text(_HTPASSWD, "utf-8")
    lines = [
        "version: 0.1",
        "log: {accesslog: {disabled: false}}",
        f"storage: {{filesystem: {{rootdirectory: '{root / 'storage'}'}}, delete: {{enabled: true}}}}",
        "http:",
        "  addr: '127.0.0.1:0'",
        "  secret: not-so-secret",
    ]
    if certificates:
        lines.append(f"  tls: {{certificate: '{certificates.certificate}', key: '{certificates.key}'}}")
    if htpasswd:
        lines.append(f"auth: {{htpasswd: {{realm: private, path: '{root / 'htpasswd'}'}}}}")
    (root / "config.yml").write_text("\n".join(lines) + "\n", "utf-8")
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", str(root / "config.yml")], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=root
        )
    try:
        host = _listening(process, root / "log")
        yield RunningRegistry(host=host, root=root, ca=certificates.ca if certificates else None)
    finally:
        process.terminate()
        process.wait()


def make_certificates(root: Path) -> Certificates:
    """Make an authority, and a certificate of it for `localhost`, `127.0.0.1` and `::1`, in the directory `root`."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority for tests")])
    names = [x509.DNSName("localhost"), *(x509.IPAddress(ipaddress.ip_address(ip)) for ip in ("127.0.0.1", "::1"))]
    now = dt.datetime.now(dt.UTC)
    start, end = now - dt.timedelta(days=1), now + dt.timedelta(days=1)

    def builder(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        built = x509.CertificateBuilder(issuer_name=issuer, subject_name=subject, public_key=public)
        built = built.serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)
        return built.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        ).add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)

    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    ca = (
        builder(issuer, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    certificate = (
        builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    made = Certificates(ca=root / "ca.pem", certificate=root / "server.pem", key=root / "server.key")
    made.ca.write_bytes(ca.public_bytes(pem))
    made.certificate.write_bytes(certificate.public_bytes(pem))
    made.key.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return made


def _listening(process: subprocess.Popen[bytes], log: Path) -> str:
    """Return host and port, which the registry writes to its log when it listens."""
    deadline = time.monotonic() + _DEADLINE
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text("utf-8")):
            return found[1]
        time.sleep(0.02)
    msg = f"docker-registry does not listen:\n{log.read_text('utf-8')}"
    raise AssertionError(msg)
