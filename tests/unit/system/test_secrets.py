from __future__ import annotations

import pytest

from nox_pex.system.secrets import MASK, Secrets, is_secret_name, public_url, url_passwords


@pytest.mark.parametrize(
    "name",
    [
        *("GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "POETRY_HTTP_BASIC_PRIVATE_PASSWORD", "APIKEY"),
        *("STRIPE_KEY", "SSH_KEYS", "db_pass", "PGPASSWD", "GPG_PASSPHRASE", "GOOGLE_CREDENTIALS", "KEY", "DB_PWD"),
    ],
)
def test_the_name_of_a_variable_that_holds_a_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["PATH", "HOME", "KEYBOARD", "MONKEY", "COMPASS", "PASSENGER", "LOG_LEVEL", "PWD", "OLDPWD"]
)
def test_the_name_of_a_variable_that_holds_none(name: str) -> None:
    assert not is_secret_name(name)


def test_the_secrets_of_an_environment_are_found_by_name_by_list_and_in_urls() -> None:
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


def test_known_values_and_passwords_in_urls_are_masked() -> None:
    secrets = Secrets.of({"A_TOKEN": "s3cret-value", "B_TOKEN": "s3cret-value-longer"})
    assert secrets.mask("a s3cret-value and s3cret-value-longer") == "a **** and ****"
    assert secrets.mask("https://joe:pw@host/x") == f"https://joe:{MASK}@host/x"
    assert secrets.mask("git+ssh://abc@host/x") == f"git+ssh://{MASK}@host/x"
    assert secrets.mask("mail joe@host, see https://host/a@b") == "mail joe@host, see https://host/a@b"


def test_a_private_key_is_masked_even_if_it_is_cut_off() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"
    assert Secrets().mask(f"before\n{key}\nafter") == f"before\n{MASK}\nafter"
    assert Secrets().mask("-----BEGIN PRIVATE KEY-----\ncut off") == MASK


def test_a_secret_has_at_least_five_characters() -> None:
    environ = {
        "A_TOKEN": "12345",
        "B_TOKEN": "1234",
        "URL": "https://joe:abcde@host.example https://joe:abcd@host.example",
    }
    assert Secrets.of(environ).values == ("12345", "abcde")


def test_the_longer_value_is_masked_first_and_each_only_once() -> None:
    assert Secrets.from_values(["bbbbb", "aaaaa", "aaaaab", "bbbbb"]).values == ("aaaaab", "aaaaa", "bbbbb")


def test_the_passwords_and_lone_tokens_of_all_urls_are_found() -> None:
    text = "https://joe:pass:word@a.example, ssh://git@b.example and https://c.example"
    assert list(url_passwords(text)) == ["pass:word", "git"]


def test_a_public_url_has_no_password_and_no_token() -> None:
    assert public_url("https://token@host.example/a") == "https://host.example/a"
    assert public_url("https://joe:pw@host.example/a") == "https://host.example/a"
    assert public_url("git+ssh://git:pw@host.example/a") == "git+ssh://git@host.example/a"
    assert public_url("git@host.example:a/b.git") == "git@host.example:a/b.git"


def test_private_keys_of_several_kinds_are_masked_one_by_one() -> None:
    kinds = ("", "RSA ", "OPENSSH ")
    text = "\n".join(
        f"{kind}:\n-----BEGIN {kind}PRIVATE KEY-----\nx\n-----END {kind}PRIVATE KEY-----" for kind in kinds
    )
    assert Secrets().mask(text) == "\n".join(f"{kind}:\n{MASK}" for kind in kinds)
