"""Where an image goes, what is sent there, and what is written down of it."""

from __future__ import annotations

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.image import push_plan
from nox_pex.oci import media_types
from tests.support.stated_images import destination, written


def test_names_are_grouped_by_their_repository() -> None:
    names = ["r.example/a/x:1", "r.example/b/x:1", "r.example/a/x", "r.example/a/x:1"]
    found = push_plan.destinations(names, key="tag")
    assert [(each.repository, each.tags) for each in found] == [
        ("r.example/a/x", ("1", "latest")),
        ("r.example/b/x", ("1",)),
    ]
    assert found[0].names == ("r.example/a/x:1", "r.example/a/x:latest")


@pytest.mark.parametrize("name", ["service", "service:1.0"])
def test_a_name_that_says_no_place_is_refused(name: str) -> None:
    with pytest.raises(NoxPexError, match="names no registry and no user of Docker Hub") as caught:
        push_plan.destinations([name], key="tool.nox-pex.binary.api.image.tag")
    assert caught.value.remedy == f'write it as "registry.example/team/{name}"'


@pytest.mark.parametrize(
    ("name", "repository"),
    [
        ("joe/service:1", "docker.io/joe/service"),
        ("docker.io/service:1", "docker.io/library/service"),
        ("localhost/x", "localhost/x"),
        ("localhost:5000/x:1", "localhost:5000/x"),
        ("[::1]:5000/x:1", "[::1]:5000/x"),
    ],
)
def test_a_name_of_docker_hub_or_of_this_machine_is_one(name: str, repository: str) -> None:
    (found,) = push_plan.destinations([name], key="tag")
    assert found.repository == repository


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(NoxPexError, match="it is not HOST/PATH:TAG"):
        push_plan.destinations(["r.example/UP"], key="tag")


def test_the_content_of_an_image_names_no_platform_of_the_machine() -> None:
    image = written("linux/amd64", "linux/arm64")
    plan = push_plan.attached(image, [])
    assert [each.descriptor.digest for each in plan.manifests] == [
        *(each.descriptor.digest for each in image.manifests),
        image.top.descriptor.digest,
    ]
    assert all(each.descriptor.platform is None for each in plan.manifests)
    assert plan.manifests[-1] == push_plan.top(image)
    assert plan.blobs == ()


def test_the_image_that_statements_are_about_has_every_digest() -> None:
    image = written("linux/amd64", "linux/arm64")
    stated = push_plan.stated(image, destination("r.example/a"))
    assert (stated.name, stated.digest) == ("r.example/a", image.top.descriptor.digest)
    assert len(stated.descriptors) == len(stated.subjects) == 3
    one = written()
    assert push_plan.ids(one) == {one.top.descriptor.digest, one.blobs[0].descriptor.digest}
    assert one.blobs[0].descriptor.media_type == media_types.CONFIG
