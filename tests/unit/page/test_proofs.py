"""What each step proves about one file, and the verdict."""

from __future__ import annotations

from typing import Any

import pytest

from nox_pex.page import proofs
from nox_pex.page.model import Outcome, Proof, Standing
from nox_pex.page.result_files import Found
from nox_pex.page.result_forms import Boot, Failure, Gate, Overrides, Push, Smoke, Verdict, Verify
from nox_pex.verify.report import GATES

SHA256 = "3a" * 32
TIME = "2026-11-26T16:00:05Z"
FAILURE = Failure(code="check-failed", problem="warm: GET /: 500")


def smoke(*boots: Boot, passed: bool | None = True, standing: Standing = "current", **fields: Any) -> Proof:
    result = Smoke(name="service", sha256=SHA256, finished=TIME, passed=passed, conditions=boots, **fields)
    return proofs.of_smoke(Found(standing=standing, result=result), file="service.smoke.json", command=None)


def boot(condition: str, state: Any = "passed", **fields: Any) -> Boot:
    return Boot(condition=condition, state=state, **fields)


def verify(*gates: Gate, passed: bool = True, standing: Standing = "current") -> Proof:
    result = Verify(name="service", sha256=SHA256, passed=passed, gates=gates)
    return proofs.of_verify(Found(standing=standing, result=result), file="service.verify.json", command=None)


def every_gate(**states: Any) -> list[Gate]:
    return [Gate(gate=gate, state=states.get(gate, "passed")) for gate in GATES]


def test_all_conditions_passed() -> None:
    found = smoke(boot("cold"), boot("warm"))
    assert (found.outcome, found.summary, found.finished) == ("passed", "cold and warm passed", TIME)
    assert found.file == "service.smoke.json"


def test_a_skipped_condition_is_named_with_its_reason() -> None:
    found = smoke(boot("cold"), boot("offline", "skipped", reason="no namespaces"))
    assert (found.outcome, found.summary) == ("passed", "cold passed, offline skipped (no namespaces)")


def test_a_failure_is_the_summary() -> None:
    found = smoke(boot("warm", "failed"), passed=False, failure=FAILURE)
    assert (found.outcome, found.summary) == ("failed", "check-failed: warm: GET /: 500")


@pytest.mark.parametrize(
    "found",
    [
        smoke(boot("cold", "failed")),
        smoke(boot("cold", verdicts=(Verdict(check="GET /", passed=False),))),
        smoke(boot("cold"), failure=FAILURE),
        smoke(boot("cold"), passed=False),
        smoke(boot("cold", "failed"), standing="changed"),
    ],
)
def test_a_result_that_contradicts_itself_has_failed(found: Proof) -> None:
    assert found.outcome == "failed"


@pytest.mark.parametrize(
    ("found", "summary"),
    [
        (smoke(boot("cold"), passed=None), "nothing was checked"),
        (smoke(), "nothing was checked"),
        (smoke(boot("cold", "skipped")), "all conditions were skipped"),
        (smoke(boot("cold"), standing="changed"), "its result was changed (cold passed)"),
    ],
)
def test_what_proves_nothing_is_not_complete(found: Proof, summary: str) -> None:
    assert (found.outcome, found.summary) == ("incomplete", summary)


def test_options_that_weakened_the_test_are_named() -> None:
    found = smoke(boot("cold"), overrides=Overrides(only="cold"))
    assert found.summary == "cold passed (with --only cold)"


@pytest.mark.parametrize(
    ("standing", "summary", "file"),
    [
        ("not-run", "not run", ""),
        ("other-file", "not run on this file", "service.smoke.json"),
        ("unreadable", "its result cannot be read", "service.smoke.json"),
    ],
)
def test_without_a_result_nothing_is_claimed(standing: Standing, summary: str, file: str) -> None:
    found = proofs.of_smoke(Found(standing=standing, note="why"), file="service.smoke.json", command=None)
    assert (found.outcome, found.summary, found.file, found.note) == ("not-run", summary, file, "why")


def test_gates_are_counted() -> None:
    found = verify(*every_gate(budget="skipped"))
    assert (found.outcome, found.summary) == ("passed", "4 gates passed, budget skipped")


def test_a_failed_gate_is_named_with_its_reason() -> None:
    leak = Gate(gate="leaks", state="failed", failure=Failure(code="leak", problem="a token"))
    found = verify(*[each for each in every_gate() if each.gate != "leaks"], leak, passed=False)
    assert (found.outcome, found.summary) == ("failed", "leaks failed: leak: a token")
    assert verify(*every_gate(), passed=False).summary == "it failed"


def test_a_missing_gate_is_not_complete() -> None:
    found = verify(*every_gate()[1:])
    assert (found.outcome, found.summary) == ("incomplete", "it leaves out closure")


def test_a_push_names_the_tags() -> None:
    result = Push(name="service", sha256=SHA256, digest=f"sha256:{'1' * 64}", tags=("registry.example/service:1",))
    found = proofs.of_push(Found(standing="current", result=result), file="f", command=None)
    assert found.summary == "pushed as registry.example/service:1"


def proof(step: str, outcome: Outcome, summary: str = "s") -> Proof:
    return Proof(step=step, standing="current", outcome=outcome, summary=summary)


@pytest.mark.parametrize(
    ("outcomes", "expected", "reason"),
    [
        ({"smoke": "passed", "verify": "passed"}, "passed", "smoke and verify passed on exactly this file"),
        (
            {"smoke": "passed", "verify": "passed", "sbom": "passed", "attest": "passed", "push": "passed"},
            "passed",
            "smoke, verify and sbom passed on exactly this file",
        ),
        ({"smoke": "passed", "verify": "not-run"}, "incomplete", "verify: s; smoke passed"),
        ({"smoke": "passed", "verify": "incomplete"}, "incomplete", "verify: s; smoke passed"),
        ({"smoke": "incomplete", "verify": "not-run"}, "incomplete", "smoke: s; verify: s"),
        ({"smoke": "not-run", "verify": "not-run", "sbom": "passed"}, "incomplete", "smoke: s; verify: s; sbom passed"),
        ({"smoke": "not-run", "verify": "not-run", "attest": "passed"}, "not-run", "smoke: s; verify: s"),
        ({"smoke": "passed", "verify": "passed", "image": "failed"}, "failed", "image: s"),
        ({"smoke": "failed", "verify": "failed"}, "failed", "smoke: s; verify: s"),
    ],
)
def test_the_verdict_is_no_better_than_what_was_run(
    outcomes: dict[str, Outcome], expected: Outcome, reason: str
) -> None:
    found = proofs.verdict([proof(step, outcome) for step, outcome in outcomes.items()])
    assert (found.outcome, found.reason) == (expected, reason)


def test_a_file_that_is_no_pex_has_failed_whatever_its_results_say() -> None:
    found = proofs.verdict([proof("smoke", "passed"), proof("verify", "passed")], problem="it is not a PEX")
    assert (found.outcome, found.reason) == ("failed", "it is not a PEX")
