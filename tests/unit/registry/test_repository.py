"""Possible answers of a registry to a request for a manifest or a blob."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.oci import manifest, media_types
from nox_pex.oci.descriptor import Descriptor, describe
from nox_pex.registry.repository import Repository
from nox_pex.system.command import Stopped
from tests.support.faulty_registry import Answer, FaultyRegistry, Received
from tests.unit.registry.conftest import Client

DATA = b"a layer " * 100_000
LAYER = describe(DATA, media_types.LAYER_TAR)
MANIFEST = b'{"schemaVersion":2}'


def failure(work: Callable[[], object], code: str = "registry") -> str:
    """The problem of the failure that `work` ends with."""
    with pytest.raises(NoxPexError) as caught:
        work()
    assert caught.value.code == code
    return caught.value.problem


def other_size(size: int) -> Descriptor:
    return Descriptor(media_type=LAYER.media_type, digest=LAYER.digest, size=size)


def test_a_manifest_comes_with_its_type_and_digest_by_tag_and_by_digest(
    server: FaultyRegistry, repository: Repository
) -> None:
    digest = server.add_manifest("team/app", "1.0", media_types.INDEX, MANIFEST)

    by_tag, by_digest = repository.fetch_manifest("1.0"), repository.fetch_manifest(digest)

    assert by_tag == by_digest
    assert (by_tag.media_type, by_tag.data, by_tag.digest) == (media_types.INDEX, MANIFEST, digest)
    accepted = server.requests[-1].headers["accept"]
    assert all(kind in accepted for kind in (*media_types.INDEXES, *media_types.MANIFESTS))
    assert server.requests[-1].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("header", "data", "expected"),
    [
        (f"{media_types.MANIFEST}; charset=utf-8", b"{}", media_types.MANIFEST),
        (media_types.MANIFEST.upper(), b"{}", media_types.MANIFEST),
        ("application/json", json.dumps({"mediaType": media_types.INDEX}).encode(), media_types.INDEX),
        ("text/plain", b"nonsense", "text/plain"),
        ("application/json", b'{"mediaType":[]}', "application/json"),
    ],
)
def test_the_type_of_a_manifest_is_that_of_the_header_or_else_its_own(
    server: FaultyRegistry, repository: Repository, header: str, data: bytes, expected: str
) -> None:
    server.add_manifest("team/app", "1.0", header, data)
    assert repository.fetch_manifest("1.0").media_type == expected


def test_a_manifest_with_another_digest_than_asked_for_is_refused(
    server: FaultyRegistry, repository: Repository
) -> None:
    server.answer("GET", Answer(body=MANIFEST, headers={"Content-Type": media_types.MANIFEST}))
    assert "not sha256:0000" in failure(lambda: repository.fetch_manifest(f"sha256:{'0' * 64}"))


def test_a_manifest_with_another_digest_than_announced_is_refused(
    server: FaultyRegistry, repository: Repository
) -> None:
    server.answer("GET", Answer(body=MANIFEST, headers={"Docker-Content-Digest": f"sha256:{'1' * 64}"}))
    assert "not sha256:1111" in failure(lambda: repository.fetch_manifest("1.0"))


def test_an_endless_manifest_is_read_up_to_the_limit(server: FaultyRegistry, repository: Repository) -> None:
    server.answer("GET", Answer(endless=True))
    assert f"more than {manifest.LARGEST} bytes" in failure(lambda: repository.fetch_manifest("1.0"))


def test_a_manifest_that_does_not_exist_is_named_in_full(server: FaultyRegistry, repository: Repository) -> None:
    problem = failure(lambda: repository.fetch_manifest("2.0"))
    assert problem == f"{server.host}/team/app:2.0 does not exist in its registry (404 Not Found)"


def test_the_words_of_the_registry_are_in_the_error_short_and_on_one_line(
    server: FaultyRegistry, repository: Repository
) -> None:
    error = {"code": "NAME_INVALID", "message": "bad\nname" + "!" * 10_000, "detail": {"Name": "app"}}
    server.answer("GET", Answer(status=400, body=json.dumps({"errors": [error]}).encode()))
    problem = failure(lambda: repository.fetch_manifest("1.0"))
    assert problem.startswith(f"GET {server.url}/v2/team/app/manifests/1.0: 400 Bad Request: NAME_INVALID: bad name!!!")
    assert len(problem) < 600
    assert len(server.requests) == 2  # the question for TLS, and this one, which is not tried again


@pytest.mark.parametrize(
    "body", [b"<html>502 nginx</html>", b"\xff\x00", b'{"errors": 1}', b'{"errors": [1, {}, {"code": 2}]}', b"[" * 99]
)
def test_the_body_of_an_error_may_be_anything(server: FaultyRegistry, repository: Repository, body: bytes) -> None:
    server.answer("GET", Answer(status=400, body=body))
    assert "400 Bad Request" in failure(lambda: repository.fetch_manifest("1.0"))


def test_a_blob_is_written_when_it_is_complete(server: FaultyRegistry, repository: Repository, tmp_path: Path) -> None:
    server.add_blob("team/app", DATA)
    seen: list[tuple[int, int, str]] = []

    repository.fetch_blob(LAYER, tmp_path / "layer", progress=lambda *told: seen.append(told))

    assert (tmp_path / "layer").read_bytes() == DATA
    assert seen[-1] == (len(DATA), len(DATA), LAYER.digest)
    assert repository.has(LAYER.digest)
    assert not repository.has(f"sha256:{'0' * 64}")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_temporary_failure_is_tried_again_later_each_time(
    server: FaultyRegistry, client: Client, repository: Repository, status: int
) -> None:
    server.add_blob("team/app", DATA)
    server.answer("GET .*/blobs", Answer(status=status), times=3)

    assert repository.fetch_small(LAYER, len(DATA)) == DATA
    assert len(client.waited) == 3
    assert all(waited <= longest for waited, longest in zip(client.waited, (0.5, 1.0, 2.0), strict=True))
    assert f"{status}" in client.said[0]
    assert "trying again in" in client.said[0]


def test_attempts_come_to_an_end(server: FaultyRegistry, client: Client, repository: Repository) -> None:
    server.answer("GET .*/blobs", Answer(status=503, body=b"be back soon"))
    assert "503 Service Unavailable: be back soon" in failure(lambda: repository.fetch_small(LAYER, len(DATA)))
    assert len(client.waited) == 4


def test_a_registry_may_say_when_to_come_back(server: FaultyRegistry, client: Client, repository: Repository) -> None:
    server.add_blob("team/app", DATA)
    server.answer("GET .*/blobs", Answer(status=429, headers={"Retry-After": "7"}), times=2)
    repository.fetch_small(LAYER, len(DATA))
    assert client.waited == [7.0, 7.0]


def test_nobody_waits_for_an_hour(server: FaultyRegistry, client: Client, repository: Repository) -> None:
    server.answer("GET .*/blobs", Answer(status=429, headers={"Retry-After": "3600"}))
    assert "429 Too Many Requests; it asks to wait for 3600 s" in failure(
        lambda: repository.fetch_small(LAYER, 1 << 30)
    )
    assert client.waited == []


@pytest.mark.parametrize(
    "cut",
    [
        Answer(body=DATA, sent=1000),
        Answer(raw=b"HTTP/1.1 200 OK\r\n\r\n" + DATA[:1000]),
        Answer(raw=b""),
        Answer(raw=b"nonsense\r\n\r\n"),
        Answer(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\nabc"),
    ],
)
def test_a_stream_that_is_cut_is_fetched_again_as_a_whole(
    server: FaultyRegistry, repository: Repository, tmp_path: Path, cut: Answer
) -> None:
    server.add_blob("team/app", DATA)
    server.answer("GET .*/blobs", cut, times=2)

    repository.fetch_blob(LAYER, tmp_path / "layer")

    assert (tmp_path / "layer").read_bytes() == DATA
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["layer"]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Answer(body=b"b" + DATA[1:]), "the blob has the digest sha256:"),
        (Answer(body=DATA + b"x"), f"announces {len(DATA) + 1} bytes, but the blob has {len(DATA)}"),
        (Answer(body=DATA[:-1]), f"announces {len(DATA) - 1} bytes"),
        (Answer(endless=True), f"more than the {len(DATA)} bytes of the blob arrive"),
    ],
)
def test_a_blob_that_is_not_what_its_descriptor_says_is_never_written(
    server: FaultyRegistry, repository: Repository, tmp_path: Path, answer: Answer, problem: str
) -> None:
    server.answer("GET .*/blobs", answer)
    assert problem in failure(lambda: repository.fetch_blob(LAYER, tmp_path / "layer"))
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_small_blob_has_a_limit_before_anything_is_sent(server: FaultyRegistry, repository: Repository) -> None:
    assert "more than 10" in failure(lambda: repository.fetch_small(other_size(11), 10))
    assert server.requests == []


def test_a_slow_answer_ends_the_attempt(server: FaultyRegistry, client: Client) -> None:
    server.answer("GET .*/blobs", Answer(wait=30))
    repository = client.open(f"{server.host}/team/app", read=0.1, attempts=2)
    assert "no answer in time" in failure(lambda: repository.fetch_small(LAYER, len(DATA)))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nName: value-without-end",
        b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello, layer",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n000000000000000c\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 10,
    ],
    ids=["headers", "body", "chunk", "continue"],
)
def test_single_bytes_keep_no_attempt_alive(server: FaultyRegistry, client: Client, answer: bytes) -> None:
    small = describe(b"hello, layer", media_types.LAYER_TAR)
    repository = client.open(f"{server.host}/team/app", read=0.2, allowance=0.2, attempts=1)
    assert not repository.has(LAYER.digest)  # its connection is used again
    server.answer("GET .*/blobs", Answer(raw=answer, pause=0.05))
    problem = failure(lambda: repository.fetch_small(small, 100))
    assert "no answer in time" in problem or "its answer comes too slowly" in problem


def test_a_registry_that_does_not_run_is_unreachable(client: Client) -> None:
    repository = client.open("127.0.0.1:1/team/app")
    assert "Connection refused" in failure(lambda: repository.fetch_manifest("1.0"))
    assert len(client.waited) == 4


def test_a_host_that_does_not_exist_is_not_tried_again(client: Client) -> None:
    repository = client.open("registry.invalid/team/app")
    problem = failure(lambda: repository.fetch_manifest("1.0"))
    if "Temporary failure" not in problem:  # a machine without a resolver
        assert "there is no host registry.invalid" in problem
        assert client.waited == []


def test_several_threads_fetch_at_the_same_time(server: FaultyRegistry, repository: Repository, tmp_path: Path) -> None:
    blobs = [DATA + bytes([number]) for number in range(8)]
    for blob in blobs:
        server.add_blob("team/app", blob)
    threads = [
        threading.Thread(
            target=repository.fetch_blob, args=(describe(blob, media_types.LAYER_TAR), tmp_path / f"{number}.blob")
        )
        for number, blob in enumerate(blobs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(tmp_path / f"{number}.blob").read_bytes() for number in range(8)] == blobs


def test_a_closed_repository_sends_nothing_more(server: FaultyRegistry, repository: Repository) -> None:
    repository.session.close()
    with pytest.raises(Stopped):
        repository.fetch_manifest("1.0")
    assert server.requests == []


def test_a_request_that_the_end_of_the_session_cuts_is_not_repeated(
    server: FaultyRegistry, client: Client, repository: Repository
) -> None:
    def close(_: Received) -> Answer:
        repository.session.close()
        return Answer(raw=b"")

    server.answer("GET .*/blobs", close)
    with pytest.raises(Stopped):
        repository.fetch_small(LAYER, len(DATA))
    assert (client.said, client.waited) == ([], [])
