"""The text of bodies in any charset."""

from __future__ import annotations

import pytest

from nox_pex.smoke.checks.charsets import NotTextError, text_of


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("", "é".encode(), "é"),
        ("text/html", "é".encode(), "é"),
        ("text/html; charset=ISO-8859-1", b"\xe9", "é"),
        ('text/html;charset="windows-1252"; boundary=x', b"\x80", "€"),
        ("text/html; charset='utf-8'", "é".encode(), "é"),
        ("text/plain; charset=utf-16", "é".encode("utf-16"), "é"),
        ("text/plain; charset=Shift_JIS", "日本".encode("shift_jis"), "日本"),
        ("text/plain; charset=GB18030", "中".encode("gb18030"), "中"),
    ],
)
def test_the_content_type_names_the_charset(content_type: str, body: bytes, text: str) -> None:
    assert text_of({"content-type": content_type}, body) == text


@pytest.mark.parametrize(
    "charset",
    [
        *("idna", "punycode", "unicode_escape", "raw_unicode_escape", "utf-7", "hex", "rot13", "base64", "zlib", "bz2"),
        *("undefined", "mbcs", "no-such", "", "\0", "é", "../os", "x" * 100, "aliases"),
    ],
)
def test_other_codecs_are_unknown_charsets(charset: str) -> None:
    with pytest.raises(NotTextError, match="a body in the unknown charset"):
        text_of({"content-type": f"text/plain; charset={charset}"}, b"xn--")


def test_a_body_in_another_charset_is_an_error() -> None:
    with pytest.raises(NotTextError, match=r"a body that is not utf-8 \(byte 1\)"):
        text_of({}, b"a\xff")
