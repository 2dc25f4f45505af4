"""The predicate of `verify`: SLSA "Verification summary" v1, specification version 1.2. Pure."""

from __future__ import annotations

from typing import Any, Final

from nox_pex.evidence import documents, materials
from nox_pex.evidence.results import VerifyResult

_SLSA_VERSION: Final = "1.2"


_NO_LEVEL: Final = "SLSA_BUILD_LEVEL_UNEVALUATED"
"""`verify` makes no claim about the SLSA level of a file."""


def predicate(result: VerifyResult, *, version: str | None) -> dict[str, Any]:
    """Return the predicate for the `result` of `verify`; `version` is that of the binary, if it is known.

    A gate that was skipped gives no level. `verify` uses no attestations, so there are no `inputAttestations`.
    """
    passed = result.passed is True and all(gate.state != "failed" for gate in result.gates)
    levels = [f"NOX_PEX_{gate.gate.upper()}" for gate in result.gates if gate.state == "passed"]
    return {
        "verifier": {"id": documents.VERIFIER, "version": dict(result.tools)},
        "timeVerified": result.finished,
        "resourceUri": resource_uri(result.name, version, sha256=result.sha256),
        "policy": {"uri": documents.VERIFY_POLICY, "digest": {"sha256": result.settings}},
        "verificationResult": "PASSED" if passed else "FAILED",
        "verifiedLevels": [_NO_LEVEL, *levels] if passed else ["FAILED"],
        "slsaVersion": _SLSA_VERSION,
    }


def resource_uri(name: str, version: str | None, *, sha256: str) -> str:
    """Return the package URL of a binary, which says what it is, but not where it is."""
    return materials.purl("generic", name, version, {"checksum": f"sha256:{sha256}"})
