"""Names of images, as `distribution/reference` reads them."""

from __future__ import annotations

import httpx2
import pytest

from nox_pex.oci import reference
from nox_pex.oci.reference import ImageName

DIGEST = f"sha256:{'f' * 64}"


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag"),
    [
        ("python", "docker.io", "library/python", None),
        ("python:3.12-slim", "docker.io", "library/python", "3.12-slim"),
        ("test.com:5000", "docker.io", "library/test.com", "5000"),
        ("team/app", "docker.io", "team/app", None),
        ("docker.io/python", "docker.io", "library/python", None),
        ("index.docker.io/team/app:1", "docker.io", "team/app", "1"),
        ("localhost/app", "localhost", "app", None),
        ("localhost:5000/app:1", "localhost:5000", "app", "1"),
        ("test:5000/repo", "test:5000", "repo", None),
        ("registry.example/a/b/c:some-long-tag", "registry.example", "a/b/c", "some-long-tag"),
        ("127.0.0.1:5000/a", "127.0.0.1:5000", "a", None),
        ("[::1]:5000/a:1", "[::1]:5000", "a", "1"),
        ("[2001:db8::1]/a", "[2001:db8::1]", "a", None),
        ("xn--n3h.example/a", "xn--n3h.example", "a", None),
        ("foo/foo_bar.com:8080", "docker.io", "foo/foo_bar.com", "8080"),
        ("b.gcr.io/test.example.com/my-app__x", "b.gcr.io", "test.example.com/my-app__x", None),
        ("Uppercase/lowercase:Tag_1.0", "Uppercase", "lowercase", "Tag_1.0"),
    ],
)
def test_a_name_has_a_registry_a_repository_and_perhaps_a_tag_and_a_digest(
    text: str, registry: str, repository: str, tag: str | None
) -> None:
    expected = ImageName(registry=registry, repository=repository, tag=tag)
    assert reference.parse(text) == expected
    with_digest = ImageName(registry=registry, repository=repository, tag=tag, digest=DIGEST)
    assert reference.parse(f"{text}@{DIGEST}") == with_digest
    assert reference.parse(str(with_digest)) == with_digest
    assert httpx2.URL(f"https://{expected.endpoint}/").host


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":tag",
        "@sha256:00",
        f"@{DIGEST}",
        "app@sha256:ffff",
        f"app@sha512:{'f' * 128}",
        f"app@{DIGEST.upper()}",
        f"app@{DIGEST}@{DIGEST}",
        f"app@{DIGEST}\n",
        "app:",
        "app:-tag",
        "app:a b",
        f"app:{'t' * 129}",
        "Python",
        "a//b",
        "a/b/",
        "/a",
        "a/../b",
        "registry.example/../a",
        "registry.example/a%2Fb",
        "registry.example/a?b",
        "https://registry.example/a",
        "user:password@registry.example/a",
        "-registry.example/a",
        "registry-.example/a",
        "registry..example/a",
        f"{'a' * 64}.example/a",
        "registry.example:0/a",
        "registry.example:65536/a",
        "registry.example:/a",
        "registry.example:x/a",
        "[::1/a",
        "[:::1]/a",
        "[127.0.0.1]/a",
        "[]:5000/a",
        "a/" * 128 + "a",
        "\uff41/b",
        "registry.example/ä",
    ],
)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(ValueError, match="it"):
        reference.parse(text)


def test_docker_hub_answers_at_another_host_than_its_name() -> None:
    assert reference.parse("python").endpoint == "registry-1.docker.io"
    assert reference.parse("localhost:5000/python").endpoint == "localhost:5000"


def test_the_digest_counts_before_the_tag() -> None:
    assert reference.parse(f"app:1@{DIGEST}").wanted == DIGEST
    assert (reference.parse("app:1").wanted, reference.parse("app").wanted) == ("1", "latest")
