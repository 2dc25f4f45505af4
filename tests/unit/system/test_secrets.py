from __future__ import annotations

import base64
import json
import textwrap
import time

import pytest

from nox_pex.system.secrets import MASK, LineMasker, Secrets, is_secret_name, public_url, url_passwords


@pytest.mark.parametrize(
    "name",
    [
        *("GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "POETRY_HTTP_BASIC_PRIVATE_PASSWORD", "APIKEY"),
        *("SESSION_COOKIE", "PROXY_AUTHORIZATION", "BASIC_AUTH", "DOCKER_AUTH_CONFIG", "PRIVATEKEY", "x-api-key"),
        *("GH_PAT", "DB_PW", "OTP"),
        *("STRIPE_KEY", "SSH_KEYS", "db_pass", "PGPASSWD", "GPG_PASSPHRASE", "GOOGLE_CREDENTIALS", "KEY", "DB_PWD"),
    ],
)
def test_the_name_of_a_variable_that_holds_a_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "HOME",
        "KEYBOARD",
        "MONKEY",
        "COMPASS",
        "PASSENGER",
        "LOG_LEVEL",
        "PWD",
        "OLDPWD",
        "SSH_AUTH_SOCK",
        "XAUTHORITY",
    ],
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
    assert secrets.mask("git+ssh://git@host/x ssh://joe:pw@host") == f"git+ssh://git@host/x ssh://joe:{MASK}@host"
    assert secrets.mask("mail joe@host, see https://host/a@b") == "mail joe@host, see https://host/a@b"


def test_a_private_key_is_masked_even_if_it_is_cut_off() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"
    assert Secrets().mask(f"before\n{key}\nafter") == f"before\n{MASK}\nafter"
    assert Secrets().mask("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC") == MASK
    assert (
        Secrets().mask(f"log\n{'MIIEvQIBADANBgkq' * 4}\nhkiG9==\n-----END PRIVATE KEY-----\nlog") == f"log\n{MASK}\nlog"
    )
    assert Secrets().mask("no -----BEGIN PRIVATE KEY-----\nin the file") == f"no {MASK}\nin the file"


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
    assert list(url_passwords(text)) == ["pass:word"]


def test_the_password_of_a_proxy_without_a_scheme_is_a_secret() -> None:
    assert Secrets.of({"https_proxy": "user:canary@proxy:3128"}).values == ("canary",)
    assert Secrets.of({"NO_PROXY": "localhost,127.0.0.1:80", "OTHER": "user:canary@proxy:3128"}).values == ()


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


PEM = "\n".join(
    [
        "-----BEGIN PRIVATE KEY-----",
        *(f"MIIE{row:02}+{'aB3/' * 14}x" for row in range(12)),
        "Zx9==",
        "-----END PRIVATE KEY-----",
    ]
)
"""A key of which no two lines are equal."""


def test_each_line_of_a_secret_with_several_lines_is_masked_wherever_it_is() -> None:
    secrets = Secrets.of({"SIGNING_KEY": f"{PEM}\n"})
    for line in PEM.splitlines():
        assert secrets.mask(f"INFO:root:  {line}!").startswith(f"INFO:root:  {MASK}")
    assert secrets.mask(f"<{PEM}>") == f"<{MASK}>"
    assert secrets.mask(PEM.replace("\n", "\r\n")) == MASK
    assert secrets.mask(" ".join(PEM.split())) == MASK  # as `NoxPexError` puts a problem on one line


def test_a_secret_that_is_wrapped_over_lines_is_masked() -> None:
    secrets = Secrets.of({"A_TOKEN": "canary-0123456789abcdef", "SIGNING_KEY": PEM})
    for width in range(12, 22):
        assert secrets.mask(textwrap.fill("canary-0123456789abcdef", width, break_on_hyphens=False)) == MASK
    for encoded in (base64.encodebytes(PEM.encode()), base64.encodebytes(b"joe:canary-0123456789abcdef" * 5)):
        masked = secrets.mask(encoded.decode())
        assert len(masked) < 50


def test_lines_that_come_one_by_one_are_held_back_only_within_a_secret() -> None:
    masker = LineMasker(Secrets.of({"A_TOKEN": "canary-0123456789abcdef"}))
    assert masker.feed("building") == ("building",)
    assert masker.feed("x canary-0123") == ()
    assert masker.feed("456789abcdef y") == (f"x {MASK} y",)
    assert masker.feed("") == ("",)
    assert masker.feed("canary-0123") == ()
    assert masker.flush() == ("canary-0123",)
    assert masker.flush() == ()


def test_an_unknown_private_key_that_comes_line_by_line_is_masked() -> None:
    masker = LineMasker(Secrets())
    shown = [line for given in ["a", *PEM.splitlines(), "b"] for line in masker.feed(given)]
    assert [*shown, *masker.flush()] == ["a", MASK, "b"]
    shown = [line for given in ["a -----BEGIN PRIVATE KEY-----", "is missing", "b"] for line in masker.feed(given)]
    assert shown == [f"a {MASK}", "is missing", "b"]


def test_the_passwords_of_urls_with_reserved_characters_are_found_and_masked() -> None:
    assert "pa@s/s-word" in url_passwords("https://joe:pa@s/s-word@host.example/simple")
    for password in ("pa/ss-word", "p@ss-word", "pa?ss#word"):
        url = f"https://joe:{password}@host.example/simple"
        assert password in url_passwords(url)
        assert Secrets().mask(f"see {url} now") == f"see https://joe:{MASK}@host.example/simple now"
    assert list(url_passwords("https://joe:pa%2Fss@host")) == ["pa%2Fss", "pa/ss"]
    assert list(url_passwords("https://joe:pa'ss\"w@host")) == ["pa'ss\"w"]
    assert Secrets().mask(r"https:\/\/joe:pw@host\/x") == rf"https:\/\/joe:{MASK}@host\/x"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "http://127.0.0.1:8000/a@b",
            "https://host/a@b",
            "http://[::1]:8000/a@b",
            "https://host.example:443/@scope/x",
        ),
        *("/items?page=2&sort=name", "Authorization error accessing x", "a cookie, and a key", "unexpected token: foo"),
        *("Basic authentication is required", "ssh://git@host.example/a", "x = y; token = z", "sha256=0123abcdef"),
    ],
)
def test_a_text_without_secrets_stays(text: str) -> None:
    assert Secrets.of({"A_TOKEN": "canary-0123456789abcdef"}).mask(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "https://h/x?token=hidden-1",
        "https://h/x?a=1&api_key=hidden-1&b=2",
        "https://h/x?a=1&amp;access_token=hidden-1",
        "https://h/x?X-Amz-Signature=hidden-1",
        "https://h/x?sv=1&sig=hidden-1%3D",
        "next=https%3A%2F%2Fh%2Fx%3Ftoken%3Dhidden-1%26b",
        "Authorization: Bearer hidden-1",
        "authorization: Basic hidden-1==",
        "Proxy-Authorization:hidden-1",
        "Cookie: a=1; session=hidden-1",
        "Set-Cookie: session=hidden-1; Path=/",
        "X-Api-Key: hidden-1",
        "PRIVATE-TOKEN: hidden-1",
        '{"Authorization": "Bearer hidden-1", "Cookie": "a=hidden-1", "x": 1}',
        "{'authorization': 'Bearer hidden-1'}",
        "[(b'host', b'h'), (b'authorization', b'Bearer hidden-1'), (b'cookie', b'hidden-1')]",
        r'"{\"Authorization\": \"Bearer hidden-1\"}"',
        r"send: b'GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Basic hidden-1\r\n\r\n'",
        "curl -H 'Authorization: Bearer hidden-1' https://h",
        "got Bearer abc.hidden-1 from h",
    ],
)
def test_secrets_are_recognised_by_the_text_around_them(text: str) -> None:
    masked = Secrets().mask(text)
    assert "hidden-1" not in masked
    assert MASK in masked


def test_what_is_around_a_masked_parameter_or_header_stays() -> None:
    mask = Secrets().mask
    assert mask("https://h/x?a=1&api_key=k1&b=2 end") == f"https://h/x?a=1&api_key={MASK}&b=2 end"
    assert mask("a\nAuthorization: Bearer k\nb") == f"a\nAuthorization: Bearer {MASK}\nb"
    assert mask('{"Authorization": "Bearer k", "x": 1}') == f'{{"Authorization": "Bearer {MASK}", "x": 1}}'


def test_the_secrets_within_a_structured_value_are_secrets_too() -> None:
    environ = {
        "HTTP_AUTHORIZATION": "Bearer abcdef-token",
        "PROXY_AUTHORIZATION": f"Basic {base64.b64encode(b'joe:hunter22').decode()}",
        "DOCKER_AUTH_CONFIG": json.dumps({"auths": {"h": {"auth": "am9lOnB3"}}}),
        "SESSION_COOKIE": "session=abc123abc; theme=light",
        "ENCODED_KEY": base64.encodebytes(b"a decoded secret").decode(),
        "ESCAPED_KEY": PEM.replace("Zx9", "Yw8").replace("\n", "\\n"),
        "GOOGLE_CREDENTIALS": json.dumps({"type": "service_account", "private_key": PEM}),
    }
    values = Secrets.of(environ).values
    assert {"abcdef-token", "hunter22", "am9lOnB3", PEM, PEM.replace("Zx9", "Yw8")} <= {*values}
    assert {"abc123abc", "a decoded secret"} <= {*values}
    assert not {"service_account", "light"} & {*values}


def test_a_secret_that_is_cut_short_is_masked() -> None:
    secrets = Secrets.of({"A_TOKEN": 'canary-01"3456789abcdef'})
    assert secrets.mask('got "… canary-01…"') == f'got "… {MASK}…"'
    assert secrets.mask(r'got "… canary-01\"345…"') == f'got "… {MASK}…"'
    assert secrets.mask("…9abcdef and more") == f"…{MASK} and more"
    encoded = base64.b64encode(b'canary-01"3456789abcdef').decode()
    assert secrets.mask(f"got {encoded[:18]}…") == f"got {MASK}…"


def test_a_switch_is_no_secret() -> None:
    assert Secrets.of({"TOKENIZERS_PARALLELISM": "false"}).values == ()


def test_a_long_log_is_masked_quickly() -> None:
    secrets = Secrets.of({f"A{n}_TOKEN": f"{n}-canary/{n * 7919:x}-0123456789+{n}" for n in range(30)})
    line = "Collecting https://files.example/simple/foo-1.2.3.tar.gz (from -r requirements.txt) /usr/lib/python3/x\n"
    text = line * 50_000  # 5 MB
    started = time.process_time()
    assert secrets.mask(text) == text
    assert time.process_time() - started < 20.0


@pytest.mark.parametrize(
    "text",
    [
        *(character * 100_000 for character in ("\n", "\\", "'", "=", "  |", "://", "a-", ";a", "%25", "&amp;")),
        *("-----BEGIN PRIVATE KEY-----" * 1000, "https://a:" * 10_000, "-----BEGIN PRIVATE KEY-----\n" * 1000),
    ],
)
def test_no_text_makes_masking_slow(text: str) -> None:
    secrets = Secrets.of({"A_TOKEN": "canary '\n\\/& 01=234"})
    started = time.process_time()
    secrets.mask(f"canary{text}-----END PRIVATE KEY-----")
    secrets.mask(f"{text}Authorization: x …")
    assert time.process_time() - started < 10.0


def test_the_strings_of_a_json_document_are_masked() -> None:
    secrets = Secrets.of({"A_TOKEN": "canary'\""})
    document = {"canary'\"": [1, None, True, {"x": "a canary'\""}], "ö": 0.5}
    text = secrets.mask_json(json.dumps(document))
    assert json.loads(text) == {MASK: [1, None, True, {"x": f"a {MASK}"}], "ö": 0.5}
    assert '\n  "ö": 0.5\n}\n' in text


@pytest.mark.parametrize(
    "text",
    [
        "the key is \x1b[1mhunter2\x1b[0m-hunter3",
        "the key is \x1b[1;38;5;208mhunter2-\x1b[1;36mhunter3\x1b[0m",
        "the key is hunter\x1b]8;;http://a\x1b\\2-hun\x1b]8;;\x07ter3",
        "https://me:hun\x1b[31mter2@host/",
    ],
)
def test_colours_in_a_secret_do_not_hide_it(text: str) -> None:
    masked = Secrets.from_values(["hunter2-hunter3"]).mask(f"\x1b[32mok\x1b[0m\n{text}")
    assert "hun" not in masked
    assert masked.startswith("\x1b[32mok\x1b[0m\n")


def test_a_long_text_with_escape_sequences_is_masked_in_linear_time() -> None:
    secrets = Secrets.from_values(["hunter2-hunter3"])
    for text in (
        "\x1b[31mx\x1b[0m" * 100_000,
        "\x1b[" + "1" * 1_000_000,
        "\x1b]" * 300_000,
        f"{chr(27) * 9999}{'[1m' * 9999}",
        "\x1b[1mx\n" * 50_000,
    ):
        started = time.monotonic()
        assert secrets.mask(text) == text
        assert time.monotonic() - started < 5
