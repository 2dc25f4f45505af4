from __future__ import annotations

import pytest

from nox_pex.settings.attest import Attest
from tests.support.settings import SERVICE, parsed, refused


@pytest.mark.parametrize("uri", ["https://ci.example.com/builders/1", "urn:example:ci", "https://h/x?y=%20#z"])
def test_a_builder_has_a_uri(uri: str) -> None:
    assert parsed(f'[tool.nox-pex]\nattest = {{ builder-id = "{uri}" }}\n{SERVICE}').attest == Attest(builder_id=uri)


def test_without_the_table_no_builder_is_named() -> None:
    assert parsed(SERVICE).attest.builder_id is None


@pytest.mark.parametrize(
    "uri",
    [
        *("", "local", "HTTPS://ci.example.com", "https://CI.example.com/", "https://a b/", "https://h/\\u202e"),
        *("https://me:hunter22@ci.example.com/", "https://[::1", "https://", "https://h/x?token=hunter22"),
    ],
)
def test_what_is_no_uri_is_an_error_that_shows_no_password(uri: str) -> None:
    line = refused(f'[tool.nox-pex]\nattest = {{ builder-id = "{uri}" }}\n{SERVICE}')
    assert "builder-id" in line
    assert "hunter22" not in line
