"""Files for the smoke test of nox-pex as a binary: one with statements, a changed one, and keys.

`python publishing/smoke_files.py DIRECTORY` writes `proven/service.pex` with its statements, which the smoke test lets
the binary sign, `changed/service.pex`, `key.pem`, `key.pub` and `other.pub`. The time of the statements is now.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import sys
from pathlib import Path
from typing import Any, Final

PRIVATE_KEY: Final = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
"""The private key of test 1 in RFC 8032, section 7.1: everybody knows it."""


PUBLIC_KEY: Final = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


OTHER_KEY: Final = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
"""The public key of test 2 in the same section."""


_PKCS_8: Final = bytes.fromhex("302e020100300506032b657004220420")
"""The bytes before an Ed25519 private key in PKCS#8 (RFC 8410, section 7)."""


_PUBLIC: Final = bytes.fromhex("302a300506032b6570032100")
"""The bytes before an Ed25519 public key (RFC 8410, section 4)."""


def predicates(time: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the type and the smallest predicate of each kind of statement. `time` is in RFC 3339."""
    configuration = {"name": "smoke", "digest": {"sha256": "00" * 32}, "annotations": {"finishedOn": time}}
    return {
        "provenance": (
            "https://slsa.dev/provenance/v1",
            {"buildDefinition": {}, "runDetails": {"metadata": {"finishedOn": time}}},
        ),
        "smoke": (
            "https://in-toto.io/attestation/test-result/v0.1",
            {"result": "PASSED", "configuration": [configuration]},
        ),
        "verify": (
            "https://slsa.dev/verification_summary/v1",
            {"verificationResult": "PASSED", "timeVerified": time},
        ),
        "sbom": (
            "https://cyclonedx.org/bom",
            {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"timestamp": time}},
        ),
    }


def write(directory: Path, *, now: dt.datetime) -> None:
    """Write the files into a directory, which exists."""
    statements = directory / "proven" / "service.attestations"
    statements.mkdir(parents=True)
    (directory / "changed").mkdir()
    content = b"any bytes can have a proof\n"
    (directory / "proven" / "service.pex").write_bytes(content)
    (directory / "changed" / "service.pex").write_bytes(content.replace(b"a", b"o", 1))
    subject = {"name": "service.pex", "digest": {"sha256": hashlib.sha256(content).hexdigest()}}
    for kind, (type_, predicate) in predicates(now.strftime("%Y-%m-%dT%H:%M:%SZ")).items():
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [subject],
            "predicateType": type_,
            "predicate": predicate,
        }
        (statements / f"{kind}.statement.json").write_text(json.dumps(statement), "utf-8")
    (directory / "key.pem").write_text(_pem("PRIVATE KEY", _PKCS_8 + PRIVATE_KEY), "utf-8")
    (directory / "key.pub").write_text(_pem("PUBLIC KEY", _PUBLIC + PUBLIC_KEY), "utf-8")
    (directory / "other.pub").write_text(_pem("PUBLIC KEY", _PUBLIC + OTHER_KEY), "utf-8")


def _pem(label: str, content: bytes) -> str:
    return f"-----BEGIN {label}-----\n{base64.b64encode(content).decode('ascii')}\n-----END {label}-----\n"


if __name__ == "__main__":
    write(Path(sys.argv[1]), now=dt.datetime.now(dt.UTC))
