"""Push an image: the order, what is sent, what is not, and what happens if something fails."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from nox_pex.errors import NoxPexError
from nox_pex.oci import media_types
from nox_pex.oci.descriptor import describe
from nox_pex.registry import push as pushing
from nox_pex.registry.push import PushPlan, PushResult, push
from nox_pex.registry.repository import Repository
from nox_pex.registry.uploads import Content
from tests.support.faulty_registry import Answer, FaultyRegistry, Received
from tests.support.small_images import ARTIFACT, content_of_file, image, index, statement
from tests.unit.registry.conftest import Client

LAYERS = (b"one" * 1000, b"two" * 300_000, b"three")
LOGIN = "robot:correct-horse"


def push_it(repository: Repository, plan: PushPlan) -> PushResult:
    return push(repository, plan, say=lambda _: None)


def failure(repository: Repository, plan: PushPlan, code: str = "registry") -> NoxPexError:
    with pytest.raises(NoxPexError) as caught:
        push_it(repository, plan)
    assert caught.value.code == code
    return caught.value


def digest(plan: PushPlan) -> str:
    return plan.manifests[-1].descriptor.digest


def test_blobs_come_first_then_manifests_then_referrers_then_tags(
    server: FaultyRegistry, repository: Repository
) -> None:
    plan = index(image(*LAYERS, statements=(b"a", b"b")), image(b"other"), tags=("1.0", "latest"))
    seen: list[tuple[int, int]] = []

    result = push(repository, plan, say=lambda _: None, progress=lambda done, total, _: seen.append((done, total)))

    written = [path.rpartition("/v2/team/app/")[2] for path in server.paths("PUT")]
    manifests = [path for path in written if path.startswith("manifests/")]
    assert all(path.startswith("blobs/") for path in written[: len(written) - len(manifests)])
    expected = [each.descriptor.digest for each in plan.manifests]
    expected += [each.manifest.descriptor.digest for each in plan.referrers]
    assert manifests == [f"manifests/{name}" for name in (*expected, "1.0", "latest")]
    assert repository.fetch_manifest("latest").digest == result.digest == digest(plan)
    assert result.tags == (f"{server.host}/team/app:1.0", f"{server.host}/team/app:latest")
    assert {each.artifact_type for each in repository.referrers(plan.manifests[0].descriptor.digest)} == {ARTIFACT}
    total = sum(len(data) for (_, _), data in server.blobs.items())
    assert max(seen) == (total, total)
    assert len(result.blobs_sent) == len(server.blobs)


def test_what_is_there_is_not_sent_again(server: FaultyRegistry, repository: Repository) -> None:
    plan = image(*LAYERS)
    first = push_it(repository, plan)
    server.requests.clear()

    again = push_it(repository, plan)

    assert first.sent == sum(each.descriptor.size for each in plan.blobs) + 2 * plan.manifests[0].descriptor.size
    assert again.sent == 0
    assert set(again.blobs_present) == {each.descriptor.digest for each in plan.blobs}
    assert {each.method for each in server.requests} == {"HEAD"}


def test_an_edit_sends_one_layer(repository: Repository) -> None:
    push_it(repository, image(*LAYERS))
    edited = image(*LAYERS[:2], b"edited")
    result = push_it(repository, edited)
    assert set(result.blobs_sent) == {each.descriptor.digest for each in edited.blobs[2:]}


@pytest.mark.parametrize("several", [False, True], ids=["image", "index"])
def test_a_repository_is_not_asked_for_what_the_previous_image_has(
    server: FaultyRegistry, repository: Repository, *, several: bool
) -> None:
    before, after = image(*LAYERS), image(*LAYERS[:2], b"edited")
    push_it(repository, index(before, image(b"other")) if several else before)
    server.requests.clear()

    result = push_it(repository, msgspec.structs.replace(after, previous="1.0"))

    new = {each.descriptor.digest for each in after.blobs} - {each.descriptor.digest for each in before.blobs}
    asked = {path.rpartition("/")[2] for path in server.paths("HEAD") if "/blobs/" in path}
    assert asked == set(result.blobs_sent) == new
    assert set(result.blobs_present) == {each.descriptor.digest for each in after.blobs} - new


@pytest.mark.parametrize("data", [b"{", b'{"schemaVersion": 1}', b"[]"])
def test_the_previous_image_may_be_anything(server: FaultyRegistry, repository: Repository, data: bytes) -> None:
    server.add_manifest("team/app", "1.0", media_types.MANIFEST, data)
    plan = msgspec.structs.replace(image(*LAYERS), previous="1.0")
    assert len(push_it(repository, plan).blobs_sent) == len(plan.blobs)


def test_what_a_repository_has_lost_of_the_previous_image_is_sent_again(
    server: FaultyRegistry, repository: Repository
) -> None:
    push_it(repository, image(*LAYERS))
    lost = image(LAYERS[1]).blobs[0].descriptor.digest
    del server.blobs["team/app", lost]

    result = push_it(repository, msgspec.structs.replace(image(*LAYERS[:2], b"edited"), previous="1.0"))

    assert lost in result.blobs_sent


def test_layers_of_the_base_are_mounted(server: FaultyRegistry, repository: Repository) -> None:
    plan = image(*LAYERS)
    base = server.add_blob("library/python", LAYERS[1])
    plan = msgspec.structs.replace(plan, mount_from={base: "library/python", digest(image(b"x")): "nothing/there"})
    result = push_it(repository, plan)
    assert result.blobs_mounted == (base,)
    assert result.sent < len(LAYERS[1])


@pytest.mark.parametrize(
    "refused", [Answer(status=400), Answer(status=403), Answer(status=404), Answer(status=405), Answer(status=401)]
)
def test_a_registry_that_refuses_to_mount_gets_the_layer(
    server: FaultyRegistry, repository: Repository, refused: Answer
) -> None:
    server.answer(r"POST .*mount=", refused)
    plan = image(*LAYERS)
    plan = msgspec.structs.replace(plan, mount_from={each.descriptor.digest: "library/python" for each in plan.blobs})
    assert len(push_it(repository, plan).blobs_sent) == len(plan.blobs)


def test_a_mount_needs_the_scope_of_both_repositories(
    server: FaultyRegistry, repository: Repository, log_in: Callable[..., Path]
) -> None:
    server.login = LOGIN
    log_in(server.host, auth=base64.b64encode(LOGIN.encode()).decode())
    base = server.add_blob("library/python", LAYERS[1])
    push_it(repository, msgspec.structs.replace(image(*LAYERS), mount_from={base: "library/python"}))
    asked = [each.query["scope"] for each in server.requests if each.path.startswith("/token")]
    push_scope = "repository:team/app:pull,push"
    assert sorted(asked) == [[push_scope], [push_scope, "repository:library/python:pull"]]


def test_a_blob_is_sent_from_its_file_and_must_be_what_its_descriptor_says(
    server: FaultyRegistry, repository: Repository, tmp_path: Path
) -> None:
    file = tmp_path / "layer"
    file.write_bytes(LAYERS[1])
    plan = image(LAYERS[1])
    from_file = content_of_file(file, media_types.LAYER_TAR)
    plan = msgspec.structs.replace(plan, blobs=(from_file, plan.blobs[1]))
    for damaged in (LAYERS[1][:-1], LAYERS[1][:-1] + b"x", b""):
        file.write_bytes(damaged)
        assert f"{file} is not what its descriptor says" in failure(repository, plan).problem
        assert ("team/app", from_file.descriptor.digest) not in server.blobs
    file.unlink()
    assert failure(repository, plan).problem == f"{file} cannot be read: No such file or directory"
    os.mkfifo(file)
    assert failure(repository, plan).problem == f"{file} cannot be read: it is not a regular file"
    file.unlink()
    file.write_bytes(LAYERS[1])
    push_it(repository, plan)
    assert server.blobs["team/app", from_file.descriptor.digest] == LAYERS[1]


@pytest.mark.parametrize("fault", [Answer(status=500), Answer(status=503), Answer(status=429), Answer(raw=b"")])
@pytest.mark.parametrize("request_", ["PUT .*uploads", "POST .*uploads", "PUT .*manifests", "HEAD"])
def test_each_request_is_repeated_after_a_temporary_failure(
    server: FaultyRegistry, client: Client, repository: Repository, fault: Answer, request_: str
) -> None:
    server.answer(request_, fault, times=2)
    plan = image(*LAYERS)
    assert push_it(repository, plan).digest == digest(plan)
    assert len(client.waited) == 2
    assert {("team/app", each.descriptor.digest) for each in plan.blobs} == server.blobs.keys()


def test_a_registry_that_takes_no_large_request_gets_chunks(
    server: FaultyRegistry, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nox_pex.registry.uploads._CHUNK", 300_000)
    server.answer("PUT .*uploads", lambda request: Answer(status=413) if len(request.body) > 500_000 else None)
    plan = image(*LAYERS)
    push_it(repository, plan)
    ranges = [each.headers["content-range"] for each in server.requests if each.method == "PATCH"]
    assert ranges == ["0-299999", "300000-599999", "600000-899999"]
    assert server.blobs["team/app", plan.blobs[1].descriptor.digest] == LAYERS[1]


def test_an_upload_on_another_server_gets_no_credentials(
    server: FaultyRegistry, other: FaultyRegistry, repository: Repository, log_in: Callable[..., Path]
) -> None:
    server.login, server.basic = LOGIN, True
    log_in(server.host, auth=base64.b64encode(LOGIN.encode()).decode())
    server.answer(
        "POST .*uploads",
        lambda request: (
            Answer(status=202, headers={"Location": f"{other.url}/put?signed=a%2Fb"})
            if "authorization" in request.headers
            else None
        ),
    )

    def keep(request: Received) -> Answer:
        server.add_blob("team/app", request.body)
        return Answer(status=201)

    other.answer("PUT /put", keep)
    push_it(repository, image(*LAYERS))
    assert all("authorization" not in each.headers for each in other.requests)
    assert all(each.path.startswith("/put?signed=a%2Fb&digest=sha256%3A") for each in other.requests)


@pytest.mark.parametrize(
    "location", ["", "http://registry.example/upload", "file:///etc/passwd", "http://[x", "gopher://127.0.0.1/"]
)
def test_an_upload_goes_on_at_no_place_without_encryption(
    server: FaultyRegistry, repository: Repository, location: str
) -> None:
    server.answer("POST .*uploads", Answer(status=202, headers={"Location": location}))
    assert "upload" in failure(repository, image(b"x")).problem


def test_an_upload_does_not_follow_redirects(
    server: FaultyRegistry, other: FaultyRegistry, repository: Repository
) -> None:
    server.answer("PUT .*uploads", Answer(status=307, headers={"Location": f"{other.url}/steal"}))
    assert "307 Temporary Redirect" in failure(repository, image(b"x")).problem
    assert other.requests == []


@pytest.mark.parametrize("request_", ["PUT .*uploads", "PUT .*manifests"])
def test_a_registry_that_stores_something_else_is_found_out(
    server: FaultyRegistry, repository: Repository, request_: str
) -> None:
    server.answer(request_, Answer(status=201, headers={"Docker-Content-Digest": f"sha256:{'0' * 64}"}))
    assert f"has stored sha256:{'0' * 64} instead of" in failure(repository, image(b"x")).problem


def test_the_error_has_the_words_of_the_registry(server: FaultyRegistry, repository: Repository) -> None:
    body = b'{"errors":[{"code":"MANIFEST_INVALID","message":"no","detail":{"digest":"sha256:1"}}]}'
    server.answer("PUT .*manifests", Answer(status=400, body=body))
    problem = failure(repository, image(b"x")).problem
    assert problem.endswith(": 400 Bad Request: MANIFEST_INVALID: no (digest: sha256:1)")


def test_no_tag_moves_if_anything_before_it_fails(server: FaultyRegistry, repository: Repository) -> None:
    old, new = image(b"old"), image(b"new", statements=(b"s",))
    push_it(repository, old)
    server.answer(f"PUT .*manifests/{new.referrers[0].manifest.descriptor.digest}", Answer(status=400))
    failure(repository, new)
    assert repository.fetch_manifest("1.0").digest == digest(old)


def test_if_a_tag_fails_the_error_names_those_that_moved_and_another_push_completes_it(
    server: FaultyRegistry, repository: Repository
) -> None:
    plan = image(b"x", tags=("1.0", "1", "latest", "stable"))
    server.answer("PUT .*manifests/latest", Answer(status=403, body=b'{"errors":[{"code":"DENIED"}]}'), times=1)

    error = failure(repository, plan, "registry-auth")

    name = f"{server.host}/team/app"
    assert "DENIED" in error.problem
    assert f"; moved: {name}:1.0, {name}:1; not moved: {name}:latest, {name}:stable" in error.problem
    assert error.remedy.endswith("then push again, which completes it")
    assert len(push_it(repository, plan).tags) == 4
    assert {repository.fetch_manifest(tag).digest for tag in plan.tags} == {digest(plan)}


def test_if_the_first_tag_fails_no_tag_has_moved(server: FaultyRegistry, repository: Repository) -> None:
    server.answer("PUT .*manifests/1.0", Answer(status=400))
    assert "; no tag has moved; not moved: " in failure(repository, image(b"x")).problem


def test_a_statement_about_another_image_is_never_attached(server: FaultyRegistry, repository: Repository) -> None:
    plan, foreign = image(b"x"), statement(image(b"other").manifests[0])
    lying = msgspec.structs.replace(foreign, subject=digest(plan))
    for referrer in (foreign, lying):
        with pytest.raises(ValueError, match="which is not pushed"):
            push_it(repository, msgspec.structs.replace(plan, referrers=(referrer,)))
    assert server.requests == []


def test_a_plan_without_a_manifest_is_refused(repository: Repository) -> None:
    with pytest.raises(ValueError, match="no manifest"):
        push_it(repository, PushPlan(blobs=(), manifests=()))


def test_the_first_failure_of_several_blobs_ends_the_push_at_once(
    server: FaultyRegistry, repository: Repository
) -> None:
    released = threading.Event()
    server.answer("PUT .*uploads", Answer(status=400), times=1)
    server.answer("PUT .*uploads", Answer(wait=60))  # until the server ends
    plan = image(*(b"%d" % number for number in range(20)))
    failure(repository, plan)
    released.set()
    assert len(server.paths("PUT")) <= pushing._AT_ONCE  # noqa: SLF001  # this many may have begun


def test_a_registry_that_does_not_answer_is_one_failure(client: Client) -> None:
    repository = client.open("127.0.0.1:1/team/app", attempts=3)
    assert "Connection refused" in failure(repository, image(*(b"%d" % number for number in range(20)))).problem
    assert len(client.said) == 2


def test_a_blob_of_no_bytes_can_be_pushed(server: FaultyRegistry, repository: Repository) -> None:
    push_it(repository, image(b""))
    assert b"" in server.blobs.values()
    empty = Content(descriptor=describe(b"", media_types.LAYER_TAR), source=b"")
    assert repository.fetch_small(empty.descriptor, 10) == b""


def test_a_token_that_ends_during_an_upload_is_renewed_and_the_blob_is_sent_again(
    server: FaultyRegistry, repository: Repository, log_in: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "_AT_ONCE", 1)  # with several, another thread may get the token that ends now
    server.login = LOGIN
    log_in(server.host, auth=base64.b64encode(LOGIN.encode()).decode())
    server.answer("PUT .*uploads", lambda _: server.tokens.clear(), times=1)
    plan = image(*LAYERS)
    push_it(repository, plan)
    assert {("team/app", each.descriptor.digest) for each in plan.blobs} == server.blobs.keys()
    assert len([each for each in server.requests if each.path.startswith("/token")]) == 2


@pytest.mark.parametrize(
    ("request_", "code"), [("PUT .*manifests", "MANIFEST_BLOB_UNKNOWN"), ("PUT .*uploads", "BLOB_UPLOAD_UNKNOWN")]
)
def test_a_registry_that_does_not_see_what_was_sent_is_asked_again(
    server: FaultyRegistry, client: Client, repository: Repository, request_: str, code: str
) -> None:
    body = msgspec.json.encode({"errors": [{"code": "DIGEST_INVALID"}, {"code": code}]})
    server.answer(request_, Answer(status=400, body=body), times=2)
    push_it(repository, image(*LAYERS))
    assert len(client.waited) == 2
