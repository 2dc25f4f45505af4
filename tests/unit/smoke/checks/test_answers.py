"""The request and the answer of a check, as reports show them."""

from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.settings.checks import HttpCheck
from nox_pex.smoke.checks import answers
from nox_pex.smoke.checks.http_client import Answer
from nox_pex.smoke.plan import Endpoint
from nox_pex.system.secrets import Secrets

NONE = Secrets()


def answer(**keys: object) -> Answer:
    return Answer(**{"status": 200, "seconds": 0.0124, **keys})  # type: ignore[arg-type]  # the tests give right types


def test_a_request_is_the_method_and_the_url() -> None:
    here = Endpoint(url="http://127.0.0.1:8000", host="127.0.0.1", port=8000)
    assert answers.request_to(here, HttpCheck(path="/items?x=1", method="POST")) == (
        "POST http://127.0.0.1:8000/items?x=1"
    )
    socket = Endpoint(url="http://example.org", host="example.org", port=80, unix_socket=Path("/tmp/app.sock"))  # noqa: S108  # only a text
    assert answers.request_to(socket, HttpCheck(path="/")) == "GET http://example.org/ on /tmp/app.sock"


def test_an_answer_has_its_status_time_size_type_and_beginning() -> None:
    headers = {"content-type": "application/json"}
    found = answers.of_server(answer(headers=headers, body=b'{\n  "items": []\n}')).masked(NONE)
    assert str(found) == 'status 200 in 12 ms, 17 bytes, application/json: { "items": [] }'
    assert answers.as_json(found) == {
        "status": 200,
        "milliseconds": 12.4,
        "bytes": 17,
        "content-type": "application/json",
        "body": '{\n  "items": []\n}',
    }
    assert str(answers.of_server(answer(status=204, seconds=1.26)).masked(NONE)) == "status 204 in 1.3 s, 0 bytes"
    assert str(answers.of_server(Answer(problem="reset")).masked(NONE)) == "no status in 0 ms, 0 bytes"


def test_at_most_300_characters_of_a_body_are_shown() -> None:
    found = answers.of_server(answer(body=b"x" * 100_000)).masked(NONE)
    assert found.body == "x" * 299 + "…"
    assert found.size == 100_000


def test_a_secret_is_masked_before_the_body_is_cut() -> None:
    token = "t0ken" * 200
    found = answers.of_server(answer(body=f'{{"access_token": "{token}"}}'.encode()))
    shown = found.masked(NONE.with_values([token])).body
    assert shown == '{"access_token": "****"}'
    assert "t0ken" not in shown


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain; charset=iso-8859-1", b"caf\xe9", "caf\xe9"),
        ("text/plain; charset=utf-16", "hé".encode("utf-16"), "hé"),
        ("text/plain; charset=nonsense", b"caf\xe9", "caf\\xe9"),
        ("text/plain; charset=utf-16", b"\x00", "\\x00"),
        ("image/png", b"\x89PNG\r\n", "\\x89PNG\r\n"),
        ("", b"\xff", "\\xff"),
    ],
)
def test_any_body_can_be_shown(content_type: str, body: bytes, text: str) -> None:
    found = answers.of_server(answer(headers={"content-type": content_type}, body=body))
    assert found.body == text


def test_a_command_answers_with_its_exit_status_and_what_it_printed() -> None:
    found = answers.of_command(status=2, stdout=b" \n", stderr=b"usage: tool\n", seconds=0.3)
    assert str(found) == "exit status 2 in 300 ms, 14 bytes: usage: tool"
    assert str(answers.of_command(status=0, stdout=b"one", stderr=b"two", seconds=0.3)).endswith("6 bytes: one")
    assert str(answers.of_command(status=-11, stdout=b"", stderr=b"", seconds=0.3)) == "SIGSEGV in 300 ms, 0 bytes"
    killed = answers.of_command(status=None, stdout=b"", stderr=b"", seconds=9.0)
    assert str(killed) == "no exit status in 9.0 s, 0 bytes"


@pytest.mark.parametrize(
    ("actual", "says"),
    [
        ("status 500", True),
        ('status 500 with the body "x"', True),
        ("status 5000", False),
        ("8", False),
    ],
)
def test_whether_the_status_is_what_was_wrong(actual: str, *, says: bool) -> None:
    assert answers.of_server(answer(status=500)).says(actual) is says


def test_whether_the_exit_status_is_what_was_wrong() -> None:
    failed = answers.of_command(status=2, stdout=b"", stderr=b"", seconds=0.1)
    assert failed.says("2")
    assert not failed.says('"2"')
    assert answers.of_command(status=-9, stdout=b"", stderr=b"", seconds=0.1).says("SIGKILL")
    assert not answers.of_command(status=None, stdout=b"", stderr=b"", seconds=0.1).says("no exit status")


@pytest.mark.parametrize("secret", ["tr0ub4dor-and-3", "x" * 700])
@pytest.mark.parametrize("shift", range(0, 16, 3))
def test_a_secret_at_which_the_body_was_cut_does_not_show_in_part(secret: str, shift: int) -> None:
    secrets = Secrets(values=(secret,))
    body = b"y" * shift + secret.encode() * (40_000 // len(secret))
    answered = answers.of_command(status=0, stdout=body, stderr=b"", seconds=0.1).masked(secrets)
    assert answered.body.startswith("y" * shift)
    assert set(answered.body[shift:]) <= {"*", "…"}
