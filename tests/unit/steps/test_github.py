from __future__ import annotations

from typing import Any

from nox_pex.steps import github
from nox_pex.steps.outcome import Cause, Outcome, Part

STALE = Cause(code="lock-stale", problem="the lock is old", remedy="run it", file="a,b/poetry.lock", by_hand="cd /x")
OFFLINE = Part(name="offline", result="skipped", text="no namespaces")


def outcome(name: str = "api", **fields: Any) -> Outcome:
    known = {"project": name, "binary": name, "step": "smoke", "result": "passed"}
    return Outcome(**{**known, **fields})


def failed(name: str, cause: Cause, **fields: Any) -> Outcome:
    return outcome(name, result="failed", cause=cause, **fields)


def test_one_cause_has_one_annotation_however_many_binaries_have_it() -> None:
    lines = list(github.commands([failed(f"b{number}", STALE, step="install") for number in range(7)]))
    title = "install b0%2C b1%2C b2%2C b3%2C b4 and 2 more"
    message = "error[lock-stale]: the lock is old; run it%0Aby hand: cd /x"
    assert lines == [f"::error title={title},file=a%2Cb/poetry.lock::{message}"]


def test_an_annotation_names_the_line_of_its_file() -> None:
    cause = Cause(code="config", problem="100% wrong", remedy="fix it", file="pyproject.toml", line=7)
    assert list(github.commands([failed("api", cause)])) == [
        "::error title=smoke api,file=pyproject.toml,line=7::error[config]: 100%25 wrong; fix it"
    ]


def test_a_skip_has_one_warning_for_one_reason() -> None:
    lines = list(github.commands([outcome("api", parts=(OFFLINE,)), outcome("worker", parts=(OFFLINE,))]))
    assert lines == ["::warning title=smoke api%2C worker::offline: skipped: no namespaces"]


def test_what_a_failure_left_out_and_a_gate_with_nothing_to_check_have_no_warning() -> None:
    gate = Part(name="budget", result="skipped", text="no `size` in the budget")
    found = [failed("api", STALE, parts=(OFFLINE,)), outcome("api", step="verify", parts=(gate,))]
    assert [line.partition(" ")[0] for line in github.commands(found)] == ["::error"]


def test_the_last_annotation_says_how_many_more_there_are() -> None:
    causes = [Cause(code="crashed", problem=f"{number}", remedy="fix it") for number in range(12)]
    lines = list(github.commands([failed(f"b{number}", cause) for number, cause in enumerate(causes)]))
    assert len(lines) == 10
    assert lines[-1] == "::error title=nox-pex::3 more, in the log and in the summary of the job"


def test_a_name_cannot_end_the_command_or_add_a_property() -> None:
    (line,) = github.commands([failed("a::b,file=/etc/passwd\r\n%0A", STALE)])
    assert "\n" not in line
    assert line.startswith("::error title=smoke a%3A%3Ab%2Cfile=/etc/passwd%0D%0A%250A,file=")
