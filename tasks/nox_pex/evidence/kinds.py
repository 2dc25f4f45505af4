"""The four kinds of statements, and the names by which their formats are known.

Fact sources: in-toto attestation framework, "Statement layer" v1 and "Envelope layer" v1; SLSA "Provenance" v1 and
"Verification summary" v1; in-toto "Test result" v0.1; CycloneDX, "BOM" (`https://cyclonedx.org/bom`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

Kind = Literal["provenance", "smoke", "verify", "sbom"]
"""A kind of statement about a binary, which is also the beginning of the names of its files."""


KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


PREDICATE_TYPES: Final[Mapping[Kind, str]] = {
    "provenance": "https://slsa.dev/provenance/v1",
    "smoke": "https://in-toto.io/attestation/test-result/v0.1",
    "verify": "https://slsa.dev/verification_summary/v1",
    "sbom": "https://cyclonedx.org/bom",
}
"""The type of the predicate of each kind."""


STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"


PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
"""The type of the payload of a DSSE envelope that has a statement."""
