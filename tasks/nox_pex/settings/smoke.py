"""`[tool.nox-pex.binary.NAME.smoke]` and `.budget` as frozen typed values.

Everything that can be checked without running the binary is checked here, while the settings are parsed. A wrong
regular expression, size, signal or JSONPath breaks a rule of its table. Any text in the
smoke table may have the tokens `{host}`, `{port}` and `{tmp}`, which `nox_pex.smoke.plan` replaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import jsonpath
else:
    jsonpath = lazy("jsonpath")  # its import takes 80 ms, and only `json-path` needs it

import re
import signal
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, ClassVar, Final, Literal
from urllib.parse import urlsplit

import msgspec

from nox_pex.settings.table import HIGHEST_PORT, Seconds, Table, Timeout

Condition = Literal["cold", "warm", "unprivileged", "read-only", "offline"]


BootCondition = Literal[Condition, "scie", "container"]
"""The circumstances of a boot: a condition that the settings choose, the scie instead of the PEX, or the container that
`image` starts."""


Status = int | str | tuple[int | str, ...]
"""An HTTP status (`200`), a class of them (`"2xx"`), or a list of both."""


_UNITS: Final = {
    "": 1, "B": 1,
    "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip


_SIZE: Final = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>[A-Za-z]*)")


_CLASS: Final = re.compile(r"[1-5]xx")


_METHOD: Final = re.compile(r"[A-Z]+(?:-[A-Z]+)*")


_HIGHEST_EXIT: Final = 255


_STATUSES: Final = range(100, 600)


def parse_size(text: str) -> int:
    """Return the bytes of a size such as `"60 MB"` (10^6) or `"1.5 MiB"` (2^20). Raises `ValueError`."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or match["unit"] not in _UNITS:
        units = ", ".join(unit for unit in _UNITS if unit)
        msg = f'{text!r} is not a size; write a number and one of {units}, as in "60 MB"'
        raise ValueError(msg)
    return int(Decimal(match["number"]) * _UNITS[match["unit"]])


def signal_number(name: str) -> int:
    """Return the number of the signal `name`, written with or without `SIG` (`"TERM"` is 15). Raises `ValueError`."""
    full = name if name.startswith("SIG") else f"SIG{name}"
    try:
        return signal.Signals[full]
    except KeyError:
        msg = f'{name!r} is not a signal of this system; write one such as "TERM" or "INT"'
        raise ValueError(msg) from None


def statuses(status: Status) -> tuple[range, ...]:
    """Return ranges of HTTP statuses: for `200` the range [200, 201), for `"2xx"` [200, 300). Raises `ValueError`."""
    alternatives = status if isinstance(status, tuple) else (status,)
    if not alternatives:
        msg = 'the list must not be empty; write one such as [200, "3xx"]'
        raise ValueError(msg)
    return tuple(_status_range(alternative) for alternative in alternatives)


def _status_range(status: int | str) -> range:
    if isinstance(status, str) and _CLASS.fullmatch(status):
        first = int(status[0]) * 100
        return range(first, first + 100)
    if isinstance(status, int) and status in _STATUSES:
        return range(status, status + 1)
    msg = f'{status!r} is not an HTTP status; write a number such as 200, a class such as "2xx", or a list of them'
    raise ValueError(msg)


def as_tuple(texts: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the texts of a key that takes one text or a list of them."""
    return (texts,) if isinstance(texts, str) else texts


def _check_patterns(**patterns: str | tuple[str, ...]) -> Iterator[str]:
    for key, given in patterns.items():
        for pattern in as_tuple(given):
            yield from _check_pattern(key.replace("_", "-"), pattern)


def _check_pattern(key: str, pattern: str) -> Iterator[str]:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        msg = f"`{key}`: {pattern!r} is not a regular expression: {error}; correct it"
        yield msg


def _check_size(key: str, text: str | None) -> Iterator[str]:
    if text is not None:
        yield from _check_value(key, parse_size, text)


def _check_value(key: str, read: Callable[[Any], object], value: Any) -> Iterator[str]:
    """Yield the `ValueError` that `read` raises for the value of `key`, if it does."""
    try:
        read(value)
    except ValueError as error:
        yield f"`{key}`: {error}"


def _check_path(key: str, path: str) -> Iterator[str]:
    if not path.startswith("/"):
        msg = f"`{key}`: {path!r} must start with `/`; write only the path, because the host comes from `url`"
        yield msg


class Ready(Table, frozen=True, kw_only=True):
    """The sign that the program is ready: it answers a GET of `path` with `status`."""

    example: ClassVar[str] = '{ path = "/healthz" }'

    path: str
    status: Status = "2xx"

    def _broken_rules(self) -> Iterator[str]:
        yield from _check_path("path", self.path)
        yield from _check_value("status", statuses, self.status)


class HttpCheck(Table, frozen=True, kw_only=True):
    """One HTTP request, and conditions on its answer: all keys after `ca_file`."""

    example: ClassVar[str] = '{ path = "/" }'

    path: str
    method: str = "GET"
    request_headers: dict[str, str] = {}
    request_body: str | None = None
    request_json: Any = msgspec.UNSET
    timeout: Timeout = 10.0
    """Seconds for the whole exchange, from the connection to the last byte, with its redirects."""
    follow_redirects: bool = False
    ca_file: str | None = None
    """A PEM file, relative to the project, with the certificate authorities to trust for `https`."""

    status: Status = "2xx"
    headers: dict[str, str] = {}
    """Names of headers, each with the exact value that it must have."""
    contains: str | tuple[str, ...] = ()
    not_contains: str | tuple[str, ...] = ()
    matches: str | tuple[str, ...] = ()
    """Regular expressions that must match somewhere in the text."""
    json: Any = msgspec.UNSET
    json_path: dict[str, Any] = {}
    json_schema: str | None = None
    """A file, relative to the project."""
    max_seconds: Timeout | None = None
    max_size: str | None = None

    def _broken_rules(self) -> Iterator[str]:
        yield from _check_path("path", self.path)
        if not _METHOD.fullmatch(self.method):
            msg = f'`method`: {self.method!r} is not an HTTP method; write one such as "POST"'
            yield msg
        if self.request_body is not None and self.request_json is not msgspec.UNSET:
            msg = "`request-body`: a request has either this or `request-json`; keep one"
            yield msg
        yield from _check_value("status", statuses, self.status)
        yield from _check_patterns(matches=self.matches)
        yield from _check_size("max-size", self.max_size)
        yield from _check_json_paths(self.json_path)


class CommandCheck(Table, frozen=True, kw_only=True):
    """One run of the binary with `args`, in the temporary directory, and conditions on its exit and its output."""

    example: ClassVar[str] = '{ args = ["--version"] }'

    script: str | None = None
    """Another script of the distributions in the binary, to run instead of the binary's own entry."""
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    stdin: str = ""
    timeout: Timeout = 30.0
    exit_code: int = 0
    stdout_matches: str | tuple[str, ...] = ()
    stderr_matches: str | tuple[str, ...] = ()
    stdout_not_contains: str | tuple[str, ...] = ()

    def _broken_rules(self) -> Iterator[str]:
        if self.script is not None:
            yield from _check_script(self.script, self.env)
        if not 0 <= self.exit_code <= _HIGHEST_EXIT:
            msg = f"`exit-code`: {self.exit_code} is not an exit status; write one from 0 to {_HIGHEST_EXIT}"
            yield msg
        yield from _check_patterns(stdout_matches=self.stdout_matches, stderr_matches=self.stderr_matches)


class TcpCheck(Table, frozen=True, kw_only=True):
    """A port of the server's host that must accept connections."""

    example: ClassVar[str] = '{ port = "{port}" }'

    port: int | str

    def _broken_rules(self) -> Iterator[str]:
        text = str(self.port)
        if text != "{port}" and not (text.isdecimal() and 0 < int(text) <= HIGHEST_PORT):
            msg = f'`port`: {self.port!r} is not a port; write "{{port}}" or a number from 1 to {HIGHEST_PORT}'
            yield msg


class Budget(Table, frozen=True, kw_only=True):
    """Limits of the binary: bytes on disk, seconds until it is ready, resident bytes of its whole process tree."""

    size: str | None = None
    cold_boot: Timeout | None = None
    warm_boot: Timeout | None = None
    memory: str | None = None

    def _broken_rules(self) -> Iterator[str]:
        yield from _check_size("size", self.size)
        yield from _check_size("memory", self.memory)


class Smoke(Table, frozen=True, kw_only=True):
    """`[tool.nox-pex.binary.NAME.smoke]`: how the binary is launched, what it must answer, how it must stop."""

    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    pass_env: tuple[str, ...] = ()
    before: tuple[tuple[str, ...], ...] = ()
    after: tuple[tuple[str, ...], ...] = ()
    url: str = "http://127.0.0.1:{port}"
    unix_socket: str | None = None
    """The path of the socket that the server listens on; `url` then only gives the scheme and the `Host` header."""
    ready: Ready | None = None
    startup_timeout: Timeout = 30.0
    soak: Seconds = 0.5
    stop_signal: str = "TERM"
    stop_timeout: Timeout = 10.0
    stop_exit_codes: tuple[int | str, ...] = (0, "TERM")
    conditions: tuple[Condition, ...] = ("cold", "warm")
    skips: Literal["report", "fail"] = "report"
    log_require: tuple[str, ...] = ()
    log_forbid: tuple[str, ...] = ()
    http: tuple[HttpCheck, ...] = ()
    command: tuple[CommandCheck, ...] = ()
    tcp: tuple[TcpCheck, ...] = ()

    def _broken_rules(self) -> Iterator[str]:
        yield from _check_url(self.url)
        yield from _check_value("stop-signal", signal_number, self.stop_signal)
        for code in self.stop_exit_codes:
            if isinstance(code, str):
                yield from _check_value("stop-exit-codes", signal_number, code)
            elif not -_HIGHEST_EXIT <= code <= _HIGHEST_EXIT:
                msg = (
                    f"`stop-exit-codes`: {code} is not an exit status; "
                    f'write one from -{_HIGHEST_EXIT} to {_HIGHEST_EXIT}, or a signal such as "TERM"'
                )
                yield msg
        if not self.conditions or len(set(self.conditions)) != len(self.conditions):
            msg = '`conditions`: expected at least one condition, and none twice; write a list such as ["cold"]'
            yield msg
        for key, commands in (("before", self.before), ("after", self.after)):
            if not all(commands):
                msg = f'`{key}`: a command is empty; write commands such as [["python", "seed.py"]]'
                yield msg
        yield from _check_patterns(log_require=self.log_require, log_forbid=self.log_forbid)


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


def _check_url(url: str) -> Iterator[str]:
    if not _is_url(url):
        msg = (
            f"`url`: {url!r} is not the address of a server; write `http` or `https`, a host and a port, "
            'as in "http://127.0.0.1:{port}" or "https://[::1]:{port}"'
        )
        yield msg


def _is_url(url: str) -> bool:
    """Whether `url` is the address of a server, without a query, a fragment or a user."""
    try:
        parts = urlsplit(url.replace("{port}", "1").replace("{host}", "127.0.0.1"))
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return valid and not parts.query and not parts.fragment and parts.username is None


def _check_json_paths(paths: dict[str, Any]) -> Iterator[str]:
    if not paths:
        return
    environment = jsonpath.JSONPathEnvironment(strict=True)
    for path in paths:
        yield from _check_json_path(environment.compile, jsonpath.JSONPathError, path)


def _check_json_path(parse: Callable[[str], object], refusal: type[Exception], path: str) -> Iterator[str]:
    try:
        parse(path)
    except (refusal, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        msg = f"`json-path`: {path!r} is not a JSONPath (RFC 9535): {reason}; correct it"
        yield msg
