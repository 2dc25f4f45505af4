"""Requests to a registry with authentication and with further attempts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.oci.reference import ImageName
from nox_pex.registry import challenge, credentials, failures, transport
from nox_pex.registry.failures import TryAgainError
from nox_pex.registry.retrying import retried, retry_after
from nox_pex.registry.tokens import Answered, Authorizer, Scope
from nox_pex.registry.transport import Ask, Patience, Transport
from nox_pex.system.command import Shell, Stopped
from nox_pex.system.lazy import lazy
from nox_pex.system.messages import Message, Say, mapped
from nox_pex.system.secrets import Secrets

if TYPE_CHECKING:
    import httpx2
else:
    httpx2 = lazy("httpx2")  # only needed if a registry is asked

_T = TypeVar("_T")


PULL: Final = "pull"


PUSH: Final = "pull,push"


_UNAUTHORIZED: Final = 401


_FORBIDDEN: Final = 403


_ERROR: Final = 400


_NOT_FOUND: Final = 404


_LARGEST_TOKEN: Final = 1 << 20
"""Bytes of the answer of a token server that are read."""


class Reading(Struct, frozen=True, kw_only=True):
    """An answer to a request, while its body is read. `status` is one of those that the request expects."""

    response: httpx2.Response
    status: int
    patience: Patience

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; their names do not depend on case."""
        return self.response.headers

    def body(self, largest: int) -> bytes:
        """Return the body. Raises `NoxPexError` `registry` if it has more than `largest` bytes."""
        data = transport.body(self.response, largest=largest, patience=self.patience)
        if len(data) > largest:
            msg = f"its answer has more than {largest} bytes"
            raise self.broken(msg)
        return data

    def broken(self, problem: str) -> NoxPexError:
        """Return the failure of an answer that is not what it must be."""
        return failures.broken(self.response.request.method, self.response.url, problem)


class Session:
    """A conversation with the registry of `name`. All threads may use it at the same time.

    Every `NoxPexError` that it raises has all secrets masked.
    """

    def __init__(
        self,
        name: ImageName,
        *,
        environ: Mapping[str, str],
        shell: Shell,
        say: Say,
        patience: Patience,
    ) -> None:
        self.name = name
        self.patience = patience
        self.secrets: Secrets = shell.secrets
        self._say = say
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._transport = Transport(name.endpoint, environ=environ, patience=patience)
        self._authorizer = Authorizer(
            name.registry,
            find=lambda: credentials.find(name, environ, timeout=patience.helper),
            ask=self._ask_token_server,
            keep=self._keep,
        )

    def url(self, path: str) -> httpx2.URL:
        """Return the URL of a path below the repository's in the registry's API."""
        self.check()
        return self._transport.url(f"/v2/{self.name.repository}/{path}")

    def call(
        self,
        method: str,
        path: str,
        read: Callable[[Reading], _T],
        *,
        expected: Collection[int],
        headers: Mapping[str, str] = {},
        content: bytes | None = None,
        actions: str = PULL,
    ) -> _T:
        """Send a request and return what `read` takes from the answer, whose status is one of `expected`.

        Repeats it after a temporary failure. `read` may be called several times. Raises `NoxPexError` `registry` and
        `registry-auth`.
        """

        def work() -> _T:
            ask = Ask(method=method, url=self.url(path), headers=headers, content=content)
            return self.once(ask, read, expected=expected, actions=actions)

        return self.retry(work)

    def retry(self, work: Callable[[], _T]) -> _T:
        """Return the result of `work`, which is repeated after each `TryAgainError`."""

        def announce(message: Message) -> None:
            self.check()  # a connection that `close` has ended is no failure of the registry
            mapped(self._say, self.mask)(message)

        try:
            return retried(work, patience=self.patience, sleep=self.pause, say=announce)
        except NoxPexError as error:
            raise error.masked(self.mask) from None  # the cause may have secrets

    def once(
        self,
        ask: Ask,
        read: Callable[[Reading], _T],
        *,
        expected: Collection[int],
        actions: str = PULL,
        also: Sequence[str] = (),
    ) -> _T:
        """Send a request once, or twice if the registry then asks for credentials. `also` are further scopes."""
        self.check()
        scope: Scope = (f"repository:{self.name.repository}:{actions}", *also)
        own = self._transport.is_own(ask.url)
        authorization = self._authorizer.known(scope) if own else None
        for again in (False, True):
            with self._transport.exchange(ask, authorization) as response:
                status, url = response.status_code, response.url
                asks = status == _UNAUTHORIZED and own and self._transport.is_own(url)
                if ask.method == "HEAD" and status >= _ERROR and not self._transport.is_own(url):
                    status = _NOT_FOUND  # a signed address of another host is often for GET only
                if status in expected and not asks:
                    return read(Reading(response=response, status=status, patience=self.patience))
                body = transport.body(response, largest=failures.LARGEST, patience=self.patience)[: failures.LARGEST]
                named = challenge.parse(response.headers.get_list("WWW-Authenticate"))
                after = retry_after(response.headers.get("Retry-After"))
            if not asks or again or not named:
                break
            authorization = self._authorizer.renew(named, scope, refused=authorization, registry=url)
            if authorization is None:
                break
        if status in (_UNAUTHORIZED, _FORBIDDEN) and self._transport.is_own(url):
            raise self._authorizer.refusal(status, url, ask.method, body)
        failure = failures.refusal(ask.method, url, status, body)
        temporary = failures.is_temporary(ask.method, status, body)
        raise TryAgainError(failure, after=after) if temporary else failure

    def settle(self) -> None:
        """Start no credential helper from now on. Credentials that are known already are used."""
        self._authorizer.settle()

    def mask(self, text: str) -> str:
        """Return `text` with the secrets masked that are known by now."""
        return self.secrets.mask(text)

    def check(self) -> None:
        """Raise `Stopped` if the session is closed."""
        if self._closed.is_set():
            raise Stopped

    def close(self) -> None:
        """End the waiting of all threads, and close all connections."""
        self._closed.set()
        self._transport.close()

    def pause(self, seconds: float) -> None:
        """Wait for some seconds, until the session is closed at the latest."""
        if self.patience.sleep is not None:
            self.patience.sleep(seconds)
            return
        self._closed.wait(seconds)
        self.check()

    def _keep(self, values: Sequence[str]) -> None:
        with self._lock:
            self.secrets = self.secrets.with_values(values)

    def _ask_token_server(self, ask: Ask, authorization: str | None, /) -> Answered:
        def work() -> Answered:
            self.check()
            with self._transport.exchange(ask, authorization) as response:
                body = transport.body(response, largest=_LARGEST_TOKEN, patience=self.patience)
                status = response.status_code
                after = retry_after(response.headers.get("Retry-After"))
            if status in failures.TEMPORARY:
                raise TryAgainError(failures.refusal(ask.method, ask.url, status, body), after=after)
            return Answered(status=status, body=body)

        return self.retry(work)
