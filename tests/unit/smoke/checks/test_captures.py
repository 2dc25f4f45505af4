"""Values that a check captures."""

from __future__ import annotations

import pytest

from nox_pex.settings.checks import Capture, HttpCheck
from nox_pex.smoke.checks.captures import capture
from nox_pex.smoke.checks.http_client import Answer

BODY = b'{"id": 7, "token": "t-1", "ok": true, "items": [1.5, 2], "none": null, "empty": "", "half": "\\ud800"}'


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("$.token", "t-1"),
        ("$.id", "7"),
        ("$.ok", "true"),
        ("$.items[1]", "2"),
        ("$.items[0]", "1.5"),
        (Capture(header="location"), "/items/7"),
        (Capture(matches='"token": "([^"]+)"'), "t-1"),
        (Capture(matches="t-[0-9]"), "t-1"),
    ],
)
def test_a_value_is_text(where: str | Capture, value: str) -> None:
    answer = Answer(status=200, headers={"location": "/items/7"}, body=BODY)
    captured = capture(HttpCheck(path="/", capture={"x": where}), answer)
    assert (captured.values, captured.problem) == ({"x": value}, None)


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("$.nothing", "`capture.x` found nothing at '$.nothing'"),
        ("$.items[*]", "`capture.x` found 2 values at '$.items[*]' instead of one"),
        ("$.items", "`capture.x` found an array at '$.items'"),
        ("$", "`capture.x` found an object at '$'"),
        ("$.none", "`capture.x` found null at '$.none'"),
        ("$.empty", "`capture.x` found an empty text"),
        ("$.half", r"`capture.x` found '\ud800', which is no text in Unicode"),
        (Capture(header="Location"), "`capture.x` found no header Location"),
        (Capture(matches="nothing"), "`capture.x` found no match of 'nothing' in "),
        (Capture(matches="(nothing)?"), "`capture.x` found an empty text"),
    ],
)
def test_a_value_that_is_missing_or_ambiguous_is_a_problem(where: str | Capture, problem: str) -> None:
    captured = capture(HttpCheck(path="/", capture={"x": where}), Answer(status=200, body=BODY))
    assert captured.values == {}
    assert (captured.problem or "").startswith(problem)


def test_a_body_that_is_not_json_is_a_problem() -> None:
    captured = capture(HttpCheck(path="/", capture={"x": "$.id"}), Answer(status=200, body=b"<html>"))
    assert (captured.problem or "").startswith("`capture.x` needs JSON, and the answer is none: ")
