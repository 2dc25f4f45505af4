"""Boots, gates and failures of results, as a page shows them: bounded, whoever wrote them."""

from __future__ import annotations

from nox_pex.page import shown_results
from nox_pex.page.model import Answer, Phase
from nox_pex.page.result_forms import Answer as FoundAnswer
from nox_pex.page.result_forms import Base, Boot, Failure, Gate, Image, Manifest, Smoke, Stop, Verdict, Verify
from nox_pex.page.result_forms import Phase as FoundPhase

SHA256 = "3a" * 32
FAILURE = Failure(code="check-failed", problem="GET /: 500", cause=("boom",), log=("a", "b"), log_lines=9)


def test_a_boot_has_its_phases_checks_and_stop() -> None:
    verdict = Verdict(
        check="GET /",
        passed=True,
        expected="status 200",
        came="200",
        request="GET http://127.0.0.1:1/",
        answer=FoundAnswer(status=200, milliseconds=12.0, bytes=5, content_type="text/plain", body="hello"),
    )
    (found,) = shown_results.boots(
        [
            Boot(
                condition="cold",
                state="passed",
                ready_after=1.5,
                checks=2,
                verdicts=(verdict,),
                phases=(FoundPhase(name="launch", start=0, seconds=1.5),),
                stop=Stop(signal="TERM", status=-15, seconds=0.1),
                memory=7,
            )
        ]
    )
    assert (found.check_count, found.stop, found.stop_seconds, found.memory) == (2, "SIGTERM", 0.1, 7)
    assert found.phases == (Phase(name="launch", start=0, seconds=1.5),)
    assert found.checks[0].answer == Answer(status=200, seconds=0.012, size=5, content_type="text/plain", body="hello")


def test_a_program_that_had_to_be_killed_says_so() -> None:
    (found,) = shown_results.boots([Boot(condition="cold", state="failed", stop=Stop(signal="TERM"))])
    assert found.stop == "killed, still running after SIGTERM"


def test_the_boots_of_several_platforms_name_them() -> None:
    manifests = [
        Manifest(platform=each, conditions=(Boot(condition="container", state="passed"),)) for each in ("a", "b")
    ]
    image = Image(name="x", sha256=SHA256, passed=True, engine="none", base=Base(name="b"), platforms=tuple(manifests))
    assert [each.condition for each in shown_results.image_boots(image)] == ["container (a)", "container (b)"]
    assert shown_results.image_boots(None) == ()


def test_long_texts_and_lists_are_cut() -> None:
    gate = Gate(gate="leaks", state="failed", problems=("x" * 5000, *map(str, range(999))), failure=FAILURE)
    (found,) = shown_results.gates(Verify(name="x", sha256=SHA256, passed=False, gates=(gate,)))
    assert len(found.problems[0]) == 2001
    assert len(found.problems) == 201
    assert found.problems[-1] == "and 800 more"
    assert found.code == "check-failed"


def test_each_cause_of_a_failure_is_there_once_with_the_lines_that_say_why() -> None:
    gates = tuple(Gate(gate=name, state="failed", failure=FAILURE) for name in ("closure", "integrity"))
    smoke = Smoke(name="x", sha256=SHA256, passed=False, conditions=(), failure=FAILURE)
    verify = Verify(name="x", sha256=SHA256, passed=False, gates=gates)
    found = list(shown_results.failures(smoke, verify, None))
    assert [(each.step, each.code, each.log, each.log_count) for each in found] == [
        ("smoke", "check-failed", ("boom",), 9),
        ("verify", "check-failed", ("boom",), 9),
    ]
