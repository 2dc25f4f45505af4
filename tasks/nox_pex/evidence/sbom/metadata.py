"""Read the METADATA of a distribution for a bill of materials: bounded and printable, whatever is in it.

Fact sources: the core metadata specification; "Well-known Project URLs in Metadata" of PyPA.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from email.errors import HeaderParseError
from email.message import Message
from email.parser import HeaderParser
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from msgspec import Struct

from nox_pex.evidence.sbom.bill import Licences
from nox_pex.system.secrets import public_url

LONGEST_HEADER: Final = 1 << 20
"""Characters of a METADATA that are read. Its description, which may be long, is not among its headers."""


_LONGEST_NAME: Final = 200
"""Characters of a name of a person, an organisation or a licence."""


_LONGEST_SUMMARY: Final = 500
"""Characters of a Summary. The specification says: one line."""


_LONGEST_LICENCE: Final = 2000
"""Characters of a licence field that are passed on. Some metadata has the whole text of a licence there."""


_LONGEST_URL: Final = 2000
"""Characters of a URL. A longer one is left out, because a part of it would be another address."""


_MOST: Final = 20
"""The number of links, of authors and of classifiers that are read."""


_LABELS: Final = {
    "homepage": "website",
    "source": "vcs",
    "repository": "vcs",
    "sourcecode": "vcs",
    "github": "vcs",
    "code": "vcs",
    "issues": "issue-tracker",
    "bugs": "issue-tracker",
    "issue": "issue-tracker",
    "tracker": "issue-tracker",
    "issuetracker": "issue-tracker",
    "bugtracker": "issue-tracker",
    "documentation": "documentation",
    "docs": "documentation",
    "changelog": "release-notes",
    "changes": "release-notes",
    "whatsnew": "release-notes",
    "history": "release-notes",
    "releasenotes": "release-notes",
    "download": "distribution",
}
"""The type of a link in CycloneDX by its well-known label, normalized."""


class Description(Struct, frozen=True, kw_only=True):
    """The description of a distribution in METADATA. `supplier` is its maintainer, or else its author, or empty."""

    summary: str = ""
    supplier: str = ""
    authors: tuple[str, ...] = ()
    links: tuple[tuple[str, str, str], ...] = ()
    licences: Licences = Licences()


def describe(metadata: str) -> Description:
    """Return what the text of a METADATA says."""
    headers = HeaderParser().parsestr(_headers(metadata))
    authors = tuple(dict.fromkeys(_people(headers, "Author")))[:_MOST]
    maintainers = tuple(_people(headers, "Maintainer"))
    return Description(
        summary=plain(_first(headers, "Summary"), _LONGEST_SUMMARY),
        supplier=(*maintainers, *authors, "")[0],
        authors=authors,
        links=tuple(dict.fromkeys(_links(headers)))[:_MOST],
        licences=Licences(
            expression=plain(_first(headers, "License-Expression"), _LONGEST_LICENCE),
            text=_lines(_first(headers, "License")),
            classifiers=tuple(dict.fromkeys(_licence_names(_all(headers, "Classifier"))))[:_MOST],
        ),
    )


def plain(text: str, longest: int = _LONGEST_NAME) -> str:
    """Return `text` on one line, without control characters and lone surrogates, cut off at `longest` characters."""
    line = " ".join(_INVISIBLE.sub(" ", text[: longest * 4]).split())
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


_INVISIBLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufffe\uffff]+"
)
"""Control characters, characters that hide or turn text, and lone surrogates, which JSON cannot carry."""


def _headers(metadata: str) -> str:
    """Return the headers in the text of a METADATA, without the description."""
    return re.split(r"\r?\n\r?\n", metadata[:LONGEST_HEADER], maxsplit=1)[0]


def _all(headers: Message, key: str) -> list[str]:
    try:
        return [str(value) for value in headers.get_all(key, [])]
    except (HeaderParseError, UnicodeError, ValueError):
        return []


def _first(headers: Message, key: str) -> str:
    """Return the first value of a field; `UNKNOWN`, which old tools wrote, is none."""
    value = (*_all(headers, key), "")[0]
    return "" if value.strip() == "UNKNOWN" else value


def _lines(text: str) -> str:
    """Return a field that may have several lines, each plain."""
    pieces = [plain(line, _LONGEST_LICENCE) for line in text[:_LONGEST_LICENCE].splitlines()]
    return "\n".join(piece.removeprefix("|").strip() for piece in pieces if piece)


def _people(headers: Message, key: str) -> Iterator[str]:
    """Yield the names in the fields `key` and `key`-email. Addresses of people are left out if they have a name."""
    name = plain(_first(headers, key).partition("<")[0])
    if name:
        yield name
    for match in _PERSON.finditer(_first(headers, f"{key}-email")[:_LONGEST_LICENCE]):
        person = plain(match["quoted"] or match["name"] or "")
        if person or not name:
            yield from filter(None, [person or plain(match["address"] or "")])


_PERSON: Final = re.compile(r'(?:"(?P<quoted>[^"]*)"|(?P<name>[^",<>]*))\s*(?:<(?P<address>[^<>,]*)>)?(?:,|$)')
"""A person in a list of email addresses. Python's own parsers read nested comments, without a limit."""


def _links(headers: Message) -> Iterator[tuple[str, str, str]]:
    """Yield the links: the type in CycloneDX, the URL, and the label."""
    if address := _address(_first(headers, "Home-page")):
        yield "website", address, ""
    if address := _address(_first(headers, "Download-URL")):
        yield "distribution", address, ""
    for value in _all(headers, "Project-URL")[: _MOST * 2]:
        label, _, url = value.partition(",")
        if address := _address(url):
            kind = _LABELS.get(re.sub(r"[\W_]+", "", label[:_LONGEST_NAME]).lower(), "other")
            yield kind, address, plain(label) if kind == "other" else ""


def _address(text: str) -> str:
    """Return a web address without credentials, as a URI (RFC 3986); empty if it is none."""
    text = text.strip()
    if len(text) > _LONGEST_URL or _INVISIBLE.search(text):
        return ""
    try:
        scheme, host, *others = urlsplit(public_url(text))
        valid = scheme in ("http", "https") and _HOST.fullmatch(host) and urlsplit(f"{scheme}://{host}").port != 0
    except ValueError:
        return ""
    parts = (quote(_STRAY.sub("%25", part), safe=_PART) for part in others)
    return urlunsplit((scheme, host, *parts)) if valid else ""


_HOST: Final = re.compile(r"[A-Za-z0-9._~-]+(?::[0-9]*)?")
"""A host, perhaps with a port. One with other characters, such as an IPv6 address, is of no use to strangers."""


_STRAY: Final = re.compile("%(?![0-9A-Fa-f]{2})")
"""A percent sign that begins no escape."""


_PART: Final = ":/?@!$&'()*+,;=%-._~"
"""The characters of a path, a query and a fragment (RFC 3986, section 2). `#` is only allowed before a fragment."""


def _licence_names(classifiers: Iterable[str]) -> Iterator[str]:
    """Yield the names of the licences in classifiers."""
    for classifier in classifiers:
        parts = [part.strip() for part in classifier[:_LONGEST_LICENCE].split("::")]
        if parts[0] == "License" and len(parts) > 1 and parts[-1] != "OSI Approved":
            yield plain(parts[-1])
