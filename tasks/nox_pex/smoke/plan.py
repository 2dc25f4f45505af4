"""From settings to what will be done: which boots, on which address, with the tokens filled in. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args
from urllib.parse import urlsplit

import msgspec

from nox_pex.errors import NoxPexError
from nox_pex.settings.smoke import BootCondition, Condition, HttpCheck, Smoke, TcpCheck
from nox_pex.settings.table import HIGHEST_PORT

EXAMPLE: Final = (
    'paste [[tool.nox-pex.binary.NAME.smoke.http]], and under it the lines path = "/" and status = 200; or, where it '
    'is no server, [[tool.nox-pex.binary.NAME.smoke.command]], and under it the line args = ["--version"]'
)
"""The table that turns a smoke test that checks nothing into one that does, for the binary NAME."""


_DECLARED_FIRST: Final = 'paste [tool.nox-pex.binary.NAME], under it the line script = "SCRIPT", and below that '
"""How it begins where the settings have no table for the binary, which one below it would then be."""


_TOKEN: Final = re.compile(r"\{(host|port|tmp)\}")


_PATTERNS: Final = frozenset({"matches", "stdout-matches", "stderr-matches", "log-require", "log-forbid"})
"""The keys whose texts are regular expressions: a token's value stands there for itself, dots and all."""


_LONGEST_SOCKET: Final = 103
"""Bytes of a Unix socket's path that every system takes (Linux takes 107, macOS 103)."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a person asks of one run: the words after `--`.

    `only` is the one condition to test; `keep` leaves the temporary directory; `serve` leaves the program running until
    Ctrl-C instead of checking it; `timeout` (seconds) stands in for `startup-timeout`; `port` for the free one.
    """

    only: str | None = None
    keep: bool = False
    serve: bool = False
    timeout: float | None = None
    port: int | None = None


@dataclass(frozen=True, kw_only=True)
class Boot:
    """One launch: under which condition, with which state (PEX_ROOT and HOME), which must be there, or must not.

    `seed` is a launch that only fills the state for the one after it.
    """

    condition: BootCondition
    state: str
    seed: bool = False


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where the server is asked: `url` has no path; `unix_socket`, where given, is connected to instead of the host."""

    url: str
    host: str
    port: int
    unix_socket: Path | None = None

    def __str__(self) -> str:
        return self.url if self.unix_socket is None else f"{self.url} on {self.unix_socket}"


def boots(smoke: Smoke, only: str | None) -> tuple[Boot, ...]:
    """The launches, in the order of `conditions`. Raises `NoxPexError` with `usage` for an unknown `only`."""
    known: tuple[Condition, ...] = get_args(Condition)
    conditions = smoke.conditions if only is None else tuple(each for each in known if each == only)
    if not conditions:
        problem = f"`--only {only}`: there is no such condition"
        raise NoxPexError("usage", problem, f"name one of {', '.join(known)}")
    planned: list[Boot] = []
    for condition in conditions:
        if condition == "cold":
            planned.append(Boot(condition=condition, state="cold"))
        elif condition == "warm":
            state = "cold" if any(boot.state == "cold" for boot in planned) else "warm"
            if state == "warm":
                planned.append(Boot(condition=condition, state=state, seed=True))
            planned.append(Boot(condition=condition, state=state))
        else:
            planned.append(Boot(condition=condition, state=condition))
    return tuple(planned)


def served(boots: tuple[Boot, ...]) -> tuple[Boot, ...]:
    """The launch that `--serve` is about. Raises `NoxPexError` with `usage` when there is none."""
    reachable = tuple(boot for boot in boots if boot.condition != "offline")[:1]
    if not reachable:
        problem = "`--serve`: nobody could reach a program that is offline"
        raise NoxPexError("usage", problem, "name another condition, as in `--serve --only cold`")
    return reachable


def mentions_tmp(smoke: Smoke) -> bool:
    """Whether the settings have the token `{tmp}` anywhere."""
    return b"{tmp}" in msgspec.json.encode(smoke)


def fixed_port(smoke: Smoke, wanted: int | None) -> int | None:
    """The port that is not free to choose: `--port`, or the one that `url` names.

    Raises `NoxPexError` with `usage` when there are both, or when `wanted` is no port.
    """
    if wanted is not None and not 0 < wanted <= HIGHEST_PORT:
        raise NoxPexError("usage", f"`--port {wanted}`: there is no such port", f"give one from 1 to {HIGHEST_PORT}")
    if "{port}" in smoke.url:
        return wanted
    parts = urlsplit(fill(smoke.url, {"host": "127.0.0.1"}))
    named = parts.port or (443 if parts.scheme == "https" else 80)
    if wanted not in {None, named}:
        problem = f"`--port {wanted}` contradicts `url`, which names port {named}"
        raise NoxPexError("usage", problem, 'write "{port}" into `url`, or leave `--port` out')
    return named


def host_of(smoke: Smoke) -> str:
    """The bare host of `url`: `127.0.0.1`, `::1`. It is what `{host}` stands for."""
    return urlsplit(fill(smoke.url, {"host": "127.0.0.1", "port": "1"})).hostname or "127.0.0.1"


def filled(smoke: Smoke, *, host: str, port: int, tmp: Path) -> Smoke:
    """The settings with the tokens `{host}`, `{port}` and `{tmp}` filled in; any other brace stays."""
    tokens = {"host": host, "port": str(port), "tmp": str(tmp)}
    values = msgspec.to_builtins(smoke)
    try:
        return msgspec.convert(_fill_all(values, tokens), Smoke, strict=True)
    except msgspec.ValidationError as error:
        raise NoxPexError("config", f"with the tokens filled in: {error}", "choose another place for tokens") from None


def endpoint(smoke: Smoke, *, host: str, port: int) -> Endpoint:
    """Where the server of the filled settings is asked. Raises `NoxPexError` for a socket path that is too long."""
    socket = Path(smoke.unix_socket) if smoke.unix_socket is not None else None
    if socket is not None and len(str(socket).encode(errors="surrogateescape")) > _LONGEST_SOCKET:
        problem = f"the path of `unix-socket` is longer than {_LONGEST_SOCKET} bytes: {socket}"
        raise NoxPexError("config", problem, "shorten its name, or set TMPDIR to a shorter directory")
    return Endpoint(url=smoke.url.rstrip("/"), host=host, port=port, unix_socket=socket)


def readiness(smoke: Smoke) -> HttpCheck | TcpCheck | None:
    """What must pass before the program counts as started: `ready`, or the first check; None without a server."""
    if smoke.ready is not None:
        ca_file = next((check.ca_file for check in smoke.http if check.ca_file), None)
        return HttpCheck(path=smoke.ready.path, status=smoke.ready.status, ca_file=ca_file)
    if smoke.http:
        return smoke.http[0]
    return smoke.tcp[0] if smoke.tcp else None


def check(smoke: Smoke, *, name: str, undeclared: str | None = None) -> None:
    """Raises `NoxPexError` with `config` when there is nothing to check, and shows what to paste.

    `undeclared` is the script of a binary that has no table of its own yet.
    """
    if not (smoke.http or smoke.tcp or smoke.command):
        example = EXAMPLE
        if undeclared is not None:
            example = _DECLARED_FIRST.replace("SCRIPT", undeclared) + EXAMPLE.removeprefix("paste ")
        raise NoxPexError("config", f"the smoke test of {name} checks nothing", example.replace("NAME", name))


def fill(text: str, tokens: Mapping[str, str]) -> str:
    """`text` with the given tokens replaced, once: a value that looks like a token stays."""
    return _TOKEN.sub(lambda match: tokens.get(match[1], match[0]), text)


def _fill_all(value: Any, tokens: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return fill(value, tokens)
    if isinstance(value, list | tuple):
        return [_fill_all(item, tokens) for item in value]
    if isinstance(value, dict):
        escaped = {token: re.escape(text) for token, text in tokens.items()}
        return {key: _fill_all(item, escaped if key in _PATTERNS else tokens) for key, item in value.items()}
    return value
