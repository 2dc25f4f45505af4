"""The state that checks share."""

from __future__ import annotations

import pytest

from nox_pex.settings.checks import CommandCheck, HttpCheck
from nox_pex.smoke.checks.captures import Captured
from nox_pex.smoke.checks.conversation import Conversation, FillError
from nox_pex.smoke.plan import Endpoint
from nox_pex.system.secrets import Secrets


def conversation(values: dict[str, str], *, passed: bool = True, url: str = "http://127.0.0.1:8000") -> Conversation:
    state = Conversation(Endpoint(url=url, host="127.0.0.1", port=8000), Secrets())
    check = HttpCheck(path="/login", method="POST", capture=dict.fromkeys(values, "$.x"))
    state.record(check, Captured(values=values), passed=passed)
    return state


def test_a_value_goes_into_every_text_of_a_request() -> None:
    check = HttpCheck(
        path="/items/{id}?again={id}",
        method="PUT",
        request_headers={"Authorization": "Bearer {token}"},
        request_json={"id": "{id}", "more": ["{token} {other} {}"], "number": 1},
        matches="id={id}",
    )
    filled = conversation({"id": "7.5", "token": "t{id}"}).fill(check)
    assert filled.path == "/items/7.5?again=7.5"
    assert filled.request_headers == {"Authorization": "Bearer t{id}"}  # not filled in again
    assert filled.request_json == {"id": "7.5", "more": ["t{id} {other} {}"], "number": 1}
    assert filled.matches == r"id=7\.5"


def test_a_value_goes_into_the_arguments_the_variables_and_the_input_of_a_command() -> None:
    check = CommandCheck(args=("--token", "{token}"), env={"TOKEN": "{token}"}, stdin="{token}\n")
    filled = conversation({"token": "a\nb"}).fill(check)
    assert (filled.args, filled.env, filled.stdin) == (("--token", "a\nb"), {"TOKEN": "a\nb"}, "a\nb\n")


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/items/7", "/items/7"),
        ("http://127.0.0.1:8000/items/7?a=b#top", "/items/7?a=b"),
        ("http://127.0.0.1:8000", "/"),
        ("//127.0.0.1:8000/x", "/x"),
        ("http://shop.example/x", "/x"),
    ],
)
def test_the_url_of_the_server_itself_is_a_path(location: str, path: str) -> None:
    check = HttpCheck(path="{id}", request_headers={"Host": "shop.example"})
    assert conversation({"id": location}).fill(check).path == path


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("http://example.invalid/x", "not run: http://example.invalid/x is on another server than http://127.0.0.1:80"),
        ("http://127.0.0.1:8001/x", "not run: http://127.0.0.1:8001/x is on another server"),
        ("http://[x", "not run: 'http://[x' is not a URL"),
        ("items/7", "not run: with the captured values filled in: "),
        ("/a\r\nX-Evil: 1", "not run: the value of {id} contains a line break, which a path or a header cannot have"),
        ("/a\0b", "not run: the value of {id} contains a NUL character"),
    ],
)
def test_a_value_that_is_no_path_of_the_server_is_a_failure(location: str, problem: str) -> None:
    with pytest.raises(FillError) as error:
        conversation({"id": location}).fill(HttpCheck(path="{id}"))
    assert str(error.value).startswith(problem)


def test_a_command_cannot_have_a_nul() -> None:
    with pytest.raises(FillError, match="contains a NUL character, which a command cannot have"):
        conversation({"id": "a\0b"}).fill(CommandCheck(args=("{id}",)))


def test_a_body_may_have_several_lines() -> None:
    check = HttpCheck(path="/", method="POST", request_body="{text}")
    assert conversation({"text": "a\nb"}).fill(check).request_body == "a\nb"


def test_a_check_is_not_sent_without_a_value_of_a_failed_check() -> None:
    with pytest.raises(FillError, match=r"not run: it needs \{id\}, which POST /login did not capture"):
        conversation({"id": "7"}, passed=False).fill(HttpCheck(path="/items/{id}"))


def test_a_value_with_the_name_of_a_secret_is_one() -> None:
    state = conversation({"access_token": "abcdef123", "id": "visible-7"})
    assert state.secrets.mask("abcdef123 visible-7") == "**** visible-7"
    failed = conversation({"access_token": "abcdef123"}, passed=False)
    assert failed.secrets.mask("abcdef123") == "****"


def test_a_value_in_a_header_with_the_name_of_a_secret_is_one() -> None:
    state = conversation({"id": "abcdef123"})
    state.fill(HttpCheck(path="/", request_headers={"Authorization": "Bearer {id}"}))
    assert state.secrets.mask("with abcdef123") == "with ****"
