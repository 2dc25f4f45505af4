"""Checks that belong together: logins, cookies, captured values, endless answers, and searches that take too long."""

from __future__ import annotations

from typing import Any, Final

from tests.support.smoke_test import SmokeTest

FORM: Final[dict[str, Any]] = {
    "path": "/login",
    "headers": {"Content-Type": {"contains": "text/html", "matches": "charset=(utf|UTF)-8$"}},
    "capture": {"csrf": {"matches": 'value="([^"]+)"'}},
}
LOGIN: Final[dict[str, Any]] = {
    "path": "/login",
    "method": "POST",
    "request-body": "csrf={csrf}&name=me",
    "capture": {"access_token": "$.access_token", "user": "$.user"},
}
CREATE: Final[dict[str, Any]] = {
    "path": "/items",
    "method": "POST",
    "request-headers": {"Authorization": "Bearer {access_token}"},
    "request-json": {"user": "{user}"},
    "status": 201,
    "capture": {"item": {"header": "location"}},
}
SHOW: Final[dict[str, Any]] = {"path": "{item}", "json": {"user": "{user}"}}
COMMAND: Final[dict[str, Any]] = {"args": ["token", "{access_token}"], "stdout-matches": "^good$"}


def test_a_login_works_under_each_condition(smoke_test: SmokeTest) -> None:
    checks = [FORM, LOGIN, CREATE, SHOW, {"path": "/events", "until": "data: 5\n\n", "max-seconds": 5.0}]
    tested = smoke_test(
        "logs_in", "{port}", http=checks, command=[COMMAND], conditions=["cold", "warm"], log_forbid=["nothing"]
    )
    assert tested.code is None, tested.problem
    assert [boot.passed_checks for boot in tested.report.boot_results] == [6, 6]
    assert "t0ken-of-a-customer" not in repr(tested)
    assert "program token ****" in {result.check for result in tested.report.boot_results[0].check_results}


def test_a_captured_secret_is_masked_in_the_log_of_a_failure(smoke_test: SmokeTest) -> None:
    tested = smoke_test("logs_in", "{port}", http=[FORM, LOGIN, {"path": "/{access_token}"}], log_forbid=["logged"])
    assert (tested.code, tested.problem) == (
        "check-failed",
        'cold: GET /****: expected status 2xx, got status 404 with the body "{}"',
    )
    assert tested.log == "logged in with ****"
    assert "t0ken-of-a-customer" not in repr(tested)
    tested = smoke_test("logs_in", "{port}", http=[FORM, LOGIN], log_forbid=["logged.*"])
    assert tested.problem == "cold: a line of the log matches `log-forbid` 'logged.*': logged in with ****"


def test_a_check_without_its_value_is_not_sent(smoke_test: SmokeTest) -> None:
    bad = {**LOGIN, "request-body": "csrf=wrong&name=me"}
    tested = smoke_test("logs_in", "{port}", http=[FORM, bad, CREATE, SHOW], command=[COMMAND])
    assert tested.problem == 'cold: POST /login: expected status 2xx, got status 403 with the body "{}"'
    explained = [result.explanation for result in tested.report.boot_results[0].check_results]
    assert explained[2] == "not run: it needs {access_token}, which POST /login did not capture"
    assert explained[3] == "not run: it needs {item}, which POST /items did not capture"


def test_a_search_that_takes_too_long_is_the_failure(smoke_test: SmokeTest) -> None:
    slow = r"^(.+\n*)+!$"
    events = {"path": "/events", "until": "data: 40\n", "matches": [slow], "timeout": 2.0}
    tested = smoke_test("logs_in", "{port}", http=[{"path": "/login"}, events])
    assert tested.code == "check-failed"
    assert f"`matches` {slow!r} took longer than" in tested.problem
    assert "`timeout`" in tested.problem
    assert tested.seconds < 12
