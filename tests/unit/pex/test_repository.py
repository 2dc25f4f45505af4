from __future__ import annotations

import os
from pathlib import Path

import pytest

from nox_pex.pex import repository
from nox_pex.pex.repository import SourceRef
from nox_pex.system.git import Git
from tests.support.git_repository import GitRepository


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("https://example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://me:hunter22@example.org/a/b", "https://example.org/a/b"),
        ("https://ghp_0123456789@example.org/a/b", "https://example.org/a/b"),
        ("https://me:a/b@c#d?e@example.org/a/b", "https://example.org/a/b"),
        ("https://example.org/a/b?private_token=x#y", "https://example.org/a/b"),
        ("HTTPS://Example.ORG:8443/A/b", "https://example.org:8443/A/b"),
        ("git@example.org:a/b.git", "ssh://example.org/a/b.git"),
        ("ssh://git@example.org:2222/a/b", "ssh://example.org:2222/a/b"),
        ("http://[::1]:3000/a b".replace(" ", "%20"), "http://[::1]:3000/a%20b"),
        ("git://example.org/a/ü", "git://example.org/a/%C3%BC"),
    ],
)
def test_an_address_has_no_user_password_token_or_query(address: str, public: str) -> None:
    assert repository.public_address(address) == public


@pytest.mark.parametrize(
    "address",
    [
        *("/srv/git/b", "../b", "./a:b", "file:///srv/git/b", "C:/git/b", "~/b", "", "   ", "b"),
        *("ext::sh -c id", "codecommit::eu-west-1://b", "https:///a", "https://h:99999/a", "https://[::1/a"),
        *("https://h/a\nb", "https://h/a b", "https://h/\x1b[31m"),
    ],
)
def test_a_path_or_a_command_is_no_address(address: str) -> None:
    assert repository.public_address(address) is None


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        (SourceRef(repository="https://h/a", ref="refs/heads/main"), "git+https://h/a@refs/heads/main"),
        (SourceRef(repository="ssh://h/a", ref="refs/heads/a#b"), "git+ssh://h/a@refs/heads/a%23b"),
        (SourceRef(repository="git://h/a"), "git://h/a"),
        (SourceRef(ref="refs/heads/main"), None),
    ],
)
def test_the_uri_has_the_ref(source: SourceRef, uri: str | None) -> None:
    assert source.uri == uri


def test_a_branch_or_the_only_tag_is_the_ref(tmp_path: Path) -> None:
    checkout = GitRepository(root=tmp_path, environ=os.environ)
    commit, git = checkout.commit({"a": "1"}), Git(root=tmp_path)
    assert repository.source_ref(git, commit=commit) == SourceRef(ref="refs/heads/main")
    assert repository.source_ref(git, commit="0" * 40).ref is None
    checkout.git("remote", "add", "other", "https://me:hunter22@example.org/a/b")
    checkout.git("checkout", "--quiet", "--detach")
    assert repository.source_ref(git, commit=commit) == SourceRef(repository="https://example.org/a/b")
    checkout.git("tag", "v1")
    assert repository.source_ref(git, commit=commit).ref == "refs/tags/v1"
    checkout.git("tag", "v1.0")
    assert repository.source_ref(git, commit=commit).ref is None
    checkout.git("remote", "add", "origin", str(tmp_path))
    assert repository.source_ref(git, commit=commit).repository is None


def test_without_a_repository_nothing_is_known(tmp_path: Path) -> None:
    assert repository.source_ref(Git(root=tmp_path), commit="0" * 40) == SourceRef()
