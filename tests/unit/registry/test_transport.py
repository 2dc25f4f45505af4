"""Redirects, TLS, plain HTTP and proxies: where requests go, and with what."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.oci import media_types
from nox_pex.oci.descriptor import describe
from nox_pex.registry.repository import Repository
from tests.support.faulty_registry import Answer, FaultyRegistry, serve_registry
from tests.support.registries import make_certificates
from tests.unit.registry.conftest import Client
from tests.unit.registry.test_repository import failure

LOGIN = "robot:correct-horse"
AUTH = base64.b64encode(LOGIN.encode()).decode()
DATA = b"a layer"
LAYER = describe(DATA, media_types.LAYER_TAR)


def fetch(repository: Repository) -> bytes:
    return repository.fetch_small(LAYER, 100)


def redirect(to: str, status: int = 307) -> Answer:
    headers = {"Location": to, "Set-Cookie": "session=stolen; Path=/"}
    return Answer(status=status, headers=headers)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_server_gets_no_credentials_and_no_cookie(
    server: FaultyRegistry,
    other: FaultyRegistry,
    repository: Repository,
    log_in: Callable[..., Path],
    status: int,
) -> None:
    log_in(server.host, auth=AUTH)
    server.login, server.basic = LOGIN, True
    server.answer(
        "GET /v2/team/app/blobs",
        lambda request: redirect(f"{other.url}/storage?sig=1", status) if "authorization" in request.headers else None,
    )
    other.answer("/storage", Answer(body=DATA))

    assert fetch(repository) == DATA

    assert [str(each) for each in other.requests] == ["GET /storage?sig=1"]
    assert not {"authorization", "cookie"} & other.requests[0].headers.keys()
    assert all("cookie" not in each.headers for each in server.requests)


def test_another_server_that_asks_for_credentials_gets_none(
    server: FaultyRegistry, other: FaultyRegistry, repository: Repository, log_in: Callable[..., Path]
) -> None:
    log_in(server.host, auth=AUTH)
    log_in(other.host, auth=AUTH)
    server.answer("GET /v2/team/app/blobs", redirect(f"{other.url}/storage"))
    other.answer("", Answer(status=401, headers={"WWW-Authenticate": 'Basic realm="give me all"'}))
    assert f"GET {other.url}/storage: 401 Unauthorized" in failure(lambda: fetch(repository))
    assert all("authorization" not in each.headers for each in other.requests)


def test_a_redirect_within_the_registry_keeps_the_credentials(
    server: FaultyRegistry, repository: Repository, log_in: Callable[..., Path]
) -> None:
    log_in(server.host, auth=AUTH)
    server.login, server.basic = LOGIN, True
    server.answer(
        "GET /v2/team/app/blobs",
        lambda request: redirect("/v2/other/place/blobs/x") if "authorization" in request.headers else None,
    )
    server.answer("GET /v2/other", lambda request: Answer(body=DATA) if "authorization" in request.headers else None)
    assert fetch(repository) == DATA


@pytest.mark.parametrize(
    "target",
    [
        "http://storage.example/blob",
        "ftp://storage.example/blob",
        "file:///etc/passwd",
        "http://[broken",
        "https://",
        "http://127.0.0.1:99999/",
        "//storage.example/blob",
    ],
)
def test_a_redirect_to_a_place_without_encryption_is_not_followed(
    server: FaultyRegistry, repository: Repository, target: str
) -> None:
    server.answer("GET /v2/team/app/blobs", redirect(target))
    assert "redirects to" in failure(lambda: fetch(repository))


def test_redirects_come_to_an_end(server: FaultyRegistry, repository: Repository) -> None:
    server.answer("GET /v2/team/app/blobs", lambda request: redirect(request.path + "x"))
    assert "redirects more than 5 times" in failure(lambda: fetch(repository))
    assert len(server.paths("GET")) == 1 + 6


def test_user_and_password_in_a_redirect_are_not_used(
    server: FaultyRegistry, other: FaultyRegistry, repository: Repository
) -> None:
    server.answer("GET /v2/team/app/blobs", redirect(other.url.replace("//", "//user:password@") + "/storage"))
    other.answer("/storage", Answer(body=DATA))
    assert fetch(repository) == DATA
    assert "authorization" not in other.requests[0].headers


def test_the_existence_of_a_blob_follows_redirects_too(
    server: FaultyRegistry, other: FaultyRegistry, repository: Repository
) -> None:
    server.answer("HEAD /v2/team/app/blobs", redirect(f"{other.url}/storage"))
    other.answer("HEAD /storage", Answer(status=403), times=1)
    assert not repository.has(LAYER.digest)  # a signed address may be for GET only: then the blob is sent
    other.answer("HEAD /storage", Answer(status=200))
    assert repository.has(LAYER.digest)


def test_tls_on_loopback_is_found_and_its_certificate_is_checked(
    client: Client, tmp_path: Path, log_in: Callable[..., Path]
) -> None:
    certificates = make_certificates(tmp_path)
    with serve_registry(certificates=certificates) as server:
        log_in(server.host, auth=AUTH)
        server.login, server.basic = LOGIN, True
        server.add_blob("team/app", DATA)
        with pytest.raises(NoxPexError, match=r"the certificate of 127\.0\.0\.1 is not trusted") as caught:
            fetch(client.open(f"{server.host}/team/app"))
        assert f"/etc/containers/certs.d/{server.host}/ca.crt" in caught.value.remedy
        assert server.requests == []  # never plain HTTP instead, with or without credentials

        client.environ["SSL_CERT_FILE"] = str(certificates.ca)
        assert fetch(client.open(f"{server.host}/team/app")) == DATA
        assert server.requests[-1].headers["authorization"] == f"Basic {AUTH}"


def test_the_authority_may_be_where_podman_and_docker_look_for_it(client: Client, tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    with serve_registry(certificates=certificates) as server:
        server.add_blob("team/app", DATA)
        directory = Path(client.environ["HOME"]) / ".config" / "containers" / "certs.d" / server.host
        directory.mkdir(parents=True)
        (directory / "ca.crt").write_bytes(certificates.ca.read_bytes())
        assert fetch(client.open(f"{server.host}/team/app")) == DATA
        (directory / "more.crt").write_text("nonsense", "utf-8")
        assert f"{directory / 'more.crt'}" in failure(lambda: fetch(client.open(f"{server.host}/team/app")))


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_file_of_certificates_that_is_none_is_named(client: Client, tmp_path: Path, variable: str) -> None:
    certificates = make_certificates(tmp_path)
    with serve_registry(certificates=certificates) as secure:
        client.environ[variable] = str(tmp_path / "missing.pem")
        problem = failure(lambda: fetch(client.open(f"{secure.host}/team/app")))
        assert problem.startswith(f"{tmp_path / 'missing.pem'} ({variable}) cannot be used")


def test_a_certificate_for_another_name_is_refused(client: Client, tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    client.environ["SSL_CERT_FILE"] = str(certificates.ca)
    with serve_registry(certificates=certificates, host="127.0.0.2") as server:
        assert "IP address mismatch" in failure(lambda: fetch(client.open(f"{server.host}/team/app")))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1"])
def test_plain_http_is_spoken_to_every_address_of_loopback(client: Client, host: str) -> None:
    with serve_registry(host=host) as server:
        server.add_blob("team/app", DATA)
        assert fetch(client.open(f"{server.host}/team/app")) == DATA


def test_localhost_is_loopback_and_proxies_are_not_asked_about_it(server: FaultyRegistry, client: Client) -> None:
    client.environ["ALL_PROXY"] = "http://127.0.0.1:1"
    server.add_blob("team/app", DATA)
    assert fetch(client.open(f"{server.host.replace('127.0.0.1', 'localhost')}/team/app")) == DATA


def test_another_host_is_reached_through_its_proxy_and_with_tls_only(server: FaultyRegistry, client: Client) -> None:
    client.environ["https_proxy"] = server.url
    failure(lambda: fetch(client.open("registry.example:5000/team/app", attempts=1)))
    assert server.requests == []  # CONNECT is no method that this server knows, and nothing else was sent


def test_a_proxy_that_is_none_is_named(client: Client) -> None:
    client.environ["https_proxy"] = "gopher://proxy.example"
    problem = failure(lambda: fetch(client.open("registry.example/team/app")))
    assert problem.startswith("the proxy for https://registry.example cannot be used")


@pytest.mark.parametrize("first", [Answer(raw=b""), Answer(raw=b"nonsense"), Answer(status=500), Answer(status=400)])
def test_a_plain_registry_that_fails_at_first_is_not_taken_for_one_with_tls(
    server: FaultyRegistry, repository: Repository, first: Answer
) -> None:
    server.add_blob("team/app", DATA)
    server.answer("GET /v2/$", first, times=1)
    assert fetch(repository) == DATA


def test_a_server_that_says_that_it_wants_https_gets_it(server: FaultyRegistry, repository: Repository) -> None:
    server.answer("GET /v2/$", Answer(status=400, body=b"Client sent an HTTP request to an HTTPS server.\n"))
    assert "127.0.0.1 does not answer with TLS" in failure(lambda: fetch(repository))
    assert server.paths() == ["GET /v2/"]  # and it gets nothing in plain HTTP any more
