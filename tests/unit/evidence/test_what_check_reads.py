"""`nox-pex check` finds in the predicates of `attest` what it looks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Raw, json

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.evidence import proof, provenance, test_result, verification_summary
from nox_pex.evidence.check import predicate, repository
from nox_pex.evidence.provenance import Build
from nox_pex.pex.repository import SourceRef, public_address
from nox_pex.system.secrets import Secrets
from tests.support.results import SHA256, TIME, boot, write_smoke, write_verify
from tests.unit.evidence.conftest import MakeTarget
from tests.unit.evidence.test_provenance import COMMIT, RECORD


def raw(value: Any) -> Raw:
    return Raw(json.encode(value))


def test_the_time_and_the_result_of_the_proofs(make_target: MakeTarget) -> None:
    target = make_target()
    write_smoke(target, boot("cold", "GET /"), boot("warm", state="skipped"))
    write_verify(target)
    found = proof.require(target, sha256=SHA256, scies={})
    smoke = raw(test_result.predicate(found.smoke, found.smoke_circumstances, secrets=Secrets()))
    verify = raw(verification_summary.predicate(found.verify, version=None))
    expected = predicate.parse_time(TIME)
    assert expected is not None
    assert (predicate.time("smoke", smoke), predicate.time("verify", verify)) == (expected, expected)
    assert (predicate.result("smoke", smoke), predicate.result("verify", verify)) == ("WARNED", "PASSED")


def test_the_repository_and_the_commit_of_the_build(tmp_path: Path) -> None:
    (tmp_path / "python").touch()
    for address in (
        "git@example.org:a/b.git",
        "https://me:hunter22@EXAMPLE.org:8443/a/b",
        "ssh://git@example.org/a/b/",
    ):
        build = Build(
            binary="service",
            record=RECORD,
            source=SourceRef(repository=public_address(address), ref="refs/heads/a@b#c"),
            materials=(),
            tools=(),
            python=Interpreter(implementation="CPython", version="3.11.7", executable=tmp_path / "python"),
        )
        made = raw(provenance.predicate(build))
        source = predicate.source(made)
        assert source.repository == repository.parse("https://example.org/a/b")
        assert (source.commits, source.clean) == (frozenset({COMMIT}), True)
        assert predicate.time("provenance", made) == predicate.parse_time(RECORD["built"]["finished"])
