"""Statements about a file, as `attest` writes them, in the smallest form that `nox-pex check` accepts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from nox_pex.evidence.kinds import KINDS, PREDICATE_TYPES, STATEMENT_TYPE, Kind

SHA256: Final = "3a" * 32
COMMIT: Final = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY: Final = "https://git.example.org/team/service"
TIME: Final = "2026-11-26T12:00:00Z"

PREDICATES: Final[Mapping[Kind, dict[str, Any]]] = {
    "provenance": {
        "buildDefinition": {
            "buildType": "https://example.org/build",
            "externalParameters": {"repository": REPOSITORY, "ref": "main", "binary": "service"},
            "internalParameters": {"dirty": False},
            "resolvedDependencies": [{"uri": f"git+{REPOSITORY}@main", "digest": {"gitCommit": COMMIT}}],
        },
        "runDetails": {"builder": {"id": "local"}, "metadata": {"finishedOn": TIME}},
    },
    "smoke": {
        "result": "PASSED",
        "configuration": [{"name": "smoke", "digest": {"sha256": "00" * 32}, "annotations": {"finishedOn": TIME}}],
        "passedTests": ["cold/GET /"],
    },
    "verify": {
        "verifier": {"id": "https://example.org/nox-pex"},
        "timeVerified": TIME,
        "resourceUri": "service.pex",
        "policy": {"uri": "https://example.org/policy"},
        "verificationResult": "PASSED",
        "verifiedLevels": ["SLSA_BUILD_LEVEL_UNEVALUATED"],
    },
    "sbom": {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"timestamp": "2020-01-01T00:00:00Z"}},
}


def statement(kind: Kind, sha256: str = SHA256, **predicate: Any) -> dict[str, Any]:
    """A statement of this kind. `predicate` replaces fields of its predicate."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": "service.pex", "digest": {"sha256": sha256}}],
        "predicateType": PREDICATE_TYPES[kind],
        "predicate": {**PREDICATES[kind], **predicate},
    }


def text(value: object) -> bytes:
    return json.dumps(value, indent=1).encode("utf-8")


def write_statements(directory: Path, sha256: str = SHA256) -> Path:
    """Write all four statements to a new directory `service.attestations` and return it."""
    attestations = directory / "service.attestations"
    attestations.mkdir(parents=True)
    for kind in KINDS:
        (attestations / f"{kind}.statement.json").write_bytes(text(statement(kind, sha256)))
    return attestations
