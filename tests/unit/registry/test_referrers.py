"""The list of what refers to an image: by the referrers API, or by a tag."""

from __future__ import annotations

import json

import msgspec
import pytest

from nox_pex.errors import NoxPexError
from nox_pex.oci import media_types
from nox_pex.oci.descriptor import describe
from nox_pex.registry.push import push
from nox_pex.registry.referrers import merged, tag_of
from nox_pex.registry.repository import Repository
from tests.support.faulty_registry import Answer, FaultyRegistry, Received
from tests.support.shown import say_into
from tests.support.small_images import ARTIFACT, image, index
from tests.unit.registry.test_push import digest, failure, push_it


def test_referrers_come_in_pages(server: FaultyRegistry, repository: Repository) -> None:
    server.page = 2
    plan = image(b"x", statements=tuple(b"%d" % number for number in range(5)))
    push_it(repository, plan)
    listed = repository.referrers(digest(plan))
    assert sorted(each.digest for each in listed) == sorted(each.manifest.descriptor.digest for each in plan.referrers)


def test_without_the_api_a_tag_lists_the_referrers_and_those_of_others_stay(
    server: FaultyRegistry, repository: Repository
) -> None:
    server.referrers_api = False
    plan = image(b"x", statements=(b"a", b"b"))
    theirs = {**json.loads(msgspec.json.encode(plan.blobs[0].descriptor)), "urls": ["https://x"], "data": "eA=="}
    theirs["digest"] = f"sha256:{'7' * 64}"
    table = {"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": [theirs], "annotations": {"k": "v"}}
    server.add_manifest("team/app", tag_of(digest(plan)), media_types.INDEX, json.dumps(table).encode())
    said: list[str] = []

    push(repository, plan, say=say_into(said.append))
    push(repository, plan, say=say_into(said.append))

    written = json.loads(server.manifests["team/app", tag_of(digest(plan))][1])
    assert written["manifests"][0] == theirs
    assert written["annotations"] == {"k": "v"}
    assert [each["digest"] for each in written["manifests"][1:]] == [
        each.manifest.descriptor.digest for each in plan.referrers
    ]
    assert written["manifests"][1]["artifactType"] == ARTIFACT
    assert written["manifests"][1]["annotations"] == {"org.example.kind": "statement"}
    assert len(repository.referrers(digest(plan))) == 3
    assert server.paths("PUT").count(f"PUT /v2/team/app/manifests/{tag_of(digest(plan))}") == 1
    assert "has no referrers API" in said[0]


def test_one_line_says_that_the_referrers_of_all_platforms_are_in_tags(
    server: FaultyRegistry, repository: Repository
) -> None:
    server.referrers_api = False
    said: list[str] = []

    push(
        repository, index(*(image(each, statements=(each,)) for each in (b"x", b"y", b"z"))), say=say_into(said.append)
    )

    (line,) = said
    assert line.startswith(f"{server.host} has no referrers API: the tag sha256-")
    assert line.endswith(" lists them (and 2 other tags)")


def test_a_long_list_of_referrers_grows(server: FaultyRegistry, repository: Repository) -> None:
    server.referrers_api = False
    plan = image(b"x", statements=(b"a",))
    theirs = [msgspec.to_builtins(describe(b"%d" % number, media_types.MANIFEST)) for number in range(3000)]
    listed = {"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": theirs}
    server.add_manifest("team/app", tag_of(digest(plan)), media_types.INDEX, json.dumps(listed).encode())
    push_it(repository, plan)
    assert len(repository.referrers(digest(plan))) == 3001


def test_if_somebody_else_writes_the_list_meanwhile_it_is_merged_again(
    server: FaultyRegistry, repository: Repository
) -> None:
    server.referrers_api = False
    plan = image(b"x", statements=(b"a",))
    tag = tag_of(digest(plan))
    theirs = image(b"x", statements=(b"theirs",)).referrers[0].manifest.descriptor
    overwritten = {"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": [msgspec.to_builtins(theirs)]}

    def overwrite(_: Received) -> Answer:
        server.add_manifest("team/app", tag, media_types.INDEX, json.dumps(overwritten).encode())
        return Answer(status=201)

    server.answer(f"PUT .*manifests/{tag}", overwrite, times=1)
    push_it(repository, plan)
    assert {each.digest for each in repository.referrers(digest(plan))} == {
        theirs.digest,
        plan.referrers[0].manifest.descriptor.digest,
    }


def test_a_registry_that_never_keeps_the_list_is_a_failure(server: FaultyRegistry, repository: Repository) -> None:
    server.referrers_api = False
    plan = image(b"x", statements=(b"a",))
    server.answer(f"PUT .*manifests/{tag_of(digest(plan))}", Answer(status=201))
    assert "does not keep the new referrers" in failure(repository, plan).problem
    assert ("team/app", "1.0") not in server.manifests


def test_a_list_that_is_nonsense_when_it_is_read_again_is_a_failure(
    server: FaultyRegistry, repository: Repository
) -> None:
    server.referrers_api = False
    plan = image(b"x", statements=(b"a",))
    tag = tag_of(digest(plan))
    server.answer(f"PUT .*manifests/{tag}", lambda _: server.answer(f"GET .*manifests/{tag}", Answer(body=b"[")))
    assert "is no index of referrers, and is not overwritten" in failure(repository, plan).problem


@pytest.mark.parametrize("data", [b"nonsense", b"{}", b'{"schemaVersion":2,"config":{},"layers":[]}'])
def test_a_tag_that_is_no_list_is_not_overwritten(server: FaultyRegistry, repository: Repository, data: bytes) -> None:
    server.referrers_api = False
    plan = image(b"x", statements=(b"a",))
    server.add_manifest("team/app", tag_of(digest(plan)), media_types.MANIFEST, data)
    assert "is no index of referrers, and is not overwritten" in failure(repository, plan).problem
    assert server.manifests["team/app", tag_of(digest(plan))][1] == data
    with pytest.raises(NoxPexError, match="is no index of referrers"):
        repository.referrers(digest(plan))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=404),
        Answer(status=400),
        Answer(status=405),
        Answer(body=b"<html>", headers={"Content-Type": "text/html"}),
        Answer(body=b"{}", headers={"Content-Type": "application/json"}),
    ],
)
def test_what_means_that_there_is_no_referrers_api(
    server: FaultyRegistry, repository: Repository, answer: Answer
) -> None:
    server.answer("GET .*/referrers/", answer)
    assert repository.referrers(f"sha256:{'0' * 64}") == ()


@pytest.mark.parametrize("body", [b"nonsense", b"{}", b'{"schemaVersion":2,"manifests":[{"digest":"../x"}]}', b"[1]"])
def test_a_list_of_referrers_that_is_nonsense_is_a_failure(
    server: FaultyRegistry, repository: Repository, body: bytes
) -> None:
    server.answer("GET .*/referrers/", Answer(body=body, headers={"Content-Type": media_types.INDEX}))
    with pytest.raises(NoxPexError, match="this is no list of referrers"):
        repository.referrers(f"sha256:{'0' * 64}")


@pytest.mark.parametrize(
    "link",
    ["</v2/team/app/referrers/x>; rel=next", '<https://elsewhere.example/x>; rel="next"', "<http://[>; rel=next"],
)
def test_pages_without_end_and_pages_elsewhere_are_a_failure(
    server: FaultyRegistry, repository: Repository, link: str
) -> None:
    body = msgspec.json.encode({"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": []})
    server.answer("GET .*/referrers/", Answer(body=body, headers={"Content-Type": media_types.INDEX, "Link": link}))
    with pytest.raises(NoxPexError, match=r"lists too many referrers|the next page is at"):
        repository.referrers(f"sha256:{'0' * 64}")


def test_a_list_in_slow_pages_ends(
    server: FaultyRegistry, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nox_pex.registry.referrers._LONGEST", 0.0)
    body = msgspec.json.encode({"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": []})
    server.answer("GET .*/referrers/", Answer(body=body, headers={"Content-Type": media_types.INDEX}))
    with pytest.raises(NoxPexError, match=r"has not listed all referrers to sha256:0+ after 0 s"):
        repository.referrers(f"sha256:{'0' * 64}")


def test_a_referrer_is_listed_once() -> None:
    descriptor = image(b"x", statements=(b"a",)).referrers[0].manifest.descriptor
    first = merged(None, [descriptor])
    assert first is not None
    assert merged(first, [descriptor]) is None
    assert merged(first, []) is None
