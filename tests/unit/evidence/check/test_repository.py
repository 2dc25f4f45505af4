from __future__ import annotations

import pytest

from nox_pex.evidence.check import repository
from nox_pex.evidence.check.repository import Repository

SERVICE = Repository(host="git.example.org", path="team/service")


@pytest.mark.parametrize(
    "address",
    [
        "https://git.example.org/team/service",
        "https://git.example.org/team/service.git",
        "https://git.example.org/team/service.git/",
        "https://git.example.org/team/service/",
        "http://git.example.org/team/service",
        "https://GIT.Example.org/team/service",
        "https://user@git.example.org/team/service",
        "https://user:pass@word@git.example.org/team/service",
        "https://git.example.org:443/team/service",
        "ssh://git@git.example.org/team/service.git",
        "ssh://git@git.example.org:7999/team/service.git",
        "git://git.example.org/team/service.git",
        "git+ssh://git@git.example.org/team/service.git",
        "git@git.example.org:team/service.git",
        "git@git.example.org:/team/service.git",
        "git.example.org:team/service",
        "git.example.org/team/service",
    ],
)
def test_all_ways_to_reach_a_repository_are_equal(address: str) -> None:
    assert repository.parse(address) == SERVICE


@pytest.mark.parametrize(
    "address",
    [
        "https://git.example.org/team/other",
        "https://git.example.org/Team/service",
        "https://git.example.org/team/service/more",
        "https://git.example.org/x/team/service",
        "https://git.example.org.evil.example/team/service",
        "https://evil.example/git.example.org/team/service",
        "https://git.example.org@evil.example/team/service",
        "https://evil.example/team/service",
        "git@evil.example:team/service",
        "https://evil.example:git.example.org/team/service",
    ],
)
def test_another_repository_is_another_one(address: str) -> None:
    assert repository.parse(address) != SERVICE


@pytest.mark.parametrize(
    "address",
    [
        *("", "x", "https://", "https:///path", "https://host", "https://host/", "https://host/.git", "host:", "/path"),
        *("./service", "../team/service", ".", "../x:y"),
        *("https://host/path?query", "https://host/path#fragment", "file:///srv/git/service", "://host/path", "@"),
    ],
)
def test_what_is_no_repository(address: str) -> None:
    assert repository.parse(address) is None


def test_a_path_is_the_same_with_and_without_the_encoding_of_urls() -> None:
    expected = Repository(host="h", path="a%20b/%C3%BC")

    for address in ("https://h/a b/\xfc", "https://h/a%20b/%C3%BC", "git@h:a b/\xfc.git"):
        assert repository.parse(address) == expected
    assert repository.parse("https://h/\ud800") is not None


def test_an_address_with_brackets() -> None:
    expected = Repository(host="[::1]", path="p")

    for address in ("https://[::1]/p", "ssh://git@[::1]:22/p", "git@[::1]:p"):
        assert repository.parse(address) == expected


@pytest.mark.parametrize(
    "uri",
    [
        "git+https://git.example.org/team/service",
        "git+https://git.example.org/team/service@main",
        "git+https://git.example.org/team/service.git@refs/heads/a@b",
        "git+ssh://git@git.example.org/team/service@refs/tags/v1",
        "git://git.example.org/team/service@main",
    ],
)
def test_the_repository_of_a_resolved_dependency(uri: str) -> None:
    assert SERVICE in repository.of_dependency(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "https://git.example.org/team/service",
        "pkg:pypi/a@1?vcs_url=git+https://git.example.org/team/service",
        "",
        "git+",
        "git+https://git.example.org",
        "git+https://git.example.org/team/services@main",
    ],
)
def test_a_resolved_dependency_that_is_something_else(uri: str) -> None:
    assert SERVICE not in repository.of_dependency(uri)
