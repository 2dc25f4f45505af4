"""Plan a smoke test: the boots, the address of the server, the settings with their tokens filled in. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.settings.checks import PEX_ENTRIES, PEX_SCRIPT, CommandCheck, HttpCheck
from nox_pex.settings.smoke import BootCondition, Condition, Ready, Smoke
from nox_pex.settings.table import HIGHEST_PORT
from nox_pex.settings.toml_text import toml_key
from nox_pex.settings.values import TOKEN, tokens_in

EXAMPLE: Final = (
    'paste [[tool.nox-pex.binary.NAME.smoke.http]], and under it the lines path = "/" and status = 200; or, for a '
    'command-line program, [[tool.nox-pex.binary.NAME.smoke.command]], and under it the line args = ["--version"]; or, '
    'for a worker without a port, set ready = { log = "started" }'
)
"""The remedy if the smoke test of the binary NAME checks nothing."""


_WITH_TABLE: Final = 'paste [tool.nox-pex.binary.NAME], under it the line script = "SCRIPT", and below that '
"""The beginning of the remedy if the settings have no table for the binary. A subtable alone would be an error."""


_SCIE: Final = "scie"
"""The condition of the boot that starts the scie, without a Python on PATH."""


_PATTERNS: Final = frozenset(
    {"matches", "until", "stdout-matches", "stderr-matches", "log", "log-require", "log-forbid"},
)
"""The keys with regular expressions. The values of tokens are escaped there."""


_LONGEST_SOCKET: Final = 103
"""The longest path of a Unix socket, in bytes, on every system (Linux allows 107, macOS 103)."""


class Options(Struct, frozen=True, kw_only=True):
    """The options of one run, from the arguments after `--`.

    `only` is the single condition to test. `keep` keeps the temporary directory. `serve` leaves the program running
    until Ctrl-C instead of checking it. `timeout`, in seconds, replaces `startup-timeout`. `port` replaces a free port.
    """

    only: str | None = None
    keep: bool = False
    serve: bool = False
    timeout: float | None = None
    port: int | None = None


class Boot(Struct, frozen=True, kw_only=True):
    """One launch of the program under a condition.

    `state` names the `PEX_ROOT` and `HOME` that the launch uses; boots with the same name share them. `warms_up` marks
    a launch that only fills them for the next one.
    """

    condition: BootCondition
    state: str
    warms_up: bool = False


class Endpoint(Struct, frozen=True, kw_only=True):
    """The address of the server. `url` has no path. If `unix_socket` is set, it replaces the host and the port."""

    url: str
    host: str
    port: int
    unix_socket: Path | None = None

    def __str__(self) -> str:
        return self.url if self.unix_socket is None else f"{self.url} on {self.unix_socket}"


def plan_boots(smoke: Smoke, only: str | None, *, has_scie: bool = False) -> tuple[Boot, ...]:
    """Return the boots in the order of `conditions`, and last that of the scie, if the binary has one.

    Raises `NoxPexError`: `usage` if `only` is not a condition, or not one of this binary.
    """
    of_scie = (Boot(condition=_SCIE, state=_SCIE),) if has_scie and only in (None, _SCIE) else ()
    if only == _SCIE:
        if not of_scie:
            problem = f"`--only {only}`: the binary has no scie that nox-pex built"
            raise NoxPexError("usage", problem, 'write `scie = "eager"` in its table, or name another condition')
        return of_scie
    known: tuple[Condition, ...] = get_args(Condition)
    conditions = smoke.conditions if only is None else tuple(each for each in known if each == only)
    if not conditions:
        problem = f"`--only {only}`: there is no such condition"
        raise NoxPexError("usage", problem, f"name one of {', '.join((*known, _SCIE))}")
    planned: list[Boot] = []
    for condition in conditions:
        if condition == "cold":
            planned.append(Boot(condition=condition, state="cold"))
        elif condition == "warm":
            state = "cold" if any(boot.state == "cold" for boot in planned) else "warm"
            if state == "warm":
                planned.append(Boot(condition=condition, state=state, warms_up=True))
            planned.append(Boot(condition=condition, state=state))
        else:
            planned.append(Boot(condition=condition, state=condition))
    return (*planned, *of_scie)


def by_condition(boots: Iterable[Boot]) -> tuple[tuple[Boot, ...], ...]:
    """Return the boots of each condition together, in their order."""
    grouped: dict[str, list[Boot]] = {}
    for boot in boots:
        grouped.setdefault(boot.condition, []).append(boot)
    return tuple(map(tuple, grouped.values()))


def boot_to_serve(boots: tuple[Boot, ...]) -> Boot:
    """Return the boot for `--serve`: the first that can be reached. Raises `NoxPexError`: `usage` if there is none."""
    reachable = next((boot for boot in boots if boot.condition != "offline"), None)
    if reachable is None:
        problem = "`--serve`: a program that is offline cannot be reached"
        raise NoxPexError("usage", problem, "name another condition, as in `--serve --only cold`")
    return reachable


def mentions_tmp(smoke: Smoke) -> bool:
    """Whether any text in the settings contains the token `{tmp}`."""
    return mentions(smoke, ["tmp"])


def fixed_port(smoke: Smoke, wanted: int | None) -> int | None:
    """Return the port of `--port` or of `url`, None if any free port will do.

    Raises `NoxPexError`: `usage` if the two differ, or if `wanted` is not a port.
    """
    if wanted is not None and not 0 < wanted <= HIGHEST_PORT:
        raise NoxPexError("usage", f"`--port {wanted}`: there is no such port", f"give one from 1 to {HIGHEST_PORT}")
    if "{port}" in smoke.url:
        return wanted
    parts = urlsplit(fill(smoke.url, {"host": "127.0.0.1"}))
    named = parts.port or (443 if parts.scheme == "https" else 80)
    if wanted not in {None, named}:
        problem = f"`--port {wanted}` contradicts `url`, which names port {named}"
        raise NoxPexError("usage", problem, 'write "{port}" in `url`, or omit `--port`')
    return named


def host_of(smoke: Smoke) -> str:
    """Return the host of `url` without brackets: `127.0.0.1`, `::1`. It is the value of the token `{host}`."""
    return urlsplit(fill(smoke.url, {"host": "127.0.0.1", "port": "1"})).hostname or "127.0.0.1"


def fill_settings(smoke: Smoke, *, host: str, port: int, tmp: Path) -> Smoke:
    """Return the settings with the tokens `{host}`, `{port}` and `{tmp}` filled in. Other braces stay unchanged.

    Raises `NoxPexError`: `config` if the settings are then invalid.
    """
    tokens = {"host": host, "port": str(port), "tmp": str(tmp)}
    try:
        return msgspec.convert(fill_all(smoke, tokens), Smoke, strict=True)
    except msgspec.ValidationError as error:
        problem = f"with the tokens filled in: {error}"
        raise NoxPexError("config", problem, "remove the token from that key") from None


def fill_for_all(smoke: Smoke, *, host: str, port: int) -> Smoke:
    """Return the settings for `before-all` and `after-all`, with the tokens filled in that all conditions share.

    A variable of `env` with the token `{tmp}` is left out, because each condition has another value of it.
    """
    tokens = {"host": host, "port": str(port)}
    env = {name: fill(value, tokens) for name, value in smoke.env.items() if not mentions(value, ["tmp"])}
    commands = {
        key: tuple(tuple(fill(word, tokens) for word in command) for command in getattr(smoke, key))
        for key in ("before_all", "after_all")
    }
    return replace(smoke, env=env, **commands)


def endpoint(smoke: Smoke, *, host: str, port: int) -> Endpoint:
    """Return the address of the server from filled settings.

    Raises `NoxPexError`: `config` if the path of `unix-socket` is too long.
    """
    socket = Path(smoke.unix_socket) if smoke.unix_socket is not None else None
    if socket is not None and len(str(socket).encode(errors="surrogateescape")) > _LONGEST_SOCKET:
        problem = f"the path of `unix-socket` is longer than {_LONGEST_SOCKET} bytes: {socket}"
        raise NoxPexError("config", problem, "shorten its name, or set TMPDIR to a shorter directory")
    return Endpoint(url=smoke.url.rstrip("/"), host=host, port=port, unix_socket=socket)


def answer_check(smoke: Smoke) -> HttpCheck | None:
    """Return the request whose answer says that the server is ready; None if another sign says it.

    It is that of `ready`, or else of the first check that changes nothing and can be sent twice: a GET or HEAD without
    a body and without a captured value.
    """
    if smoke.ready is not None:
        return None if smoke.ready.path is None else _of_ready(smoke, smoke.ready, smoke.ready.path)
    names = {name for check in smoke.http for name in check.capture}
    for check in smoke.http:
        has_body = check.request_body is not None or check.request_json is not msgspec.UNSET
        if check.method in {"GET", "HEAD"} and not has_body and not mentions(check, names):
            return check
    return None


def _of_ready(smoke: Smoke, ready: Ready, path: str) -> HttpCheck:
    ca_file = next((check.ca_file for check in smoke.http if check.ca_file), None)
    return HttpCheck(path=path, status=ready.status, request_headers=ready.request_headers, ca_file=ca_file)


def mentions(value: Any, names: Iterable[str]) -> bool:
    """Whether any text in a part of the settings contains the token of one of `names`."""
    return not set(names).isdisjoint(tokens_in(msgspec.to_builtins(value)))


def command_variables(smoke: Smoke, check: CommandCheck) -> dict[str, str]:
    """Return the variables that a command gets in addition. pex starts the script that PEX_SCRIPT names.

    pex adds the binary's `inject-args` to its own entry only, and `inject-env` to every script.
    """
    variables = {**smoke.env, **check.env}
    if check.script is None:
        return variables
    return {name: value for name, value in variables.items() if name not in PEX_ENTRIES} | {PEX_SCRIPT: check.script}


def require_checks(smoke: Smoke, *, name: str, undeclared: str | None = None) -> None:
    """Raise `NoxPexError` `config` if the settings contain no check. The remedy says what to paste.

    `undeclared` is the script of a binary that has no table in the settings.
    """
    if not (smoke.is_server or smoke.command):
        example = EXAMPLE
        if undeclared is not None:
            example = _WITH_TABLE.replace("SCRIPT", undeclared) + EXAMPLE.removeprefix("paste ")
        raise NoxPexError("config", f"the smoke test of {name} checks nothing", example.replace("NAME", toml_key(name)))


def fill(text: str, tokens: Mapping[str, str]) -> str:
    """Return `text` with `tokens` replaced once. A token in a value is not replaced."""
    return TOKEN.sub(lambda match: tokens.get(match[1], match[0]), text)


def fill_all(value: Any, tokens: Mapping[str, str]) -> Any:
    """Return a part of the settings as built-in types, with `tokens` replaced in all its texts.

    Their values are escaped in regular expressions. Those are keys of the settings: a JSON value or a header may have a
    key of the same name.
    """
    if isinstance(value, str):
        return fill(value, tokens)
    if isinstance(value, list | tuple):
        return [fill_all(item, tokens) for item in value]
    if isinstance(value, dict):
        return {key: fill_all(item, tokens) for key, item in value.items()}
    if isinstance(value, Struct):
        escaped = {token: re.escape(text) for token, text in tokens.items()}
        given = ((field.encode_name, getattr(value, field.name)) for field in msgspec.structs.fields(value))
        return {
            key: fill_all(item, escaped if key in _PATTERNS else tokens)
            for key, item in given
            if item is not msgspec.UNSET
        }
    return msgspec.to_builtins(value)
