"""The answers of a program: right, wrong, late and broken ones."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import pytest

from tests.support.smoke_test import GREETING, SmokeTest


def test_a_program_is_not_ready_while_it_answers_503(smoke_test: SmokeTest) -> None:
    tested = smoke_test("answers", "with-503-for-a-while", "{port}")
    assert tested.code is None, tested.problem


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("nothing", "no complete answer within"),
        ("a-byte-a-while", "no complete answer within"),
        ("with-503-for-ever", "got status 503"),
    ],
)
def test_a_program_that_is_never_ready_times_out(mode: str, message: str, smoke_test: SmokeTest) -> None:
    tested = smoke_test("answers", mode, "{port}", startup_timeout=1.5)
    assert tested.code == "startup-timeout"
    assert message in tested.problem
    assert tested.seconds < 9


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("every-other-time", "expected status 200, got status 500"),
        ("half", "peer closed connection without sending complete message body"),
        ("with-a-short-length", "expected JSON, got "),
        ("a-body-byte-a-while", "no complete answer within 1 s"),
        ("endlessly", "the body is larger than 16777216 bytes"),
        ("with-a-bomb-in-a-bomb", "the body is larger than 16777216 bytes"),
        ("badly-compressed", "the body is not gzip, as its Content-Encoding says"),
        ("oddly-compressed", "the body has the unsupported Content-Encoding 'shrink'"),
        ("no-json", "expected JSON, got "),
        ("no-utf-8", "expected text, got a body that is not utf-8"),
        ("in-circles", "more than 10 redirects"),
        ("next-door", "redirected to http://127.0.0.1:"),
    ],
)
def test_a_wrong_answer_fails_in_little_time_and_memory(mode: str, message: str, smoke_test: SmokeTest) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    check = GREETING | {"timeout": 1.0 if mode == "a-body-byte-a-while" else 20.0, "follow-redirects": True}
    if "redirect" in message:
        del check["status"], check["json"]
        check["status"] = "3xx"
    tested = smoke_test("answers", mode, "{port}", http=[check])
    assert tested.code == "check-failed"
    assert tested.problem.startswith(f"cold: GET /: {message}")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000


@pytest.mark.parametrize("mode", ["well", "compressed", "round-the-corner"])
def test_a_right_answer_passes(mode: str, smoke_test: SmokeTest) -> None:
    tested = smoke_test("answers", mode, "{port}", http=[GREETING | {"follow-redirects": True}])
    assert tested.code is None, tested.problem


def test_a_redirect_is_an_answer_unless_it_is_followed(smoke_test: SmokeTest) -> None:
    check = {"path": "/", "status": 302, "headers": {"location": "http://{host}:{port}/"}}
    assert smoke_test("answers", "in-circles", "{port}", http=[check]).code is None


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ({"status": 201}, "expected status 201, got status 200"),
        ({"status": [204, "4xx"]}, "expected status 204 or 4xx, got status 200"),
        ({"json": {"message": "Hello"}}, '$.message = "Hello", got "Hello World"'),
        ({"contains": "Goodbye"}, 'text with "Goodbye"'),
        ({"not-contains": ["World"]}, 'text without "World"'),
        ({"matches": "^Hello"}, "text that matches '^Hello'"),
        ({"headers": {"X-Greeting": "bye"}}, "header X-Greeting: bye, got hello"),
        ({"headers": {"X-Other": "bye"}}, "header X-Other: bye, got none"),
        ({"json-path": {"$.message": 7}}, '$.message = 7, got "Hello World"'),
        ({"json-schema": "schema.json"}, "JSON that schema.json accepts"),
        ({"max-size": "5 B"}, "at most 5 B, got 26 bytes"),
        ({"max-seconds": 0.000001}, "an answer within 1e-06 s"),
    ],
)
def test_each_requirement_of_an_answer_can_fail(
    check: dict[str, Any], message: str, smoke_test: SmokeTest, project: Path
) -> None:
    schema = {"type": "object", "required": ["id"]}
    (project / "schema.json").write_text(json.dumps(schema), encoding="utf-8")
    tested = smoke_test("answers", "well", "{port}", http=[{"path": "/", **check}])
    assert tested.code == "check-failed"
    assert message in tested.problem
    assert tested.seconds < 10


def test_all_requirements_of_an_answer_can_pass(smoke_test: SmokeTest, project: Path) -> None:
    schema = {"type": "object", "required": ["message"]}
    (project / "schema.json").write_text(json.dumps(schema), encoding="utf-8")
    check = GREETING | {
        "status": ["2xx", 304],
        "contains": ["Hello", "World"],
        "not-contains": "Goodbye",
        "matches": r"Hello\s\w+",
        "headers": {"x-greeting": "hello"},
        "json-path": {"$.message": "Hello World", "$..nothing": []},
        "json-schema": "schema.json",
        "max-seconds": 5,
        "max-size": "1 KiB",
    }
    tested = smoke_test("answers", "well", "{port}", http=[check])
    assert tested.code is None, tested.problem


def test_the_request_is_sent_as_the_settings_say(smoke_test: SmokeTest) -> None:
    check = {
        "path": "/a?b=%7Bid%7D&c={port}",
        "method": "PUT",
        "request-headers": {"X-Token": "{host}"},
        "request-json": {"a": [1, "{id}"]},
        "json-path": {"$.method": "PUT", "$.path": "/a?b=%7Bid%7D&c={port}"},
        "matches": ["X-Token: 127.0.0.1", "Content-Type: application/json"],
    }
    tested = smoke_test("answers", "echo", "{port}", http=[check])
    assert tested.code is None, tested.problem


def test_all_checks_run_and_the_first_failure_counts(smoke_test: SmokeTest) -> None:
    checks = [{"path": "/"}, {"path": "/x", "status": 404}, {"path": "/y", "status": 403}, {"path": "/z"}]
    tested = smoke_test("answers", "well", "{port}", http=checks)
    assert "GET /x" in tested.problem
    assert (tested.report.boot_results[0].passed_checks, tested.report.boot_results[0].check_count) == (2, 4)


def test_ready_has_its_own_path_and_status(smoke_test: SmokeTest) -> None:
    ready = {"path": "/healthz", "status": 204}
    tested = smoke_test("answers", "well", "{port}", ready=ready, startup_timeout=1.0)
    assert tested.code == "startup-timeout"
    assert "GET /healthz: expected status 204, got status 200" in tested.problem
