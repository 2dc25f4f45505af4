"""The state that the checks of one boot share: cookies and captured values."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookiejar import CookieJar
from typing import Any, TypeVar, final
from urllib.parse import urlsplit

import msgspec

from nox_pex.settings.checks import CommandCheck, HttpCheck, TcpCheck
from nox_pex.settings.values import tokens_in
from nox_pex.smoke import plan
from nox_pex.smoke.checks.captures import Captured
from nox_pex.smoke.checks.results import request_line
from nox_pex.smoke.plan import Endpoint
from nox_pex.system.secrets import Secrets

_Check = TypeVar("_Check", HttpCheck, CommandCheck, TcpCheck)


class FillError(Exception):
    """A check cannot be sent: a value that it needs was not captured, or does not fit there."""


@final
class Conversation:
    """The cookies and captured values of one boot. They are never kept for the next one.

    `secrets` are those of the smoke test, the captured values whose names say that they are secret, and the headers and
    variables with such names in which captured values are.
    """

    def __init__(self, endpoint: Endpoint, secrets: Secrets) -> None:
        self.cookies: CookieJar = CookieJar()
        self.secrets: Secrets = secrets
        self._endpoint = endpoint
        self._values: dict[str, str] = {}
        self._missing: dict[str, str] = {}

    def record(self, check: HttpCheck, captured: Captured, *, passed: bool) -> None:
        """Keep what a check has captured. If it failed, later checks cannot use the values."""
        secret = Secrets.of(captured.values)
        if secret.values:
            self.secrets = self.secrets.with_values(secret.values)
        for name in check.capture:
            self._values.pop(name, None)
            self._missing[name] = request_line(check)
        if passed:
            self._values.update(captured.values)

    def fill(self, check: _Check) -> _Check:
        """Return `check` with the captured values in place of their tokens. Other braces stay.

        Raises `FillError`: if a value was not captured, or is invalid in its place.
        """
        values = msgspec.to_builtins(check)
        used = set(tokens_in(values))
        missing = next((name for name in sorted(used) if name in self._missing and name not in self._values), None)
        if missing is not None:
            msg = f"not run: it needs {{{missing}}}, which {self._missing[missing]} did not capture"
            raise FillError(msg)
        tokens = {name: self._values[name] for name in used if name in self._values}
        if not tokens:
            return check
        self._check_lines(values, tokens, is_http=isinstance(check, HttpCheck))
        filled = plan.fill_all(check, tokens)
        if isinstance(check, HttpCheck):
            filled["path"] = self._path(filled["path"], filled.get("request-headers", {}))
        named = filled.get("request-headers") or filled.get("env") or {}
        self.secrets = self.secrets.with_values(Secrets.of(named).values)
        try:
            return msgspec.convert(filled, type(check), strict=True)
        except msgspec.ValidationError as error:
            msg = f"not run: with the captured values filled in: {error}"
            raise FillError(msg) from None

    def _check_lines(self, values: Mapping[str, Any], tokens: Mapping[str, str], *, is_http: bool) -> None:
        """Raise `FillError` if a value would end a line of the request, or an argument."""
        places = (values.get("path"), values.get("request-headers")) if is_http else (values,)
        for name in tokens.keys() & tokens_in(places):
            bad = "\0" if not is_http else "\0\r\n"
            if any(character in tokens[name] for character in bad):
                place = "a path or a header" if is_http else "a command"
                kind = "a NUL character" if "\0" in tokens[name] else "a line break"
                msg = f"not run: the value of {{{name}}} contains {kind}, which {place} cannot have"
                raise FillError(msg)

    def _path(self, path: str, headers: Mapping[str, str]) -> str:
        """Return the path and query of `path`, which may be an absolute URL of the server, as in a `Location` header.

        Raises `FillError` if it is the URL of another server.
        """
        if not path.startswith(("http://", "https://", "//")):
            return path.replace("#", "%23")  # a captured `#` is data: the settings have no use for a fragment
        ours = urlsplit(self._endpoint.url)
        host = next((value for name, value in headers.items() if name.lower() == "host"), None)
        try:
            parts = urlsplit(path)
            same = (parts.hostname, _port(parts, ours.scheme)) == (ours.hostname, _port(ours, ours.scheme))
        except ValueError:
            msg = f"not run: {path!r} is not a URL"
            raise FillError(msg) from None
        if not same and parts.netloc != host:
            msg = f"not run: {path} is on another server than {self._endpoint.url}"
            raise FillError(msg)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _port(parts: Any, scheme: str) -> int:
    port: int | None = parts.port
    return port or (443 if (parts.scheme or scheme) == "https" else 80)
