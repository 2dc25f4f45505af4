from __future__ import annotations

from nox_pex.evidence import attestations, documents, proof, verification_summary
from nox_pex.evidence.attestations import Subject
from nox_pex.pex import circumstances
from tests.support import in_toto
from tests.support.results import SHA256, TIME, write_smoke, write_verify
from tests.unit.evidence.conftest import MakeTarget


def test_each_gate_that_passed_is_a_level_and_no_slsa_level_is_claimed(make_target: MakeTarget) -> None:
    target = make_target()
    write_smoke(target)
    write_verify(target)
    result = proof.require(target, sha256=SHA256, scies={}).verify
    found = verification_summary.predicate(result, version="1.0+a/b")
    assert found["verifiedLevels"] == [
        "SLSA_BUILD_LEVEL_UNEVALUATED",
        *("NOX_PEX_CLOSURE", "NOX_PEX_INTEGRITY", "NOX_PEX_LEAKS", "NOX_PEX_REPRODUCIBLE"),  # `budget` was skipped
    ]
    assert (found["verificationResult"], found["timeVerified"]) == ("PASSED", TIME)
    assert found["resourceUri"] == f"pkg:generic/service@1.0%2Ba%2Fb?checksum=sha256:{SHA256}"
    assert found["verifier"]["version"] == circumstances.of_verify(target).tools
    subjects = [Subject(name="service.pex", sha256=SHA256)]
    text = attestations.json_text(attestations.statement("verify", found, subjects))
    message = in_toto.read("verify", text)
    assert message.time_verified.ToJsonString() == TIME
    assert message.policy.uri == documents.VERIFY_POLICY
    assert message.policy.digest["sha256"] == circumstances.of_verify(target).settings


def test_a_failed_gate_is_a_failed_summary(make_target: MakeTarget) -> None:
    target = make_target()
    write_smoke(target)
    write_verify(target)
    result = proof.require(target, sha256=SHA256, scies={}).verify
    failed = verification_summary.predicate(
        type(result)(**{name: getattr(result, name) for name in result.__struct_fields__} | {"passed": False}),
        version=None,
    )
    assert (failed["verificationResult"], failed["verifiedLevels"]) == ("FAILED", ["FAILED"])
    assert failed["resourceUri"] == f"pkg:generic/service?checksum=sha256:{SHA256}"
