"""The evidence that travels with a file, with the commands that make and check it."""

from __future__ import annotations

from typing import Any

import pytest

from nox_pex.evidence.kinds import KINDS
from nox_pex.page import evidence
from nox_pex.page.bill_file import BillFile
from nox_pex.page.commands import Sessions
from nox_pex.page.evidence import Papers
from nox_pex.page.model import Evidence
from nox_pex.page.result_files import Found
from nox_pex.page.result_forms import Base, Image, Manifest, Push, Referrer, Repository
from nox_pex.page.statement_files import Signed, Statements

SHA256 = "3a" * 32
DIGEST = f"sha256:{'1' * 64}"
KEY = "5af5"
SESSIONS = Sessions(
    commands={step: f"nox -s {step}" for step in ("sbom", "attest", "image", "push")}, arguments="", where="here"
)


def papers(**given: Any) -> Papers:
    return Papers(
        **{
            "file": "service.pex",
            "bill": BillFile(standing="not-run"),
            "bill_name": "service.cdx.json",
            "statements": Statements(standing="not-run"),
            "statements_name": "service.attestations",
            "signed": Signed(standing="not-run"),
            "bundle": "service.pex.intoto.jsonl",
            "image": Found(standing="not-run"),
            "image_name": "service.image.json",
            "push": Found(standing="not-run"),
            "push_name": "service.push.json",
            **given,
        }
    )


def pieces(**given: Any) -> dict[str, Evidence]:
    return {each.title: each for each in evidence.pieces(papers(**given), SESSIONS)}


def commands(found: Evidence) -> list[str]:
    return [each.text for each in found.commands]


def test_what_is_missing_comes_with_the_command_that_makes_it() -> None:
    found = pieces()
    assert {title: commands(each) for title, each in found.items()} == {
        "Bill of materials": ["nox -s sbom"],
        "Statements": ["nox -s attest"],
    }


def test_unsigned_statements_come_with_the_command_that_signs_them() -> None:
    found = pieces(statements=Statements(standing="current", kinds=KINDS))
    assert commands(found["Statements"]) == []
    assert commands(found["Signatures"]) == ["nox-pex sign service.attestations --key key.pem"]
    assert found["Signatures"].note == "the statements are not signed"


def test_signed_statements_come_with_the_command_that_checks_them() -> None:
    found = pieces(
        statements=Statements(standing="current", kinds=KINDS),
        signed=Signed(standing="current", keyids=dict.fromkeys(KINDS, (KEY,))),
    )
    assert commands(found["Signatures"]) == ["nox-pex check service.pex --key key.pub"]
    assert found["Signatures"].facts[0] == ("provenance", "key 5af5")


def test_a_pushed_image_comes_with_its_names_and_its_check() -> None:
    image = Image(
        name="service",
        sha256=SHA256,
        passed=True,
        engine="none",
        base=Base(name="python:3.11", digest=DIGEST),
        tags=("registry.example/service:1",),
        digest=DIGEST,
        platforms=(Manifest(platform="linux/amd64"),),
    )
    push = Push(
        name="service",
        sha256=SHA256,
        digest=DIGEST,
        names=(f"registry.example/service@{DIGEST}",),
        signed_by=KEY,
        repositories=(Repository(referrers=tuple(Referrer(kind=kind) for kind in ("smoke", "sbom", "provenance"))),),
    )
    found = pieces(image=Found(standing="current", result=image), push=Found(standing="current", result=push))
    assert ("Base", "python:3.11") in found["Image"].facts
    assert commands(found["Pushed image"]) == [f"nox-pex check --image registry.example/service@{DIGEST} --key key.pub"]
    assert ("Referrers", "provenance, sbom, smoke") in found["Pushed image"].facts


def test_results_about_another_file_are_named_and_not_used() -> None:
    found = pieces(image=Found(standing="other-file", note="there is one"), push=Found(standing="other-file"))
    assert (found["Image"].facts, found["Image"].note) == ((), "there is one")
    assert commands(found["Pushed image"]) == ["nox -s push"]


@pytest.mark.parametrize(
    ("given", "outcome", "summary"),
    [
        ({}, "not-run", "not run"),
        ({"statements": Statements(standing="other-file")}, "not-run", "not run on this file"),
        ({"statements": Statements(standing="unreadable")}, "not-run", "its result cannot be read"),
        (
            {"statements": Statements(standing="current", kinds=("smoke",))},
            "passed",
            "1 statement (smoke), not signed",
        ),
        (
            {"signed": Signed(standing="current", keyids={"smoke": (KEY,)})},
            "passed",
            "1 statement (smoke), all signed (signatures are not verified here)",
        ),
        (
            {
                "statements": Statements(standing="current", kinds=("smoke", "sbom")),
                "signed": Signed(standing="current", keyids={"smoke": (KEY,)}),
            },
            "passed",
            "2 statements (smoke, sbom), smoke signed (signatures are not verified here)",
        ),
    ],
)
def test_what_is_attested_is_counted(given: dict[str, Any], outcome: str, summary: str) -> None:
    found = evidence.attested(papers(**given), command=None)
    assert (found.outcome, found.summary) == (outcome, summary)


def test_each_kind_says_who_claims_to_have_signed_it() -> None:
    signed = Signed(standing="current", keyids={"smoke": (KEY, "other")})
    found = {each.kind: each for each in evidence.kinds(papers(signed=signed))}
    assert (found["smoke"].is_stated, found["smoke"].keyids) == (True, (KEY, "other"))
    assert (found["sbom"].is_stated, found["sbom"].keyids) == (False, ())
