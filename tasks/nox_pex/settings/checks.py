"""The checks of a smoke test: requests, commands and ports, as frozen typed values."""

# Without `from __future__ import annotations`: msgspec would compile the text of each annotation in every run.

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Final

import msgspec

from nox_pex.settings.table import HIGHEST_PORT, Table, Timeout
from nox_pex.settings.values import (
    HIGHEST_EXIT,
    TOKEN,
    Status,
    check_header_names,
    check_headers,
    check_json_paths,
    check_path,
    check_patterns,
    check_size,
    check_value,
    statuses,
)
from nox_pex.system.lazy import pattern

_METHOD: Final = pattern(r"[A-Z]+(?:-[A-Z]+)*")


class TextMatch(Table, frozen=True, kw_only=True):
    """Conditions on the value of a header: texts that it contains, and regular expressions that match in it."""

    example: ClassVar[str] = '{ contains = "text/css" }'

    contains: str | tuple[str, ...] = ()
    """Texts that the value must contain."""
    matches: str | tuple[str, ...] = ()
    """Regular expressions that must match somewhere in the value."""

    def _broken_rules(self) -> Iterator[str]:
        if not (self.contains or self.matches):
            yield 'a header needs `contains` or `matches`; write one such as { contains = "text/css" }'
        yield from check_patterns(matches=self.matches)


class Capture(Table, frozen=True, kw_only=True):
    """A part of an answer that later checks use: what `matches` finds in the body, or the value of `header`."""

    example: ClassVar[str] = '{ header = "Location" }'

    matches: str | None = None
    """A regular expression. The value is what its first group matches in the body, or what it matches if it has no
    group.
    """
    header: str | None = None
    """The name of a header, whose value is the captured one, instead of `matches`."""

    def _broken_rules(self) -> Iterator[str]:
        if (self.matches is None) is (self.header is None):
            yield 'a captured value comes from either `matches` or `header`; write one such as { header = "Location" }'
        if self.header is not None:
            yield from check_header_names("header", [self.header])
        yield from check_patterns(matches=self.matches)


class HttpCheck(Table, frozen=True, kw_only=True):
    """One HTTP request, and the conditions on its answer."""

    example: ClassVar[str] = '{ path = "/" }'

    path: str
    """The path to request, with its query."""
    method: str = "GET"
    """The method of the request."""
    request_headers: dict[str, str] = {}
    """Headers to send."""
    request_body: str | None = None
    """The body to send. By default there is none."""
    request_json: Any = msgspec.UNSET
    """The body to send, as JSON. By default there is none."""
    timeout: Timeout = 10.0
    """The seconds that the whole exchange may take, with redirects and the comparison of the answer."""
    follow_redirects: bool = False
    """Follow redirects, and check the last answer."""
    ca_file: str | None = None
    """A PEM file with the certificate authorities for an `https` server, relative to the project's directory. The
    default is the system's.
    """

    status: Status = "2xx"
    """The expected status: `200`, `"2xx"`, `[200, 204]`."""
    headers: dict[str, str | TextMatch] = {}
    """Expected headers, each with its exact value, or with a table of conditions on it."""
    contains: str | tuple[str, ...] = ()
    """Texts that the body must contain."""
    not_contains: str | tuple[str, ...] = ()
    """Texts that the body must not contain."""
    matches: str | tuple[str, ...] = ()
    """Regular expressions that must match somewhere in the body."""
    json: Any = msgspec.UNSET
    """The JSON value that the body must equal."""
    json_path: dict[str, Any] = {}
    """JSONPath expressions (RFC 9535), each with the value that it must find."""
    json_schema: str | None = None
    """A file with a JSON Schema, relative to the project's directory; the body must be valid against it."""
    max_seconds: Timeout | None = None
    """The seconds that the answer may take. By default only `timeout` limits them."""
    max_size: str | None = None
    """The size that the body may have, as in `"100 kB"`. By default it may have 16 MiB."""
    until: str | None = None
    """A regular expression: the answer is complete as soon as it matches in the body, for a [stream that has no
    end](smoke.md#answers-without-an-end); `^` and `$` match at each line.
    """
    capture: dict[str, str | Capture] = {}
    """Values for later checks, by name. Each is a JSONPath, or a table that says where the value is. `{NAME}` in a
    later check stands for the value.
    """

    def _broken_rules(self) -> Iterator[str]:
        if not TOKEN.match(self.path):
            yield from check_path("path", self.path)
        if not _METHOD.fullmatch(self.method):
            msg = f'`method`: {self.method!r} is not an HTTP method; write one such as "POST"'
            yield msg
        if self.request_body is not None and self.request_json is not msgspec.UNSET:
            msg = "`request-body`: a request has either this or `request-json`; keep one"
            yield msg
        yield from check_headers("request-headers", self.request_headers)
        yield from check_header_names("headers", self.headers)
        yield from check_value("status", statuses, self.status)
        yield from check_patterns(matches=self.matches, until=self.until)
        yield from check_size("max-size", self.max_size)
        yield from check_json_paths("json-path", self.json_path)
        yield from check_json_paths("capture", (each for each in self.capture.values() if isinstance(each, str)))
        yield from _check_names(self.capture)


class CommandCheck(Table, frozen=True, kw_only=True):
    """One run of the binary in the temporary directory, and the conditions on its exit and its output."""

    example: ClassVar[str] = '{ args = ["--version"] }'

    script: str | None = None
    """Another script of the same file, such as `"alembic"`; the default is what the binary starts."""
    args: tuple[str, ...] = ()
    """The arguments of the command line."""
    env: dict[str, str] = {}
    """Environment variables to set, in addition to those of `smoke`."""
    stdin: str = ""
    """The text for the standard input."""
    timeout: Timeout = 30.0
    """The seconds that the command may run. If it starts with an empty `PEX_ROOT`, it has `startup-timeout` on top."""
    exit_code: int = 0
    """The expected exit status."""
    stdout_matches: str | tuple[str, ...] = ()
    """Regular expressions that must match somewhere in the standard output; `^` and `$` match at each line."""
    stderr_matches: str | tuple[str, ...] = ()
    """Regular expressions that must match somewhere in the standard error; `^` and `$` match at each line."""
    stdout_not_contains: str | tuple[str, ...] = ()
    """Texts that the standard output must not contain."""

    def _broken_rules(self) -> Iterator[str]:
        if self.script is not None:
            yield from _check_script(self.script, self.env)
        if not 0 <= self.exit_code <= HIGHEST_EXIT:
            msg = f"`exit-code`: {self.exit_code} is not an exit status; write one from 0 to {HIGHEST_EXIT}"
            yield msg
        yield from check_patterns(stdout_matches=self.stdout_matches, stderr_matches=self.stderr_matches)


class TcpCheck(Table, frozen=True, kw_only=True):
    """A port of the server's host that must accept connections."""

    example: ClassVar[str] = '{ port = "{port}" }'

    port: int | str
    """The port that must accept connections, such as `"{port}"`."""

    def _broken_rules(self) -> Iterator[str]:
        text = str(self.port)
        if text != "{port}" and not (text.isdecimal() and 0 < int(text) <= HIGHEST_PORT):
            msg = f'`port`: {self.port!r} is not a port; write "{{port}}" or a number from 1 to {HIGHEST_PORT}'
            yield msg


_MEANINGS: Final = {"host": "server's host", "port": "server's port", "tmp": "temporary directory"}
"""The tokens that every smoke test has."""


def _check_names(names: Iterable[str]) -> Iterator[str]:
    """Yield a broken rule for each name that no captured value can have."""
    for name in names:
        if name in _MEANINGS:
            yield f"`capture`: {{{name}}} already means the {_MEANINGS[name]}; choose another name"
        elif not TOKEN.fullmatch(f"{{{name}}}"):
            yield f'`capture`: {name!r} is not a name; begin it with a letter, and use letters, digits, "-" and "_"'


PEX_SCRIPT: Final = "PEX_SCRIPT"
"""The variable by which a binary starts another script."""


PEX_ENTRIES: Final = frozenset({PEX_SCRIPT, "PEX_MODULE", "PEX_INTERPRETER"})
"""The variables by which a binary starts something else than its own entry. pex accepts one of them."""


def _check_script(script: str, env: dict[str, str]) -> Iterator[str]:
    if not script or "/" in script or "\0" in script:
        msg = f'`script`: {script!r} is not the name of a script; write one such as "alembic"'
        yield msg
    for name in sorted(PEX_ENTRIES & env.keys()):
        msg = f"`env`: {name} contradicts `script`; remove one of them"
        yield msg
