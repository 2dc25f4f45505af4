"""The rows that explain a failed check."""

from __future__ import annotations

from nox_pex.smoke.checks.answers import CheckAnswer
from nox_pex.smoke.checks.results import CheckResult
from nox_pex.smoke.failure import rows_of_check
from nox_pex.system.secrets import Secrets

ANSWER = CheckAnswer(status=500, seconds=0.01, size=5, content_type="text/plain", body="oh no")


def failed(expected: str, actual: str, *, problem: str | None = None, answer: CheckAnswer | None = None) -> CheckResult:
    return CheckResult(check="GET /", passed=False, expected=expected, actual=actual, problem=problem, answer=answer)


def test_a_wrong_value_is_shown_with_the_answer() -> None:
    assert rows_of_check(failed("$.id = 7", "8", answer=ANSWER)) == (
        ("expected", "$.id = 7"),
        ("got", "8"),
        ("answer", "status 500 in 10 ms, 5 bytes, text/plain: oh no"),
    )


def test_a_wrong_status_is_the_answer() -> None:
    assert rows_of_check(failed("status 200", 'status 500 with the body "oh no"', answer=ANSWER)) == (
        ("expected", "status 200"),
        ("got", "status 500 in 10 ms, 5 bytes, text/plain: oh no"),
    )


def test_a_problem_is_what_came() -> None:
    assert rows_of_check(failed("a complete check", "late", problem="late")) == (("got", "late"),)
    assert rows_of_check(failed("an open port", "refused")) == (("expected", "an open port"), ("got", "refused"))


def test_the_essence_of_a_failed_check_is_short_and_has_both_ends() -> None:
    result = failed(f"text with {'x' * 200}!", f"begin{'y' * 200}end", answer=ANSWER)
    essence = result.essence
    assert len(essence) < 220
    assert essence.startswith("GET /: expected text with xxx")
    assert "x!, got beginy" in essence
    assert essence.endswith("yend")
    assert len(failed("a", "b", problem="z" * 1000).essence) < 200


def test_a_masked_result_has_no_secret_anywhere() -> None:
    answer = CheckAnswer(status=200, content_type="s3cret", body="s3cret")
    result = CheckResult(
        check="GET /s3cret",
        passed=False,
        expected="s3cret",
        actual="s3cret",
        problem="s3cret",
        request="GET http://host/s3cret",
        answer=answer,
    )
    assert "s3cret" not in repr(result.masked(Secrets().with_values(["s3cret"])))
