"""Basic and token authentication, and where credentials never go."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from nox_pex.oci import media_types
from nox_pex.oci.descriptor import describe
from nox_pex.registry.repository import Repository
from tests.support.faulty_registry import Answer, FaultyRegistry
from tests.unit.registry.conftest import Client
from tests.unit.registry.test_repository import failure

LOGIN = "robot:correct-horse"
AUTH = base64.b64encode(LOGIN.encode()).decode()
DATA = b"a layer"
LAYER = describe(DATA, media_types.LAYER_TAR)


def of_tokens(server: FaultyRegistry) -> list[str]:
    return [str(each) for each in server.requests if each.path.startswith("/token")]


def fetch(repository: Repository) -> bytes:
    return repository.fetch_small(LAYER, 100)


@pytest.fixture
def private(server: FaultyRegistry) -> FaultyRegistry:
    server.login = LOGIN
    server.add_blob("team/app", DATA)
    return server


@pytest.mark.parametrize("basic", [False, True])
def test_credentials_are_sent_when_the_registry_asks_and_then_with_each_request(
    private: FaultyRegistry, repository: Repository, log_in: Callable[..., Path], *, basic: bool
) -> None:
    private.basic = basic
    log_in(private.host, auth=AUTH)

    assert [fetch(repository) for _ in range(3)] == [DATA] * 3

    sent = ["authorization" in each.headers for each in private.requests if "/blobs/" in each.path]
    assert sent == [False, True, True, True]
    if not basic:
        (asked,) = of_tokens(private)
        assert "x=1" in asked
        assert "service=the%2C+registry" in asked
        assert "scope=repository%3Ateam%2Fapp%3Apull" in asked
    assert "correct-horse" not in repr(repository.secrets.mask(f"{LOGIN} {AUTH} {private.tokens}"))
    assert AUTH not in repository.secrets.mask(f"{AUTH}")


def test_each_scope_has_its_own_token(
    private: FaultyRegistry, repository: Repository, log_in: Callable[..., Path]
) -> None:
    log_in(private.host, auth=AUTH)
    fetch(repository)
    repository.has(LAYER.digest, actions="pull,push")
    fetch(repository)
    assert [line.rpartition("%3A")[2] for line in of_tokens(private)] == ["pull", "pull%2Cpush"]


def test_a_token_that_has_ended_is_renewed_once_for_all_threads(
    private: FaultyRegistry, repository: Repository, log_in: Callable[..., Path]
) -> None:
    log_in(private.host, auth=AUTH)
    fetch(repository)
    private.tokens.clear()
    got: list[bytes] = []
    threads = [threading.Thread(target=lambda: got.append(fetch(repository))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [DATA] * 8
    assert len(of_tokens(private)) == 2


def test_an_identity_token_is_exchanged_in_the_body_of_a_request(
    private: FaultyRegistry, repository: Repository, log_in: Callable[..., Path]
) -> None:
    private.identity_token = "identity-token"
    log_in(private.host, identitytoken="identity-token")
    assert fetch(repository) == DATA
    (asked,) = [each for each in private.requests if each.path.startswith("/token")]
    assert (asked.method, b"scope=repository%3Ateam%2Fapp%3Apull" in asked.body) == ("POST", True)
    assert "identity-token" not in asked.path


def test_a_token_of_the_registry_is_sent_as_it_is(
    private: FaultyRegistry, repository: Repository, log_in: Callable[..., Path]
) -> None:
    private.tokens.add("my-own-token")
    log_in(private.host, registrytoken="my-own-token")
    assert fetch(repository) == DATA


def test_without_credentials_a_token_for_nobody_is_enough_to_read(
    server: FaultyRegistry, repository: Repository
) -> None:
    server.login = LOGIN
    server.add_blob("team/app", DATA)
    server.tokens.add("for-nobody")
    server.answer("/token", Answer(body=b'{"access_token":"for-nobody","expires_in":"soon"}'))
    assert fetch(repository) == DATA
    assert "authorization" not in next(each for each in server.requests if "/token" in each.path).headers


@pytest.mark.parametrize("basic", [False, True])
def test_refused_credentials_name_the_file_and_end(
    private: FaultyRegistry, repository: Repository, log_in: Callable[..., Path], *, basic: bool
) -> None:
    private.basic = basic
    file = log_in(private.host, username="robot", password="wrong-password")
    problem = failure(lambda: fetch(repository), "registry-auth")
    assert f"401 Unauthorized with the credentials from {file}" in problem
    assert "wrong-password" not in problem
    assert len(private.requests) < 6


@pytest.mark.parametrize("basic", [False, True])
def test_without_credentials_the_places_are_named(
    private: FaultyRegistry, repository: Repository, client: Client, *, basic: bool
) -> None:
    private.basic = basic
    problem = failure(lambda: fetch(repository), "registry-auth")
    assert private.host in problem
    assert f"{client.environ['HOME']}/.docker/config.json" in problem


def test_a_registry_that_always_answers_401_is_asked_twice(
    server: FaultyRegistry, repository: Repository, log_in: Callable[..., Path]
) -> None:
    log_in(server.host, auth=AUTH)
    server.login = LOGIN
    server.answer("/v2/team", Answer(status=401, headers={"WWW-Authenticate": f'Bearer realm="{server.url}/token"'}))
    failure(lambda: fetch(repository), "registry-auth")
    assert len([path for path in server.paths() if "/blobs/" in path]) == 2


def test_a_refusal_has_the_words_of_the_registry_but_no_secret(
    server: FaultyRegistry, repository: Repository, log_in: Callable[..., Path]
) -> None:
    log_in(server.host, auth=AUTH)
    server.login, server.basic = LOGIN, True
    told = Answer(status=403, body=f'{{"errors":[{{"code":"DENIED","message":"{AUTH} correct-horse"}}]}}'.encode())
    server.answer("/blobs/", lambda request: told if "authorization" in request.headers else None)
    problem = failure(lambda: fetch(repository), "registry-auth")
    assert "403 Forbidden" in problem
    assert "DENIED" in problem
    assert "correct-horse" not in problem
    assert AUTH not in problem


@pytest.mark.parametrize(
    "challenge",
    [
        'Bearer realm="http://tokens.example/token"',
        'Bearer realm="ftp://127.0.0.1/token"',
        'Bearer realm="https://"',
        'Bearer realm=""',
        "Bearer service=x",
        'Bearer realm="http://[::1"',
        "Negotiate",
        "Digest realm=x",
    ],
)
def test_credentials_go_to_no_other_token_server_than_https_and_loopback(
    server: FaultyRegistry, repository: Repository, log_in: Callable[..., Path], challenge: str
) -> None:
    log_in(server.host, auth=AUTH)
    server.answer("/blobs/", Answer(status=401, headers={"WWW-Authenticate": challenge}))
    failure(lambda: fetch(repository), "registry-auth")
    assert all("authorization" not in each.headers for each in server.requests)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"token":7}',
        b'{"token":""}',
        b'{"token":"a\\r\\nb: c"}',
        b'{"token":"\xc3\xa9"}',
    ],
)
def test_nonsense_of_a_token_server_is_no_token(private: FaultyRegistry, repository: Repository, body: bytes) -> None:
    private.answer("/token", Answer(body=body))
    assert "without a token" in failure(lambda: fetch(repository))


def test_an_endless_answer_of_a_token_server_ends(private: FaultyRegistry, repository: Repository) -> None:
    private.answer("/token", Answer(endless=True))
    assert "without a token" in failure(lambda: fetch(repository))


def test_a_token_server_may_fail_for_a_while(
    private: FaultyRegistry, repository: Repository, log_in: Callable[..., Path]
) -> None:
    log_in(private.host, auth=AUTH)
    private.answer("/token", Answer(status=503), times=2)
    assert fetch(repository) == DATA


def test_a_redirect_of_the_token_server_gets_no_credentials(
    private: FaultyRegistry, other: FaultyRegistry, repository: Repository, log_in: Callable[..., Path]
) -> None:
    log_in(private.host, auth=AUTH)
    private.answer("/token", Answer(status=307, headers={"Location": f"{other.url}/token"}))
    failure(lambda: fetch(repository), "registry-auth")
    assert other.requests
    assert all("authorization" not in each.headers for each in other.requests)


def test_an_identity_token_follows_no_redirect(
    private: FaultyRegistry, other: FaultyRegistry, repository: Repository, log_in: Callable[..., Path]
) -> None:
    log_in(private.host, identitytoken="identity-token")
    private.answer("/token", Answer(status=307, headers={"Location": f"{other.url}/token"}))
    assert "307 Temporary Redirect" in failure(lambda: fetch(repository))
    assert other.requests == []
