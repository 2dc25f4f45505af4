"""The block that ends a failed smoke test: what was expected, what came, and where its log is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.smoke import report
from nox_pex.smoke.plan import Options
from tests.support.smoke_test import SmokeTest, Tested


def failure_of(tested: Tested) -> NoxPexError:
    assert tested.report.failure is not None
    return tested.report.failure


def rows(tested: Tested) -> dict[str, str]:
    return dict(failure_of(tested).rows)


@pytest.mark.parametrize(
    ("argv", "settings", "subject", "expected"),
    [
        (
            ["dies", "with-1"], {}, "program, cold",
            {"expected": "it keeps running", "got": "exit status 1, after"},
        ),
        (
            ["listens", "well"], {"http": [{"path": "/", "json": {"message": "Bye"}}]}, "program, cold: GET /",
            {"expected": '$.message = "Bye"', "got": '"Hello World"', "answer": "status 200 in "},
        ),
        (
            ["listens", "well"], {"http": [{"path": "/", "status": 404}]}, "program, cold: GET /",
            {"expected": "status 404", "got": "status 200 in "},
        ),
        (
            ["listens", "never"], {"startup-timeout": 0.5}, "program, cold",
            {"expected": "an answer on http://127.0.0.1:", "got": "nothing listens on http://127.0.0.1:"},
        ),
        (
            ["listens", "well"], {"log-require": ["^never$"]}, "program, cold",
            {"expected": "a line matches '^never$' (`log-require`)", "got": "no such line"},
        ),
        (
            ["logs", "a-traceback"], {"log-forbid": ["Traceback"]}, "program, cold",
            {"expected": "no line matches 'Traceback'", "got": "Traceback (most recent call last):"},
        ),
        (
            ["listens", "well"], {"before": [["sh", "-c", "echo no; exit 3"]]}, "program, cold: `before`",
            {"command": "sh -c echo no; exit 3", "got": "exit status 3"},
        ),
        (
            ["listens", "well"], {"command": [{"args": ["not-at-all", "1"], "exit-code": 3}]},
            "program, cold: program not-at-all 1",
            {"expected": "exit status 3", "got": "exit status 0 in "},
        ),
    ],
)  # fmt: skip
def test_the_rows_say_what_was_expected_and_what_came(
    smoke_test: SmokeTest, argv: list[str], settings: dict[str, Any], subject: str, expected: dict[str, str]
) -> None:
    settings = {"http": [{"path": "/"}], **settings}
    tested = smoke_test(*argv, "{port}", **settings)
    failure = failure_of(tested)
    assert failure.subject == subject
    assert {label: text[: len(expected[label])] for label, text in failure.rows if label in expected} == expected
    assert tested.report.boot_results[0].state == "failed"
    assert not any(failure.problem in line for line in tested.said), "the cause is said once"


def test_a_budget_and_a_stop_say_the_limit(smoke_test: SmokeTest) -> None:
    tested = smoke_test("listens", "well", "{port}", budget={"size": "1 kB"})
    assert failure_of(tested).subject == "program: size"
    assert rows(tested)["expected"] == "at most 1000 bytes (`budget.size`)"
    tested = smoke_test("stops", "never", "{port}", stop_timeout=0.3)
    assert tested.code == "stop-timeout"
    assert failure_of(tested).subject == "program, cold: stop"
    assert rows(tested)["expected"] == "it ends within 0.3 s after SIGTERM (`stop-timeout`)"


def test_an_empty_log_is_said_to_be_empty(smoke_test: SmokeTest) -> None:
    tested = smoke_test("odd_workers", "silent", http=[], ready={"log": "^worker ready"}, startup_timeout=0.5)
    assert tested.code == "startup-timeout"
    assert rows(tested)["its log"] == "is empty"


def test_the_log_of_the_server_tells_and_not_that_of_a_command(smoke_test: SmokeTest) -> None:
    tested = smoke_test(
        "logs", "a-traceback", "{port}", http=[{"path": "/", "json": {}}], command=[{"args": ["escapes", "0", "exit"]}]
    )
    failure = failure_of(tested)
    assert failure.subject == "program, cold: GET /"
    assert failure.cause[-1] == "ValueError: of no consequence"
    assert failure.whole_log.startswith("# program a-traceback ")
    assert "# program escapes 0 exit\n" in failure.whole_log
    assert failure.log_count == failure.whole_log.count("\n")


def test_a_secret_is_in_no_part_of_a_failure(smoke_test: SmokeTest) -> None:
    token = "s3cr3t-t0ken"
    tested = smoke_test(
        "logs", "a-secret", "{port}", env={"SERVICE_TOKEN": token}, http=[{"path": f"/?q={token}", "json": {}}]
    )
    failure = failure_of(tested)
    shown = [text for row in failure.block("smoke") for text in row]
    every = (*shown, *failure.cause, failure.whole_log, report.json_text(tested.report), *tested.said)
    assert not any(token in text for text in every)
    assert any("connecting with ****" in text for text in (failure.whole_log, *failure.cause))


def test_the_result_has_the_request_and_the_answer_of_each_check(smoke_test: SmokeTest) -> None:
    tested = smoke_test(
        *("listens", "well", "{port}"),
        http=[{"path": "/?a=1", "method": "POST"}],
        tcp=[{"port": "{port}"}],
        command=[{"args": ["not-at-all", "0"]}],
    )
    assert tested.code is None, tested.problem
    (boot,) = json.loads(report.json_text(tested.report))["conditions"]
    http, tcp, command = boot["verdicts"]
    assert http["request"].startswith("POST http://127.0.0.1:")
    assert http["request"].endswith("/?a=1")
    assert http["answer"]["status"] == 200
    assert http["answer"]["body"] == '{"message": "Hello World"}'
    assert http["answer"]["bytes"] == 26
    assert http["answer"]["milliseconds"] > 0
    assert tcp["request"].startswith("127.0.0.1 port ")
    assert tcp["answer"] is None
    assert command["request"] == "program not-at-all 0"
    assert (command["answer"]["status"], command["answer"]["body"]) == (0, "listens 1.0\n")


def test_a_captured_token_is_masked_in_requests_and_answers(smoke_test: SmokeTest) -> None:
    tested = smoke_test(
        *("listens", "well", "{port}"),
        http=[
            {"path": "/", "capture": {"token": {"matches": '"(Hello World)"'}}},
            {"path": "/?token={token}", "contains": "Bye"},
        ],
    )
    assert tested.code == "check-failed"
    first, second = tested.report.boot_results[0].check_results
    assert first.answer is not None
    assert first.answer.body == '{"message": "****"}'
    assert second.request.endswith("/?token=****")
    assert "Hello World" not in report.json_text(tested.report)
    assert "Hello World" not in str(failure_of(tested).block("smoke"))


def test_a_program_that_is_served_leaves_no_log_for_a_file(smoke_test: SmokeTest) -> None:
    tested = smoke_test("dies", "with-1", "{port}", options=Options(serve=True))
    assert tested.code == "exited-early"
    assert failure_of(tested).whole_log == ""
