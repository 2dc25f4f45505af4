"""The header `WWW-Authenticate`: how a registry wants its users to authenticate.

Fact sources: RFC 9110, section 11.6.1; RFC 6750, section 3; distribution/distribution, "Token Authentication".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct

from nox_pex.system.lazy import pattern

_LONGEST: Final = 16_384
"""Characters of a header that are read."""


_SCHEME: Final = pattern(r"[\s,]*(?P<scheme>[!#$%&'*+.^_`|~0-9A-Za-z-]+)(?=\s|,|\Z)[ \t]*")


_PARAMETER: Final = pattern(
    r"[\s,]*(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*"
    r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<token>[^\s,"]+))'
)


_ESCAPED: Final = pattern(r"\\(.)")


class Challenge(Struct, frozen=True, kw_only=True):
    """A way to authenticate: its scheme (`basic`, `bearer`) and its parameters, both in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Return the challenges in the values of all headers `WWW-Authenticate`. What cannot be read is left out."""
    return tuple(challenge for header in headers for challenge in _in_header(header[:_LONGEST]))


def _in_header(header: str) -> Iterator[Challenge]:
    position = 0
    while (found := _SCHEME.match(header, position)) is not None:
        position = found.end()
        parameters: dict[str, str] = {}
        while (parameter := _PARAMETER.match(header, position)) is not None:
            quoted, token = parameter["quoted"], parameter["token"]
            value = _ESCAPED.sub(r"\1", quoted) if quoted is not None else token
            parameters.setdefault(parameter["name"].lower(), value)
            position = parameter.end()
        yield Challenge(scheme=found["scheme"].lower(), parameters=parameters)
