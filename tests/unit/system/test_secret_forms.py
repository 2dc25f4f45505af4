from __future__ import annotations

import base64
import html
import json
import re
import shlex
import subprocess
import textwrap
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from nox_pex.system.secret_forms import literal_forms
from nox_pex.system.secrets import MASK, Secrets

PEM = "\n".join(["-----BEGIN PRIVATE KEY-----", *(f"MIIE{row:02}+{'aB3/' * 14}x" for row in range(12)), "-----END"])

VALUES = {
    "plain": "canary0123456789",
    "shell": "can'ary$\"01`\\23 4&<5>",
    "windows": r"c:\dir\\new\table",
    "unicode": "canäry-ß€-😀-0123",
    "short": "s3cr3",
    "symbols": "!$%&/()=?+*~#';,",
    "base64": "dGhpcy/is+base64==",
    "pem": PEM,
    "crlf": "first-line\r\nsecond-line",
}


def percent(value: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "".join(f"%{byte:02x}" for byte in c.encode()) for c in value)


def entities(value: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else f"&#{ord(c)};" for c in value)


def hex_entities(value: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else f"&#x{ord(c):X};" for c in value)


def unicode_escapes(value: str) -> str:
    return json.dumps("".join(value)).replace('\\"', "\\u0022").replace("/", "\\u002F").replace("<", "\\u003c")


def printf_q(value: str) -> str:
    return subprocess.run(["bash", "-c", 'printf %q "$1"', "-", value], capture_output=True, check=True).stdout.decode()


ENCODERS: dict[str, Callable[[str], str]] = {
    "itself": str,
    "json": json.dumps,
    "json-utf-8": lambda value: json.dumps(value, ensure_ascii=False),
    "json-twice": lambda value: json.dumps(json.dumps({"env": value})),
    "json-thrice": lambda value: json.dumps(json.dumps(json.dumps(value))),
    "json-slash": lambda value: json.dumps(value).replace("/", r"\/"),
    "json-unicode": unicode_escapes,
    "repr": repr,
    "repr-bytes": lambda value: repr(value.encode()),
    "repr-list": lambda value: repr([repr(value)]),
    "ascii": ascii,
    "unicode-escape": lambda value: value.encode("unicode_escape").decode(),
    "json-of-repr": lambda value: json.dumps(repr(value)),
    "shell": shlex.quote,
    "shell-twice": lambda value: shlex.quote(f"echo {shlex.quote(value)}"),
    "shell-backslash": lambda value: "'" + value.replace("'", "'\\''") + "'",
    "shell-printf": printf_q,
    "windows": lambda value: subprocess.list2cmdline([value]),
    "url": quote,
    "url-all": lambda value: quote(value, safe=""),
    "url-plus": quote_plus,
    "url-lower": lambda value: quote(value, safe="").replace("%2F", "%2f").replace("%3D", "%3d"),
    "url-twice": lambda value: quote(quote(value, safe=""), safe=""),
    "url-every": percent,
    "html": html.escape,
    "html-no-quotes": lambda value: html.escape(value, quote=False),
    "html-twice": lambda value: html.escape(html.escape(value)),
    "html-decimal": entities,
    "html-hexadecimal": hex_entities,
    "html-ascii": lambda value: value.encode("ascii", "xmlcharrefreplace").decode(),
    "html-of-json": lambda value: html.escape(json.dumps(value)),
    "crlf": lambda value: value.replace("\r\n", "\n").replace("\n", "\r\n"),
    "indented": lambda value: textwrap.indent(value, "  | "),
    "hex": lambda value: value.encode().hex(),
    "hex-upper": lambda value: value.encode().hex().upper(),
}

BASE64: dict[str, Callable[[bytes], str]] = {
    "standard": lambda data: base64.b64encode(data).decode(),
    "url-safe": lambda data: base64.urlsafe_b64encode(data).decode(),
    "no-padding": lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
    "mime": lambda data: base64.encodebytes(data).decode(),
    "mime-in-json": lambda data: json.dumps(base64.encodebytes(data).decode())[1:-1],
    "in-a-url": lambda data: quote(base64.b64encode(data), safe=""),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("encode", ENCODERS.values(), ids=ENCODERS)
def test_a_secret_is_masked_in_each_form(encode: Callable[[str], str], value: str) -> None:
    encoded = encode(value)
    masked = Secrets.of({"A_TOKEN": value}).mask(f"<< {encoded} >>")
    assert MASK in masked
    # The rest is what the encoder writes around each value.
    rest = re.sub(r"env|echo|b(?=['\"])|&quot;", "", masked.replace(MASK, ""))
    assert not [c for c in rest if c.isalnum()], masked


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("encode", BASE64.values(), ids=BASE64)
@pytest.mark.parametrize("before", ["", "u", "us", "user:"])
def test_a_secret_is_masked_in_base64_at_each_alignment(
    before: str, encode: Callable[[bytes], str], value: str
) -> None:
    masked = Secrets.of({"A_TOKEN": value}).mask(f"<< {encode(f'{before}{value}'.encode())} >>")
    assert MASK in masked
    # The first characters hold `before`, and the last one may hold a few bits of the value.
    rest = masked.replace("\\n", "")
    assert len([c for c in rest if c.isalnum()]) <= len(base64.b64encode(before.encode())), masked


@pytest.mark.parametrize("encode", [*ENCODERS.values(), re.escape], ids=[*ENCODERS, "regex"])
@pytest.mark.parametrize(
    "value",
    [
        json.dumps({f"key{row}": f"word {row} \\ 'x' \"y\" - é" for row in range(30)}, indent=4),
        "-".join("a'b\"c \\d" for _ in range(20)) + "\\-\n\\users-%20&" * 10,
    ],
    ids=["indented-json", "quotes"],
)
def test_a_part_of_a_secret_with_many_quotes_and_spaces_takes_no_exponential_time(
    value: str, encode: Callable[[str], str]
) -> None:
    secrets = Secrets.from_values([value])
    encoded = encode(value)
    assert MASK in secrets.mask(encoded)
    started = time.monotonic()
    for cut in (1, 3, len(encoded) // 3):
        secrets.mask(f"{encoded[:-cut]}#")
    assert time.monotonic() - started < 5  # before, it did not end


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_the_literal_forms_are_what_the_encoders_write(value: str) -> None:
    forms = literal_forms(value)
    assert forms[0] == value
    assert len(set(forms)) == len(forms)
    for name in ("json", "json-utf-8", "repr", "repr-bytes", "ascii", "shell", "url-all", "url-plus", "html", "hex"):
        encoded = ENCODERS[name](value)
        assert any(form in encoded for form in forms), name
    for before in ("", "u", "us"):
        for name in ("standard", "url-safe"):
            assert any(form in BASE64[name](f"{before}{value}".encode()) for form in forms)


def test_a_value_that_is_not_utf_8_is_masked_as_a_tool_prints_it() -> None:
    value = b"canary-\xff-0123".decode("utf-8", "surrogateescape")
    secrets = Secrets.of({"A_TOKEN": value})
    assert secrets.mask(b"x canary-\xff-0123".decode("utf-8", "replace")) == f"x {MASK}"
    assert secrets.mask("b'canary-\\xff-0123'") == f"b'{MASK}'"
