from __future__ import annotations

import pytest

from nox_pex.system.secrets import MASK, Secrets, is_secret_name


@pytest.mark.parametrize(
    "name",
    [
        *("GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "POETRY_HTTP_BASIC_PRIVATE_PASSWORD", "APIKEY"),
        *("STRIPE_KEY", "SSH_KEYS", "db_pass", "PGPASSWD", "GPG_PASSPHRASE", "GOOGLE_CREDENTIALS", "KEY", "DB_PWD"),
    ],
)
def test_names_that_tell_a_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["PATH", "HOME", "KEYBOARD", "MONKEY", "COMPASS", "PASSENGER", "LOG_LEVEL", "PWD", "OLDPWD"]
)
def test_names_that_tell_none(name: str) -> None:
    assert not is_secret_name(name)


def test_secrets_of_an_environment() -> None:
    environ = {
        "GITHUB_TOKEN": "ghp_0123456789",
        "LICENCE": "abcde-fghij",
        "PIP_INDEX_URL": "https://joe:hunter22@index.example/simple",
        "PROXY": "http://lonetoken@proxy.example",
        "LANG": "en_GB.UTF-8",
        "SHORT_KEY": "1",
    }
    secrets = Secrets.of(environ, listed=["LICENCE"])
    assert secrets.values == ("ghp_0123456789", "abcde-fghij", "lonetoken", "hunter22")


def test_masking_known_values_and_urls() -> None:
    secrets = Secrets.of({"A_TOKEN": "s3cret-value", "B_TOKEN": "s3cret-value-longer"})
    assert secrets.mask("a s3cret-value and s3cret-value-longer") == f"a {MASK} and {MASK}"
    assert secrets.mask("https://joe:pw@host/x") == f"https://joe:{MASK}@host/x"
    assert secrets.mask("git+ssh://abc@host/x") == f"git+ssh://{MASK}@host/x"
    assert secrets.mask("mail joe@host, see https://host/a@b") == "mail joe@host, see https://host/a@b"


def test_masking_a_private_key() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"
    assert Secrets().mask(f"before\n{key}\nafter") == f"before\n{MASK}\nafter"
    assert Secrets().mask("-----BEGIN PRIVATE KEY-----\ncut off") == MASK
