"""A registry that answers anything at any time: every run ends well or with an error, and no credentials leave."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from nox_pex.errors import NoxPexError
from nox_pex.oci import media_types
from nox_pex.registry.push import push
from tests.support.faulty_registry import Answer, FaultyRegistry, Received
from tests.support.shown import say_into
from tests.support.small_images import image
from tests.unit.registry.conftest import Client

LOGIN = "robot:correct-horse"
AUTH = base64.b64encode(LOGIN.encode()).decode()

NAMES = [
    *("Location", "WWW-Authenticate", "Content-Type", "Docker-Content-Digest", "Link", "Retry-After", "OCI-Subject"),
    *("Content-Length", "Transfer-Encoding", "Content-Encoding", "OCI-Chunk-Min-Length", "Set-Cookie"),
]

VALUES = [
    *("", "x", "https://", "http://127.0.0.1:1/", "//[", "/v2/a", "?", "#", "mailto:x", "https://ex ample/", "é", "\t"),
    *('Bearer realm="/token"', "Basic realm=x", "Bearer", f"sha256:{'0' * 64}", "sha256:zz", "text/html", "0", "-1"),
    *(media_types.INDEX, media_types.MANIFEST, '</x>; rel="next"', "<>; rel=next", "<http://a b/>; rel=next", "1e9"),
    *("99999999999999", "chunked", "gzip", "\x80\xff", "a" * 5000, "Wed, 99 Foo 2015", "http://u:p@127.0.0.1:1/"),
]

BODIES = [
    *(b"", b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 10_000, b'{"errors":[]}', b'{"errors":[null]}', b'{"errors":{}}'),
    *(b'{"token":"abc","expires_in":-1}', b'{"token":"abc","expires_in":1e999}', b'{"schemaVersion":2,"manifests":[]}'),
    *(b'{"schemaVersion":2,"manifests":[{}]}', b'{"schemaVersion":2,"manifests":null}'),
]

STATUSES = [
    *(100, 199, 200, 201, 202, 204, 206, 300, 302, 304, 307, 308, 400, 401, 403, 404, 405, 406, 409, 413, 416, 429),
    *(500, 501, 502, 503, 504, 599),
]

RAW = [b"", b"nonsense", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 50]


def answer(chance: random.Random, other: str) -> Answer:
    if chance.random() < 0.15:
        return Answer(raw=chance.choice(RAW))
    headers = {chance.choice(NAMES): chance.choice([*VALUES, other]) for _ in range(chance.randrange(4))}
    return Answer(
        status=chance.choice(STATUSES),
        headers={name: value.encode().decode("latin-1") for name, value in headers.items()},
        body=chance.choice(BODIES),
        sent=chance.choice([None, None, None, 0, 3]),
    )


@pytest.mark.parametrize("seed", range(40))
def test_whatever_a_registry_answers(
    server: FaultyRegistry, other: FaultyRegistry, client: Client, log_in: Callable[..., Path], seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311  # the same faults in each run
    honest = chance.choice([0.5, 0.9, 0.95])

    def perhaps(_: Received) -> Answer | None:
        return None if chance.random() < honest else answer(chance, f"{other.url}/x")

    log_in(server.host, auth=AUTH)
    server.login, server.basic = chance.choice([None, LOGIN]), chance.random() < 0.5
    server.referrers_api = chance.random() < 0.5
    server.answer("", perhaps)
    other.answer("", perhaps)
    plan = image(b"one", b"two" * 1000, statements=(b"a",))
    plan = msgspec.structs.replace(plan, mount_from={plan.blobs[0].descriptor.digest: "team/base"})
    repository = client.open(f"{server.host}/team/app", read=0.5, allowance=1.0)
    into = Path(client.environ["HOME"]) / "blob"

    for work in (
        lambda: push(repository, plan, say=say_into(client.said.append)),
        lambda: repository.referrers(plan.manifests[0].descriptor.digest),
        lambda: repository.fetch_blob(plan.blobs[1].descriptor, into),
    ):
        try:
            work()
        except NoxPexError as error:
            client.said.append(str(error))

    assert not into.exists() or into.read_bytes() == b"two" * 1000
    assert not [line for line in client.said if "correct-horse" in line or AUTH in line]
    assert not [each for each in other.requests if {"authorization", "cookie"} & each.headers.keys()]
