"""Statements as the library in-toto-attestation, which is written against the specifications, reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.predicates.vsa.v1 import vsa_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementProto

from nox_pex.evidence.kinds import PREDICATE_TYPES, Kind

_MESSAGES: Final[Mapping[Kind, Any]] = {
    "provenance": provenance_pb2.Provenance,
    "smoke": test_result_pb2.TestResult,
    "verify": vsa_pb2.VerificationSummary,
}


def read_statement(text: str) -> Any:
    """Read a statement, and validate it and its descriptors. Return the message."""
    statement = Statement.copy_from_pb(json_format.Parse(text, StatementProto()))
    statement.validate()
    return statement.pb


def read_predicate(kind: Kind, predicate: Mapping[str, Any]) -> Any:
    """Read a predicate, in which no field may be unknown, and validate its descriptors. Return the message."""
    fields = dict(predicate)
    if kind == "verify":  # the library is of specification 1.0, and has one level in the place of a list
        assert fields.pop("slsaVersion") == "1.2"
        fields["verifiedLevels"] = " ".join(fields["verifiedLevels"])
        fields["verifier"] = {"id": fields["verifier"]["id"]}
    message = json_format.Parse(json.dumps(fields), _MESSAGES[kind]())
    descriptors: dict[str, Any] = {
        "provenance": lambda: message.build_definition.resolved_dependencies,
        "smoke": lambda: message.configuration,
        "verify": lambda: (),
    }
    for descriptor in descriptors[kind]():
        ResourceDescriptor.copy_from_pb(descriptor).validate()
        assert descriptor.uri or descriptor.digest or descriptor.content  # a name alone is not enough
    return message


def read(kind: Kind, text: str) -> Any:
    """Read the text of a statement of this kind. Return the message of its predicate."""
    statement = read_statement(text)
    assert statement.predicate_type == PREDICATE_TYPES[kind]
    return read_predicate(kind, json.loads(text)["predicate"])
