"""The header `Authorization` of requests to a registry: credentials, or tokens that a token server gives for them.

Fact sources: distribution/distribution, "Token Authentication Specification", "Docker Registry v2 authentication via
OAuth2" and "Token Scope Documentation".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.registry import failures, origins
from nox_pex.registry.challenge import Challenge
from nox_pex.registry.credentials import Credentials
from nox_pex.registry.transport import Ask
from nox_pex.system import strict_json
from nox_pex.system.lazy import lazy, pattern
from nox_pex.system.wording import either

if TYPE_CHECKING:
    import httpx2
else:
    httpx2 = lazy("httpx2")  # only needed if a registry is asked

Scope: TypeAlias = tuple[str, ...]
"""The rights that a request needs: `repository:team/service:pull,push`."""


_CLIENT: Final = "nox-pex"


_DEFAULT_LIFE: Final = 60
"""Seconds that a token lasts if the token server does not say it, or says less (Docker's token specification)."""


_MARGIN: Final = 10
"""Seconds before its end at which a token is not used any more."""


_LONGEST_LIFE: Final = 24 * 3600


_TOKEN: Final = pattern(r"[\x21-\x7e]{1,65536}")
"""Matches a token that may be in a header."""


class Answered(Struct, frozen=True, kw_only=True):
    """The answer of a token server."""

    status: int
    body: bytes


class AskServer(Protocol):
    """Sends a request to a token server, with a header `Authorization` or None."""

    def __call__(self, ask: Ask, authorization: str | None, /) -> Answered:
        """Return the answer. Raises `NoxPexError` `registry` if there is none."""


class _Token(Struct, frozen=True, kw_only=True):
    header: str
    until: float


class Authorizer:
    """Knows the header `Authorization` for each scope. All threads may use it at the same time.

    `find` looks for credentials; it is called once, when the registry first asks for some. `keep` gets each secret, to
    mask it.
    """

    def __init__(
        self,
        host: str,
        *,
        find: Callable[[], Credentials],
        ask: AskServer,
        keep: Callable[[Sequence[str]], None],
    ) -> None:
        self._host = host
        self._find = find
        self._ask = ask
        self._keep = keep
        self._lock = threading.Lock()
        self._credentials: Credentials | None = None
        self._fixed: str | None = None
        self._tokens: dict[Scope, _Token] = {}

    def known(self, scope: Scope) -> str | None:
        """Return the header for `scope` if it is known already, None before the registry has asked for one."""
        token = self._tokens.get(scope)
        if token is not None and token.until > time.monotonic():
            return token.header
        return self._fixed

    def renew(
        self, challenges: Sequence[Challenge], scope: Scope, *, refused: str | None, registry: httpx2.URL
    ) -> str | None:
        """Return another header than `refused` for `scope`, after the registry answered with `challenges`.

        None if there is none: no credentials, or no others. One thread gets it; the others wait and use the same.
        `registry` is the URL that was asked. Raises `NoxPexError`: `registry-auth` if the token server refuses,
        `registry` if it does not give a token.
        """
        with self._lock:
            known = self.known(scope)
            if known is not None and known != refused:
                return known
            if self._credentials is None:
                self._credentials = self._find()
                self._keep(self._credentials.values)
            return self._new(challenges, scope, refused, registry, self._credentials)

    def settle(self) -> None:
        """Look for no credentials from now on, because a helper that has them is a process."""
        with self._lock:
            if self._credentials is None:
                self._credentials = Credentials(source="its first requests, for which it asked for none")

    def refusal(self, status: int, url: httpx2.URL, method: str, body: bytes) -> NoxPexError:
        """Return the failure of a request that was refused with the status 401 or 403."""
        credentials = self._credentials
        said = failures.words(body)
        if credentials is None:
            whose = "without credentials, for which the registry has not asked"
        elif credentials.known:
            whose = f"with the credentials from {credentials.source}"
        else:
            whose = f"without credentials: there are none for {self._host} in {credentials.source}"
        line = f"{method} {failures.shown_url(url)}: {failures.status_line(status)} {whose}"
        remedy = f"log in with `podman login {self._host}` or `docker login {self._host}`, as a user who may do this"
        return NoxPexError("registry-auth", f"{line}{f'; the registry says: {said}' if said else ''}", remedy)

    def _new(
        self,
        challenges: Sequence[Challenge],
        scope: Scope,
        refused: str | None,
        registry: httpx2.URL,
        credentials: Credentials,
    ) -> str | None:
        of_scheme = {challenge.scheme: challenge for challenge in reversed(challenges)}
        if credentials.registry_token and of_scheme.keys() & {"bearer", "basic"}:
            header = f"Bearer {credentials.registry_token}"
        elif "bearer" in of_scheme:
            return self._bearer(of_scheme["bearer"], scope, registry, credentials)
        elif "basic" in of_scheme and credentials.password:
            header = credentials.basic
        elif of_scheme and "basic" not in of_scheme:
            problem = f"{self._host} asks for {either(sorted(of_scheme))} authentication"
            raise NoxPexError("registry-auth", problem, "use a registry with basic or token authentication")
        else:
            return None
        self._fixed = header
        return header if header != refused else None

    def _bearer(self, challenge: Challenge, scope: Scope, registry: httpx2.URL, credentials: Credentials) -> str:
        """Get a token for `scope` from the token server that a challenge names."""
        realm = challenge.parameters.get("realm") or "no:address"
        try:
            server = origins.follow(registry, realm, registry=origins.origin_of(registry))
        except origins.ForbiddenAddressError as error:
            problem = f"{self._host} names a token server at {error}"
            raise NoxPexError("registry-auth", problem, "nox-pex sends credentials over https only") from error
        named = {name: challenge.parameters[name] for name in ("service",) if challenge.parameters.get(name)}
        scopes = _all_scopes(scope, challenge.parameters.get("scope", ""))
        if credentials.identity_token:
            fields = {"grant_type": "refresh_token", "refresh_token": credentials.identity_token, "client_id": _CLIENT}
            form = httpx2.QueryParams({**fields, **named, "scope": " ".join(scopes)})
            content = str(form).encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answered = self._ask(Ask(method="POST", url=server, headers=headers, content=content), None)
        else:
            query = {**server.params, **named, "client_id": _CLIENT, "scope": scopes}
            url = server.copy_with(query=str(httpx2.QueryParams(query)).encode())
            answered = self._ask(Ask(method="GET", url=url), credentials.basic if credentials.password else None)
        return self._accept(answered, scope, server, "POST" if credentials.identity_token else "GET")

    def _accept(self, answered: Answered, scope: Scope, server: httpx2.URL, method: str) -> str:
        if answered.status in (400, 401, 403):
            raise self.refusal(answered.status, server, method, answered.body)
        if answered.status != 200:  # noqa: PLR2004  # OK
            raise failures.refusal(method, server, answered.status, answered.body)
        try:
            value = strict_json.parse(answered.body)
        except ValueError:
            value = None
        fields = value if isinstance(value, dict) else {}
        token = fields.get("token") or fields.get("access_token")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise failures.broken(method, server, "the token server answers without a token")
        self._keep([token])
        life = fields.get("expires_in")
        seconds = min(max(life, _DEFAULT_LIFE), _LONGEST_LIFE) if isinstance(life, int) else _DEFAULT_LIFE
        made = _Token(header=f"Bearer {token}", until=time.monotonic() + seconds - _MARGIN)
        self._tokens[scope] = made
        return made.header


def _all_scopes(scope: Scope, asked: str) -> Scope:
    """Return `scope`, and what else the registry asks for, such as `aws`. It knows nothing of a repository to mount."""
    return (*scope, *(each for each in asked.split() if not each.startswith("repository:")))
