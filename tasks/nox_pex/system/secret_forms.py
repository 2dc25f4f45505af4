"""The forms in which a program may print a text: as it is, and as JSON, repr, URL, HTML, shell, base64 or hex text.

`forms` gives patterns for a search in text, which find mixed and nested encodings too. `literal_forms` gives the finite
list of the usual encodings, for a search in files. Pure.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, quote_plus

from nox_pex.system.lazy import lazy, pattern

if TYPE_CHECKING:
    import html
    from html import entities
else:
    html = lazy("html")  # only needed if a text may have a secret
    entities = lazy("html.entities")

_PERCENT: Final = "%(?:25){0,8}"
"""The beginning of a percent-encoded byte, perhaps encoded more than once (RFC 3986, 2.1)."""


_ENTITY: Final = "&(?:amp;){0,8}"
"""The beginning of an HTML character reference, perhaps escaped more than once."""


_BACKSLASH: Final = rf"(?:\\|{_PERCENT}5[Cc]|{_ENTITY}#(?:92|[xX]0{{0,7}}5[cC]);)"


_BREAK: Final = r"(?:['\"]?(?:[\r\n]|\\{1,32}[\r\nrn])[\\\r\nrn \t|>'\"b]{0,60}(?<!\\))?"
"""A line break, perhaps escaped, with the indentation or quotation mark of the next line: a text may be wrapped.

It is simple because it is in an expression once for each character. It needs a line break and takes no backslash of the
next character, because an expression that can read one text in several ways takes exponential time. All repetitions are
bounded, here and below, for the same reason.
"""


_ESCAPED: Final = r"(?:[rnt]|(?i:u00|x)(?i:0[9ad]|2[027]|5c)|(?:01[125]|04[027]|134))"
"""White space, a quotation mark or a backslash as JSON, Python, C or a shell writes it after a backslash."""


_ENCODED: Final = (
    rf"\\{{1,32}}{_ESCAPED}|{_PERCENT}(?i:0[9ad]|2[027]|5c)"
    rf"|{_ENTITY}(?:apos|quot|#(?:9|1[03]|3[249]|92|[xX]0{{0,7}}(?i:9|a|d|2[027]|5c)));"
)


_GAP: Final = pattern(r"[\s\\'\"]")


_PARTS: Final = pattern(r"[\s\\'\"]+|[^\s\\'\"]")


_ASCII: Final = 128


_ANCHOR: Final = 40
"""Characters. The part of a form that is searched first is at most this long."""


class Form(NamedTuple):
    """A family of spellings of one text.

    `source` returns a regular expression. A text that it matches contains one of `anchors`; without anchors, nothing is
    known about such a text. To look for an anchor takes a hundredth of the time of the expression, and most
    expressions are never needed.
    """

    anchors: tuple[str, ...]
    source: Callable[[], str]


def plain_form(value: str) -> Form:
    """Return the spellings of `value` in which ASCII letters and digits stay, in any mixture and nesting.

    Other characters may be escaped as in JSON, Python, C, a shell, a URL or HTML. A line break may be anywhere.
    """
    return Form(anchors=_anchors(value), source=partial(_plain_source, value))


def base64_forms(value: str) -> Iterator[Form]:
    """Yield the spellings of `value` in a base64 text, standard or URL-safe, one for each of the three alignments."""
    for core in base64_cores(value):
        yield Form(anchors=_anchors(core), source=partial(_base64_source, core))


def hex_form(value: str) -> Form:
    """Return the spellings of `value` as hexadecimal digits."""
    digits = _bytes(value).hex()
    return Form(anchors=(*_anchors(digits), *_anchors(digits.upper())), source=lambda: f"(?i:{digits})")


def forms(value: str) -> Iterator[Form]:
    """Yield all forms of `value`, which must not be empty."""
    yield plain_form(value)
    yield from base64_forms(value)
    yield hex_form(value)


def literal_forms(value: str) -> tuple[str, ...]:
    """Return the texts that the usual encoders make of `value`, each once, `value` itself first.

    An encoder's quotes are not included. A base64 text has only the characters that no neighbour of `value` changes.
    """
    found = [value]
    for ensure_ascii in (True, False):
        once = json.dumps(value, ensure_ascii=ensure_ascii)[1:-1]
        found += [once, json.dumps(once, ensure_ascii=ensure_ascii)[1:-1]]
    found += [repr(value)[1:-1], ascii(value)[1:-1], repr(_bytes(value))[2:-1]]
    for safe in ("", "/"):
        for once in (quote(_bytes(value), safe=safe), quote_plus(_bytes(value), safe=safe)):
            found += [once, re.sub("%..", lambda match: match[0].lower(), once)]
    found += [html.escape(value), html.escape(value, quote=False)]
    quoted = shlex.quote(value)
    found.append(quoted[1:-1] if quoted != value else quoted)
    for core in base64_cores(value):
        found += [core, core.translate(_URL_SAFE)]
    found += [_bytes(value).hex(), _bytes(value).hex().upper()]
    return tuple(dict.fromkeys(found))


_URL_SAFE: Final = str.maketrans("+/", "-_")


_BASE64: Final = {
    "+": rf"(?:[+ -]|{_PERCENT}2[Bb]|\\{{1,32}}u002[Bb])",
    "/": rf"(?:\\{{0,32}}[/_]|{_PERCENT}2[Ff])",
}


def base64_cores(value: str) -> tuple[str, ...]:
    """Return, for each alignment, the base64 characters that hold bits of `value` alone."""
    cores = []
    for text in dict.fromkeys((value, json.dumps(value)[1:-1], repr(value)[1:-1])):
        data = _bytes(text)
        for before in range(3):
            encoded = base64.b64encode(bytes(before) + data).decode("ascii")
            cores.append(encoded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6])
    return tuple(cores)


def _anchors(text: str) -> tuple[str, ...]:
    """Return two parts of `text` that no encoder changes, so that a line break can be in one of them only.

    Returns one part if there is no second one, and none if `text` has no two letters or digits in sequence.
    """
    runs = sorted(re.findall(r"[A-Za-z0-9]{2,}", text), key=len, reverse=True)
    if not runs:
        return ()
    longest = runs[0][:_ANCHOR]
    half = len(longest) // 2
    if half > len("abc"):
        return (longest[:half], longest[half:])
    return tuple(runs[:2])


def _plain_source(value: str) -> str:
    source, before = "", ""
    for part in _PARTS.finditer(value):
        gap = _GAP.match(part[0]) is not None
        source += "" if gap or not before or _GAP.match(before) else _BREAK
        source += _gap(part[0], value[part.end() : part.end() + 1], inside=bool(before)) if gap else _spellings(part[0])
        before = part[0]
    return source


def _base64_source(core: str) -> str:
    source = _BREAK.join(_BASE64.get(character, character) for character in core)
    # The characters at both ends hold bits of the value and of its neighbours.
    return f"[A-Za-z0-9]?{source}[A-Za-z0-9]?(?:=|%3[Dd]){{0,2}}"


def _gap(gap: str, following: str, *, inside: bool) -> str:
    """Return a regular expression for a run of white space, quotes and backslashes before the character `following`.

    All of these change and multiply when a text is quoted and wrapped, so any run is read as any other one. It is read
    at once and never in part (atomic groups): the alternatives end at different places. `inside` says that the run does
    not begin the value; at both ends, no white space belongs to a secret.
    """
    singles = r"'\"\s|>" if inside and following else r"'\""
    if following in "|>" and following:
        singles = singles.replace(following, "")
    if " " in gap and following != "+":
        singles += "+"  # a space in the query of a URL
    whole = rf"(?>(?:{_ENCODED}|[{singles}]|\\){{1,400}})"
    if not following:
        return whole
    if following.isascii() and following.isalnum():
        # The character after a backslash may be `following`, and not a part of an escape.
        return rf"(?:{whole}|(?>[{singles}\\]{{1,400}})(?<=\\)(?={_ESCAPED}))"
    # The last backslashes may escape `following`.
    return rf"(?:{whole}|(?>(?:{_ENCODED}|[{singles}]){{1,400}})(?=\\))"


def _spellings(character: str) -> str:
    """Return a regular expression for one character."""
    if character.isascii() and character.isalnum():
        return character
    return f"(?:{'|'.join(_alternatives(character))})"


def _alternatives(character: str) -> Iterator[str]:
    code, data = ord(character), _bytes(character)
    literal = [re.escape(character)]
    literal.append(f"(?i:{''.join(f'{_PERCENT}{byte:02x}' for byte in data)})")
    literal.append(rf"{_ENTITY}#(?:0{{0,7}}{code}|[xX]0{{0,7}}(?i:{code:x}));")
    if (name := entities.codepoint2name.get(code)) is not None:
        literal.append(f"{_ENTITY}{name};")
    if code >= _ASCII:
        literal.append("\N{REPLACEMENT CHARACTER}+")  # the output of a tool is decoded with errors="replace"
    yield f"{_BACKSLASH}{{0,32}}(?:{'|'.join(literal)})"
    units = character.encode("utf-16-be", "surrogatepass")
    escapes = (
        [f"x{byte:02x}" for byte in data],
        [f"{byte:03o}" for byte in data],
        [f"u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2)],
        [f"x{code:02x}"],
        [f"u{{?0{{0,7}}{code:x}}}?"],
    )
    for escape in escapes:
        yield f"(?i:{''.join(f'{_BACKSLASH}{{1,32}}{unit}' for unit in escape)})"


def _bytes(text: str) -> bytes:
    """Return the UTF-8 of `text`. A lone surrogate stands for a byte of a variable that is not UTF-8 (PEP 383)."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
