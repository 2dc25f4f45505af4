"""The comparison of answers and outputs with what a check expects."""

from __future__ import annotations

import functools
from typing import Any

import msgspec
import pytest

from nox_pex.settings.checks import CommandCheck, HttpCheck, TextMatch
from nox_pex.smoke.checks.http_client import Answer
from nox_pex.smoke.checks.results import CommandOutput, command_result, differences, exit_allowed, http_result
from nox_pex.smoke.checks.texts import shorten
from nox_pex.system import limited
from nox_pex.system.limited import LimitError


@pytest.mark.parametrize(
    ("status", "allowed"),
    [(0, True), (-15, True), (143, True), (1, False), (-9, False), (-2, True), (130, True), (7, True)],
)
def test_the_name_of_a_signal_allows_both_of_its_exit_statuses(status: int, allowed: bool) -> None:  # noqa: FBT001  # pytest passes it by name
    assert exit_allowed(status, (0, "TERM", "SIGINT", 7)) is allowed


@pytest.mark.parametrize(
    ("expected", "actual", "found"),
    [
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, [("$.a[1].b", "2", "3")]),
        ({"a b": 1}, {"c": 1}, [('$["a b"]', "1", "nothing"), ("$.c", "nothing", "1")]),
        ([1], [1, 2], [("$", "1 items", "2 items")]),
        (1, True, [("$", "1", "true")]),
        (1, 1.0, []),
        (None, 0, [("$", "null", "0")]),
    ],
)
def test_each_difference_of_two_json_values_has_a_path(
    expected: Any, actual: Any, found: list[tuple[str, str, str]]
) -> None:
    assert list(differences(expected, actual)) == found


@pytest.mark.parametrize(
    ("paths", "passed"),
    [
        ({"$.items[0].id": 7}, True),
        ({"$.items[*].id": [7, 8]}, True),
        ({"$.items[?@.id > 7].id": 8}, True),
        ({"$.items[?@.id > 7].id": [8]}, True),
        ({"$.items": [{"id": 7}, {"id": 8}]}, True),
        ({"$.items[0].id": True}, False),
        ({"$.none": None}, False),
    ],
)
def test_a_json_path_matches_one_value_or_a_list_of_all(paths: dict[str, Any], passed: bool) -> None:  # noqa: FBT001  # pytest passes it by name
    answer = Answer(status=200, body=b'{"items": [{"id": 7}, {"id": 8}]}')
    assert http_result(HttpCheck(path="/", json_path=paths), answer).passed is passed


def test_a_schema_is_never_fetched() -> None:
    schema = {"$ref": "http://example.invalid/schema.json"}
    result = http_result(HttpCheck(path="/", json_schema="s.json"), Answer(status=200, body=b"{}"), schema=schema)
    assert not result.passed
    assert "cannot be resolved" in result.actual


def test_the_first_mismatch_is_the_result() -> None:
    check = HttpCheck(path="/", contains="x", headers={"X-Other": "y"})
    result = http_result(check, Answer(status=500, body=b"z"))
    assert str(result) == 'GET /: expected status 2xx, got status 500 with the body "z"'
    result = http_result(check, Answer(status=200, body=b"z"))
    assert str(result) == "GET /: expected header X-Other: y, got none"
    result = http_result(check, Answer(status=200, body=b"z", headers={"x-other": "y"}))
    assert str(result) == 'GET /: expected text with "x", got "z"'


def test_an_incomplete_answer_says_what_ended_it() -> None:
    result = http_result(HttpCheck(path="/"), Answer(status=200, problem="no complete answer within 1 s"))
    assert (result.expected, result.actual) == ("a complete answer", "no complete answer within 1 s")
    assert str(result) == "GET /: no complete answer within 1 s"
    result = http_result(HttpCheck(path="/"), Answer(problem="Connection refused"))
    assert str(result) == "GET /: expected status 2xx, got Connection refused"


def test_a_command_that_does_not_end_says_so_in_one_sentence() -> None:
    output = CommandOutput(status=None, stdout=b"", stderr=b"", seconds=0.5)
    result = command_result(CommandCheck(args=("hang",), timeout=0.5), output, name="tool")
    assert not result.passed
    assert result.expected == "exit status 0"
    assert str(result) == "tool hang: still running after 0.5 s (`timeout`), so it was killed"


def test_a_command_passes_only_with_its_exit_status_and_output() -> None:
    check = CommandCheck(exit_code=2, stderr_matches="no such option", stdout_not_contains="Traceback")
    output = CommandOutput(status=2, stdout=b"", stderr=b"error: no such option", seconds=0.1)
    assert command_result(check, output, name="tool").passed
    assert command_result(msgspec.structs.replace(check, script="other"), output, name="tool").check == "other"
    killed = CommandOutput(status=-6, stdout=b"", stderr=b"", seconds=0.1)
    assert str(command_result(check, killed, name="tool")) == "tool: expected exit status 2, got SIGABRT"


def test_a_long_text_is_cut_to_one_line() -> None:
    assert shorten(" a\r\n b ") == "a b"
    assert shorten("a\x85b\u2028\x1c") == "a\x85b\u2028\x1c"
    assert shorten("x" * 161) == "x" * 160 + "…"


@pytest.mark.parametrize(
    ("pattern", "output", "matches"),
    [
        ("^two$", b"one\ntwo\nthree\n", True),
        ("^two$", b"one\r\ntwo\r\nthree\r\n", True),
        ("^two$", b"one\n\x1b[32mtwo\x1b[0m\nthree\n", True),
        ("\x1b\\[32mtwo", b"\x1b[32mtwo\x1b[0m", True),
        ("one\ntwo", b"one\ntwo\n", True),
        ("^wo$", b"one\ntwo\nthree\n", False),
    ],
)
def test_a_pattern_of_a_command_matches_at_each_line(pattern: str, output: bytes, matches: bool) -> None:  # noqa: FBT001  # pytest passes it by name
    ended = CommandOutput(status=0, stdout=output, stderr=output, seconds=0.1)
    assert command_result(CommandCheck(stdout_matches=pattern), ended, "tool").passed is matches
    assert command_result(CommandCheck(stderr_matches=pattern), ended, "tool").passed is matches


@pytest.mark.parametrize(
    ("wanted", "given", "passed"),
    [
        ("text/css", "text/css", True),
        ("text/css", "text/css; charset=utf-8", False),
        (TextMatch(contains="text/css"), "text/css; charset=utf-8", True),
        (TextMatch(contains=("text", "utf-8")), "text/css; charset=utf-8", True),
        (TextMatch(contains=("text", "utf-16")), "text/css; charset=utf-8", False),
        (TextMatch(matches="^text/(css|html)"), "text/css; charset=utf-8", True),
        (TextMatch(matches="^text/html"), "text/css", False),
        (TextMatch(matches=".*"), None, False),
    ],
)
def test_a_header_is_exact_or_meets_conditions(wanted: str | TextMatch, given: str | None, passed: bool) -> None:  # noqa: FBT001  # pytest passes it by name
    answer = Answer(status=200, headers={} if given is None else {"content-type": given})
    result = http_result(HttpCheck(path="/", headers={"Content-Type": wanted}), answer)
    assert result.passed is passed
    assert passed or "Content-Type" in str(result)


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"7" + b"}" * depth


@pytest.mark.parametrize(
    ("check", "body", "actual"),
    [
        (HttpCheck(path="/", json={"a": "x"}), b'{"a": "\\ud800"}', '"\\ud800"'),
        (HttpCheck(path="/", matches="x"), b"\xff", "a body that is not utf-8 (byte 0)"),
        (HttpCheck(path="/", json={"a": 1}), nested(100_000), "nested too deeply"),
        (HttpCheck(path="/", json_path={"$..a": 1}), nested(100_000), "nested too deeply"),
    ],
)
def test_an_odd_body_is_a_clear_failure(check: HttpCheck, body: bytes, actual: str) -> None:
    result = limited.call(http_result, check, Answer(status=200, body=body), seconds=60.0)
    assert not result.passed
    assert actual in result.actual
    result.actual.encode("utf-8")


def test_a_json_path_descends_into_deep_json() -> None:
    check = HttpCheck(path="/", json_path={"$..b": "x"})
    body = nested(900).replace(b"7", b'{"b": "x"}')
    assert limited.call(http_result, check, Answer(status=200, body=body), seconds=60.0).passed


@pytest.mark.parametrize(
    ("check", "body", "names"),
    [
        (HttpCheck(path="/", matches="^(a+)+$"), b"a" * 50 + b"!", "`matches` '^(a+)+$'"),
        (HttpCheck(path="/", matches=r"\s+$"), b" " * 2**20 + b"!", r"`matches` '\\s+$'"),
        (HttpCheck(path="/", json_path={"$..*..*..*..*..*": 1}), nested(200), "`json-path` '$..*..*..*..*..*'"),
        (HttpCheck(path="/", json_path={"$[?search(@, '^(a+)+$')]": 1}), b'["%s!"]' % (b"a" * 50), "`json-path`"),
    ],
)
def test_a_comparison_that_takes_too_long_names_what_it_compares(check: HttpCheck, body: bytes, names: str) -> None:
    with pytest.raises(LimitError) as error:
        limited.call(http_result, check, Answer(status=200, body=body), seconds=0.5)
    assert str(error.value).startswith(names)


def test_a_schema_whose_pattern_takes_too_long_is_named() -> None:
    check = HttpCheck(path="/", json_schema="s.json")
    answer = Answer(status=200, body=b'"%s!"' % (b"a" * 50))
    compare = functools.partial(http_result, schema={"pattern": "^(a+)+$"})
    with pytest.raises(LimitError, match=r"`json-schema` 's\.json' took longer than 0\.5 s"):
        limited.call(compare, check, answer, seconds=0.5)
