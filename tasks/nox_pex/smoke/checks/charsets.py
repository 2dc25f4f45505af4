"""The text of a body, in the charset that its Content-Type names."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from typing import Final

_CHARSET: Final = re.compile(r"""(?i);[ \t]*charset[ \t]*=[ \t]*["']?([a-z0-9][a-z0-9._:+-]{0,63})(?=["';, \t]|$)""")


_NAMED: Final = re.compile(r"(?i);[ \t]*charset[ \t]*=[ \t]*([^;]{0,64})")


_CODEC: Final = re.compile(
    r"ascii|utf-8|utf-8-sig|utf-(?:16|32)(?:-[bl]e)?|iso8859-\d+|cp\d+|windows-\d+|koi8-[rtu]|mac-[a-z0-9]+|gb2312|gbk"
    r"|gb18030|hz|big5|big5hkscs|euc_[a-z0-9]+|shift_jis[a-z0-9]*|iso2022_[a-z0-9_]+|johab|ptcp154|tis-620|kz1048"
    r"|hp-roman8"
)
"""Python's codecs for charsets of text. Others are transformations (`rot13`, `hex`), or encode names (`idna`,
`punycode`) and literals (`unicode_escape`). Browsers accept no UTF-7 either (the WHATWG's Encoding Standard)."""


class NotTextError(Exception):
    """The body is not text in the charset of its Content-Type."""


def codec_of(headers: Mapping[str, str]) -> str:
    """Return the name of Python's codec for a body, by its Content-Type. Raises `NotTextError` if there is none."""
    content_type = headers.get("content-type", "")
    named = _NAMED.search(content_type)
    if named is None:
        return "utf-8"
    charset = _CHARSET.match(content_type, named.start())
    name = charset[1] if charset else named[1].strip()
    try:
        codec = codecs.lookup(name).name if charset else ""
    except LookupError:
        codec = ""
    if not _CODEC.fullmatch(codec):
        msg = f"a body in the unknown charset {name!r}"
        raise NotTextError(msg)
    return codec


def text_of(headers: Mapping[str, str], body: bytes) -> str:
    """Return the text of a body. Raises `NotTextError`."""
    codec = codec_of(headers)
    try:
        return body.decode(codec)
    except UnicodeError as error:
        at = f" (byte {error.start})" if isinstance(error, UnicodeDecodeError) else ""
        msg = f"a body that is not {codec}{at}"
        raise NotTextError(msg) from None
