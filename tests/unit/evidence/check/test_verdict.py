from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from nox_pex.evidence.check import repository, verdict
from nox_pex.evidence.check.policy import Policy
from nox_pex.evidence.check.verdict import Verdict
from nox_pex.evidence.kinds import KINDS, Kind
from tests.support.bundles import GOOD, bundle, envelope, line, signed
from tests.support.signing_keys import ED25519, OTHER, P256, loaded
from tests.support.statements import COMMIT, PREDICATES, REPOSITORY, SHA256, statement, text

KEYS = (loaded(P256).public, loaded(ED25519).public)
NOW = dt.datetime(2026, 11, 27, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def check(data: bytes, *, sha256: str = SHA256, **policy: Any) -> Verdict:
    return verdict.check(data, sha256=sha256, policy=Policy(**{"keys": KEYS, **policy}), now=NOW)


def sources(**changes: Any) -> dict[str, Any]:
    """The predicate of a provenance with changes of its build definition."""
    return {"buildDefinition": {**PREDICATES["provenance"]["buildDefinition"], **changes}}


def finished(time: object) -> dict[str, Any]:
    """The predicate of a provenance with this time."""
    return {"runDetails": {"metadata": {"finishedOn": time}}}


def smoked(time: str) -> dict[str, Any]:
    """The predicate of a smoke test with this time."""
    return {"configuration": [{"annotations": {"finishedOn": time}}]}


def test_the_good_bundle_proves_everything() -> None:
    found = check(
        bundle(), source=repository.parse(REPOSITORY), commit=COMMIT, max_age=DAY, required=KINDS, allow_warned=True
    )

    assert found.passed
    assert found.problems == ()
    assert found.ignored == ()
    assert [(each.line, each.kind, each.result) for each in found.statements] == [
        (1, "provenance", None),
        (2, "smoke", "PASSED"),
        (3, "verify", "PASSED"),
        (4, "sbom", None),
    ]
    assert {each.keyid for each in found.statements} == {loaded(ED25519).keyid}


@pytest.mark.parametrize("order", [KINDS, KINDS[::-1]])
def test_the_order_of_the_lines_and_blank_ones_do_not_matter(order: tuple[Kind, ...]) -> None:
    assert check(b"\n\r\n  \n".join(GOOD[kind] for kind in order)).passed


def test_each_given_key_counts() -> None:
    assert check(bundle(smoke=signed("smoke", P256))).passed


def test_a_sigstore_bundle_is_read() -> None:
    inner = envelope(text(statement("smoke")))
    for material in ({"publicKey": {"hint": "another"}}, {"certificate": {"rawBytes": "AAAA"}}, None):
        outer = {"mediaType": "x", "verificationMaterial": material, "dsseEnvelope": inner}

        assert check(bundle(smoke=line(outer))).passed


def test_unknown_fields_and_the_keyid_do_not_matter() -> None:
    inner = envelope(text({**statement("smoke"), "more": [1]}))
    inner["signatures"] = [{"sig": "AAAA", "keyid": "x"}, {**inner["signatures"][0], "keyid": 5, "cert": "x"}]

    assert check(bundle(smoke=line({**inner, "more": {}}))).passed


def test_names_of_subjects_and_other_subjects_do_not_matter() -> None:
    subjects = [
        {"name": "other", "digest": {"sha512": "00"}},
        {"digest": {"sha256": "4b" * 32, "sha1": "00"}},
        {"name": "renamed", "digest": {"sha256": SHA256.upper()}},
    ]

    assert check(bundle(smoke=line(envelope(text({**statement("smoke"), "subject": subjects}))))).passed


@pytest.mark.parametrize("other", [{}, {"digest": None}, {"digest": {"sha256": 1}}, None, 1, "x", [], {"digest": []}])
def test_another_subject_of_any_form_does_not_hide_a_failed_test(other: object) -> None:
    for subjects in ([other, {"digest": {"sha256": SHA256}}], [{"digest": {"sha256": SHA256}}, other]):
        failed = line(envelope(text({**statement("smoke", result="FAILED"), "subject": subjects})))

        assert check(bundle(failed)).problems == ("smoke is not PASSED: it is FAILED (line 5)",)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_required_unless_the_user_says_otherwise(kind: Kind) -> None:
    data = b"\n".join(GOOD[each] for each in KINDS if each != kind)

    found = check(data)

    assert found.problems == (f"there is no statement of the kind {kind} about this file",)
    assert found.code == "not-proven"
    assert check(data, required=tuple(each for each in KINDS if each != kind)).passed


@pytest.mark.parametrize("data", [b"", b"\n", b" \n\t\n"])
def test_nothing_proves_nothing(data: bytes) -> None:
    found = check(data)

    assert found.problems[0] == "no line is a statement about this file"
    assert found.code == "not-proven"


def test_another_file_is_not_proven() -> None:
    found = check(bundle(), sha256="4b" * 32)

    assert not found.passed
    assert found.code == "not-proven"
    assert found.problems == (
        "the signed statements are about another file: this one is of another build, or was changed",
    )
    assert {each.reason for each in found.ignored} == {"it is about another file"}


def test_another_file_is_not_proven_whatever_others_have_added() -> None:
    """The lines of others have no signature of a given key, and that is not why the file fails."""
    found = check(bundle(signed("smoke", OTHER), b"x"), sha256="4b" * 32)

    assert (found.code, len(found.problems)) == ("not-proven", 1)


def test_the_right_word_for_each_kind() -> None:
    of_another = signed("smoke", sha256="4b" * 32)

    found = check(bundle(smoke=of_another))
    assert found.problems == ("the signed statement of the kind smoke is about another file",)
    assert found.code == "not-proven"
    assert check(bundle(signed("smoke", OTHER), smoke=of_another)).code == "not-proven"
    found = check(bundle(smoke=of_another, verify=signed("verify", OTHER)))
    assert found.problems == (
        "the signed statement of the kind smoke is about another file",
        "no given key has signed a statement of the kind verify about this file",
    )
    assert found.code == "signature"
    assert check(bundle(of_another, verify=signed("verify", OTHER))).code == "signature"


def test_another_key_is_an_error_of_the_signature() -> None:
    found = check(bundle(), keys=(loaded(OTHER).public,))

    assert found.code == "signature"
    assert found.problems[0] == "no given key has signed a statement of the kind provenance about this file"
    assert len(found.problems) == 4
    assert {each.reason for each in found.ignored} == {"no given key has signed it"}


def test_a_line_of_somebody_else_changes_nothing() -> None:
    found = check(bundle(signed("smoke", OTHER, result="FAILED")))

    assert found.passed
    assert [(each.number, each.reason) for each in found.ignored] == [(5, "no given key has signed it")]


@pytest.mark.parametrize(
    ("added", "reason"),
    [
        (b"nonsense", "it is not JSON"),
        (b"{}", "it is not an envelope"),
        (b"[]", "it is not an envelope"),
        (line(envelope(b"{}", payload_type="text/plain")), "its payload type is not application/vnd.in-toto+json"),
        (line(envelope(b"nonsense")), "it is not an in-toto statement"),
        (line(envelope(text(statement("smoke") | {"_type": "v0"}))), "it is not an in-toto statement of version 1"),
        (line(envelope(text(statement("smoke", "4b" * 32)))), "it is about another file"),
        (line(envelope(text(statement("smoke", "4b" * 32))[:-1] + b',"a":1,"a":1}')), "it is about another file"),
        (line(envelope(text(statement("smoke")) + b"x")), "it is not an in-toto statement"),
        (line(envelope(text(statement("smoke") | {"predicateType": "x"}))), "it is of another kind: x"),
    ],
)
def test_lines_that_do_not_count_are_listed(added: bytes, reason: str) -> None:
    found = check(bundle(added))

    assert found.passed
    assert [(each.number, each.reason) for each in found.ignored] == [(5, reason)]


@pytest.mark.parametrize("kind", ["smoke", "verify"])
@pytest.mark.parametrize(
    "result", ["FAILED", "WARNED", "passed", "PASSED ", "", None, True, 1, ["PASSED"], {"PASSED": 1}], ids=str
)
def test_a_result_other_than_passed_fails(kind: Kind, result: object) -> None:
    name = {"smoke": "result", "verify": "verificationResult"}[kind]
    bad = signed(kind, **{name: result})

    for data in (bundle(**{kind: bad}), bundle(bad), b"\n".join([bad, bundle()])):
        found = check(data)

        assert not found.passed
        assert found.code == "not-proven"
        assert len(found.problems) == 1
    assert not check(bundle(bad), required=("provenance",)).passed
    assert check(bundle(bad), allow_warned=True).passed is (kind == "smoke" and result == "WARNED")


@pytest.mark.parametrize("predicate", [{}, [], None, "PASSED", {"verificationResult": "PASSED"}])
def test_a_smoke_test_without_a_result_fails(predicate: object) -> None:
    bad = line(envelope(text(statement("smoke") | {"predicate": predicate})))

    assert check(bundle(bad)).problems == ("smoke is without a result (line 5)",)


def test_the_source_of_a_build() -> None:
    for address in (REPOSITORY, f"{REPOSITORY}.git", "git@git.example.org:team/service"):
        assert check(bundle(), source=repository.parse(address)).passed

    found = check(bundle(), source=repository.parse("https://git.example.org/team/other"))

    assert found.problems == ("provenance names git.example.org/team/service, not git.example.org/team/other (line 1)",)
    assert found.code == "not-proven"


def test_the_commit_of_a_build() -> None:
    for commit in (COMMIT, COMMIT[:12]):
        assert check(bundle(), commit=commit).passed

    found = check(bundle(), commit="f" * 40)

    assert found.problems == (f"provenance names {COMMIT}, not the commit {'f' * 40} (line 1)",)


def test_the_commit_of_a_dependency_from_the_same_repository_is_not_that_of_the_build() -> None:
    dependencies = [
        {"uri": f"git+{REPOSITORY}@{ref}", "digest": {"gitCommit": commit}}
        for ref, commit in (("main", COMMIT), ("other", "f" * 40))
    ]
    data = bundle(provenance=signed("provenance", **sources(resolvedDependencies=dependencies)))

    for commit in (COMMIT, "f" * 40):
        assert "several commits" in check(data, commit=commit).problems[0]
    assert check(data, source=repository.parse(REPOSITORY)).passed


@pytest.mark.parametrize("dirty", [True, None, "false", 0])
def test_a_dirty_tree_never_matches(dirty: object) -> None:
    data = bundle(provenance=signed("provenance", **sources(internalParameters={"dirty": dirty})))

    for wanted in ({"source": repository.parse(REPOSITORY)}, {"commit": COMMIT}):
        assert "local changes" in check(data, **wanted).problems[0]
    assert check(data).passed


def test_one_provenance_of_the_right_sources_is_enough() -> None:
    other = signed("provenance", **sources(externalParameters={"repository": "https://other.example.org/x"}))

    assert check(bundle(other), source=repository.parse(REPOSITORY), commit=COMMIT).passed
    assert not check(bundle(provenance=other), source=repository.parse(REPOSITORY)).passed


def test_the_source_and_the_commit_are_those_of_one_provenance() -> None:
    one = signed("provenance", **sources(resolvedDependencies=[]))
    other = signed("provenance", **sources(externalParameters={"repository": "https://other.example.org/x"}))

    assert not check(bundle(other, provenance=one), source=repository.parse(REPOSITORY), commit=COMMIT).passed


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"provenance": signed("provenance", **finished("2026-11-25T23:59:59Z"))}, "provenance is older"),
        ({"smoke": signed("smoke", **smoked("2026-11-20T00:00:00Z"))}, "smoke is older"),
        ({"verify": signed("verify", timeVerified="2026-11-20T00:00:00Z")}, "verify is older"),
        ({"provenance": signed("provenance", **finished(None))}, "provenance has no time"),
        ({"smoke": signed("smoke", configuration=[])}, "smoke has no time"),
        ({"verify": signed("verify", timeVerified="yesterday")}, "verify has no time"),
        ({"sbom": signed("sbom", metadata={})}, "sbom has no time"),
        ({"provenance": signed("provenance", **finished("2026-11-27T00:05:01Z"))}, "provenance is from the future"),
        ({"sbom": signed("sbom", metadata={"timestamp": "2027-01-01T00:00:00Z"})}, "sbom is from the future"),
    ],
)
def test_old_proofs_and_those_from_the_future(changes: dict[str, bytes], problem: str) -> None:
    found = check(bundle(**changes), max_age=DAY)

    assert [each.startswith(problem) for each in found.problems] == [True]
    assert found.code == "not-proven"
    assert check(bundle(**changes)).passed


@pytest.mark.parametrize("time", ["2026-11-26T00:00:00Z", "2026-11-27T00:05:00Z", "2026-11-27T00:59:00+01:00"])
def test_the_limits_of_the_age(time: str) -> None:
    assert check(bundle(provenance=signed("provenance", **finished(time))), max_age=DAY).passed


def test_a_recent_proof_next_to_an_old_one_is_enough() -> None:
    old = signed("verify", timeVerified="2020-01-01T00:00:00Z")
    future = signed("verify", timeVerified="2030-01-01T00:00:00Z")

    assert check(bundle(old), max_age=DAY).passed
    assert check(bundle(old, future), max_age=DAY).problems == ("verify is from the future (line 6)",)


@pytest.mark.parametrize(("required", "fails"), [(KINDS, True), (("verify",), True), (("smoke",), False)])
def test_each_statement_of_a_required_kind_needs_a_time(required: tuple[Kind, ...], *, fails: bool) -> None:
    data = bundle(signed("verify", timeVerified=None))

    problems = check(data, max_age=DAY, required=required).problems
    assert problems == (("verify has no time (line 5)",) if fails else ())
    assert check(data, required=required).passed


def test_the_age_of_a_kind_that_is_not_required_does_not_matter() -> None:
    old = signed("verify", timeVerified="2020-01-01T00:00:00Z")

    assert check(bundle(verify=old), max_age=DAY, required=("smoke",)).passed


def test_all_problems_are_named() -> None:
    data = b"\n".join([signed("smoke", result="FAILED"), signed("verify", verificationResult="FAILED"), GOOD["sbom"]])

    assert len(check(data, commit=COMMIT, max_age=DAY).problems) == 3
