"""Statements that nox-pex has signed are accepted by the verifier of Sigstore that npm has."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from nox_pex.evidence import signing
from nox_pex.evidence.image import referrers, statements
from nox_pex.evidence.kinds import KINDS
from tests.support import npm_project
from tests.support.signing_keys import ED25519, OTHER, P256, PrivateKey, loaded, public_pem
from tests.support.stated_images import stated, written
from tests.support.statements import write_statements

VERIFIER = Path(__file__).parents[1] / "support" / "sigstore_verify"

pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script, with the locked packages that it needs."""
    directory = tmp_path_factory.mktemp("sigstore") / "verifier"
    npm_project.install(VERIFIER, directory)
    return directory / "verify.cjs"


def verify(verifier: Path, key: Path, keyid: str, *bundles: Path) -> subprocess.CompletedProcess[str]:
    argv = ["node", str(verifier), str(key), keyid, *map(str, bundles)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("key", [ED25519, P256], ids=["Ed25519", "P-256"])
def test_sigstore_verifies_the_bundles(key: PrivateKey, verifier: Path, tmp_path: Path) -> None:
    directory, keyid = write_statements(tmp_path), loaded(key).keyid
    signing.sign(directory, loaded(key))
    public, other = tmp_path / "key.pub", tmp_path / "other.pub"
    public.write_text(public_pem(key))
    other.write_text(public_pem(OTHER))
    bundles = [directory / f"{kind}.sigstore.json" for kind in KINDS]

    result = verify(verifier, public, keyid, *bundles)

    assert (result.returncode, result.stderr) == (0, "")
    sizes = [(directory / f"{kind}.statement.json").stat().st_size for kind in KINDS]
    assert result.stdout.splitlines() == [f"application/vnd.dev.sigstore.bundle.v0.3+json {size}" for size in sizes]

    assert "signature verification failed" in verify(verifier, other, keyid, bundles[0]).stderr
    assert "key not found" in verify(verifier, public, loaded(OTHER).keyid, bundles[0]).stderr
    changed = bundles[0].read_text().replace('"payload":"ew', '"payload":"ex')
    bundles[0].write_text(changed)
    assert "signature verification failed" in verify(verifier, public, keyid, bundles[0]).stderr


@pytest.mark.parametrize("key", [ED25519, P256], ids=["Ed25519", "P-256"])
def test_sigstore_verifies_the_bundles_that_are_attached_to_an_image(
    key: PrivateKey, verifier: Path, tmp_path: Path
) -> None:
    image = stated(written("linux/amd64", "linux/arm64"))
    made = statements.statements({"sbom": {"bomFormat": "CycloneDX"}}, image)
    (attached, *others) = referrers.of_statements(image, statements.sign(made, loaded(key)))
    assert len(others) == 2
    (public := tmp_path / "key.pub").write_text(public_pem(key))
    (bundle := tmp_path / "bundle.json").write_bytes(attached.referrer.blobs[1].source)  # type: ignore[arg-type]  # bytes

    result = verify(verifier, public, loaded(key).keyid, bundle)

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"application/vnd.dev.sigstore.bundle.v0.3+json {len(made[0].payload)}\n"
