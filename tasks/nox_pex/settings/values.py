"""The values in the smoke and budget tables that are more than a TOML type: sizes, signals, statuses, addresses.

The functions `check_…` yield broken rules in the form of `BrokenRulesError`.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from nox_pex.system.lazy import lazy, pattern

if TYPE_CHECKING:
    import jsonpath
else:
    jsonpath = lazy("jsonpath")  # its import takes 80 ms, and only few settings need it

Status = int | str | tuple[int | str, ...]
"""An HTTP status (`200`), a class of them (`"2xx"`), or a list of both."""


_UNITS: Final = {
    "": 1, "B": 1,
    "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip


_SIZE: Final = pattern(r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>[A-Za-z]*)")


TOKEN: Final = pattern(r"\{([A-Za-z][A-Za-z0-9_-]*)\}")
"""A token, such as `{csrf}`."""


_HEADER_NAME: Final = pattern(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""The name of a header (RFC 9110, section 5.1)."""


_HEADER_VALUE: Final = pattern(r"(?:[!-~](?:[\t -~]*[!-~])?)?")
"""The value of a header (RFC 9110, section 5.5), without bytes that are not ASCII."""


_CLASS: Final = pattern(r"[1-5]xx")


HIGHEST_EXIT: Final = 255


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


def tokens_in(value: Any) -> Iterator[str]:
    """Yield the name of each token in the texts of a part of the settings. `value` is made of Python's built-in types.

    The keys of tables are not searched, because they are never filled in.
    """
    if isinstance(value, str):
        yield from TOKEN.findall(value)
    elif isinstance(value, Mapping):
        yield from tokens_in(tuple(value.values()))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from tokens_in(each)


def check_patterns(**patterns: str | tuple[str, ...] | None) -> Iterator[str]:
    """Yield a broken rule for each regular expression that is not valid. The names are those of the keys, with `_`."""
    for key, given in patterns.items():
        for text in as_tuple(given or ()):
            yield from _check_pattern(key.replace("_", "-"), text)


def _check_pattern(key: str, text: str) -> Iterator[str]:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        msg = f"`{key}`: {text!r} is not a regular expression: {error}; correct it"
        yield msg


def check_header_names(key: str, names: Iterable[str]) -> Iterator[str]:
    """Yield a broken rule for each of `names` that no header can have."""
    for name in names:
        if not _HEADER_NAME.fullmatch(name):
            yield f'`{key}`: {name!r} is not the name of a header; write one such as "Content-Type"'


def check_headers(key: str, headers: Mapping[str, str]) -> Iterator[str]:
    """Yield a broken rule for each header that cannot be sent. It does not show the value, which may be secret."""
    yield from check_header_names(key, headers)
    for name, value in headers.items():
        if not _HEADER_VALUE.fullmatch(value):
            yield f"`{key}`: the value of {name!r} cannot be sent; write one line of ASCII text, without outer spaces"


def check_size(key: str, text: str | None) -> Iterator[str]:
    """Yield a broken rule if the value of `key` is not a size."""
    if text is not None:
        yield from check_value(key, parse_size, text)


def check_value(key: str, read: Callable[[Any], object], value: Any) -> Iterator[str]:
    """Yield the `ValueError` that `read` raises for the value of `key`, if it does."""
    try:
        read(value)
    except ValueError as error:
        yield f"`{key}`: {error}"


def check_path(key: str, path: str) -> Iterator[str]:
    """Yield a broken rule if the value of `key` is not the path of a URL."""
    if not path.startswith("/"):
        msg = f"`{key}`: {path!r} must start with `/`; write only the path, because the host comes from `url`"
        yield msg


def check_socket(key: str, path: str | None) -> Iterator[str]:
    """Yield a broken rule if the value of `key` is not the absolute path of a file, which may begin with a token."""
    if path is not None and (not path.startswith(("/", "{tmp}/")) or "\0" in path):
        yield f'`{key}`: {path!r} is not an absolute path; write one such as "{{tmp}}/app.sock"'


def check_url(url: str) -> Iterator[str]:
    """Yield a broken rule if `url` is not the address of a server."""
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


def check_json_paths(key: str, paths: Iterable[str]) -> Iterator[str]:
    """Yield a broken rule for each of `paths` that is not a JSONPath."""
    every = list(paths)
    if not every:
        return
    environment = jsonpath.JSONPathEnvironment(strict=True)
    for path in every:
        try:
            environment.compile(path)
        except (jsonpath.JSONPathError, RecursionError) as error:
            reason = str(error).partition("\n")[0]
            yield f"`{key}`: {path!r} is not a JSONPath (RFC 9535): {reason}; correct it"
