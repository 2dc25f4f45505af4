"""The signs that a program is ready: an answer, an open port, or a line of its log."""

from __future__ import annotations

import ssl
from typing import Final, Protocol, final

from msgspec import Struct

from nox_pex.settings.checks import HttpCheck
from nox_pex.smoke.checks.http_client import Answer, connect, request
from nox_pex.smoke.checks.results import describe_answer, describe_statuses, request_line, status_matches
from nox_pex.smoke.log import Log
from nox_pex.smoke.plan import Endpoint
from nox_pex.smoke.process import ports
from nox_pex.smoke.process.network import Network
from nox_pex.smoke.process.program import RunningProgram
from nox_pex.system.limited import LimitError

_NOT_YET: Final = frozenset({502, 503, 504})
"""The statuses that only say that a server is not ready: of a proxy without its backend, or of an overloaded server
(RFC 9110, section 15.6)."""


class Attempt(Struct, frozen=True, kw_only=True):
    """One look for a sign. `reason` says why the program is not ready; None if it is.

    `settled` is the same text as long as the program gives the same answer, if that answer counts as ready when it
    stays the same. `hopeless` says that waiting longer cannot help.
    """

    reason: str | None = None
    settled: str | None = None
    hopeless: bool = False


class Sign(Protocol):
    """A sign that a program is ready."""

    @property
    def address(self) -> str | None:
        """The address at which the sign is looked for, for people; None if the sign is in the log."""
        ...

    @property
    def port(self) -> int | None:
        """The TCP port that must answer, None if there is none."""
        ...

    def owner(self, program: RunningProgram) -> ports.Owner:
        """Return who owns the listener at the address: the program or another."""
        ...

    def listener(self) -> str:
        """Return the name and id of the process that listens at the address, whoever owns it."""
        ...

    def attempt(self, network: Network, *, timeout: float) -> Attempt:
        """Look for the sign once, within `timeout` seconds, in the network of the program."""
        ...


class AnswerSign(Struct, frozen=True, kw_only=True):
    """The answer to the request of `check`, of which only the status counts. `tls` is only for `https`.

    An `explicit` sign must have the status of the check. Otherwise any other answer counts too if it stays the same,
    because the checks report it: waiting for the right one would turn each wrong answer into a timeout. An answer that
    says that the server is not ready yet never counts.
    """

    endpoint: Endpoint
    check: HttpCheck
    explicit: bool
    tls: ssl.SSLContext | None = None

    @property
    def address(self) -> str | None:
        """The URL of the server, and its Unix socket."""
        return str(self.endpoint)

    @property
    def port(self) -> int | None:
        """The port of the server."""
        return None if self.endpoint.unix_socket is not None else self.endpoint.port

    def owner(self, program: RunningProgram) -> ports.Owner:
        """Return who owns the listener at the address: the program or another."""
        return _owner(program, self.endpoint)

    def listener(self) -> str:
        """Return the name and id of the process that listens at the address."""
        return _listener(self.endpoint, self.port)

    def attempt(self, network: Network, *, timeout: float) -> Attempt:
        """Send the request once."""
        timeout = min(timeout, self.check.timeout)
        answer = request(self.endpoint, self.check, tls=self.tls, timeout=timeout, network=network)
        if status_matches(self.check.status, answer.status):
            return Attempt()
        got = describe_answer(answer)
        why = got if answer.final else f"expected status {describe_statuses(self.check.status)}, got {got}"
        reason = f"{request_line(self.check)}: {why}"
        settled = None if self.explicit else _settled(answer)
        return Attempt(reason=reason, settled=settled, hopeless=answer.final)


class PortSign(Struct, frozen=True, kw_only=True):
    """A `port` that accepts connections, or the server's Unix socket if it is None."""

    endpoint: Endpoint
    port: int | None

    @property
    def address(self) -> str | None:
        """The host and the port, or the Unix socket."""
        return str(self.endpoint) if self.port is None else f"{self.endpoint.host} port {self.port}"

    def owner(self, program: RunningProgram) -> ports.Owner:
        """Return who owns the listener at the address: the program or another."""
        if self.port is None:
            return _owner(program, self.endpoint)
        return program.owner(self.endpoint.host, self.port)

    def listener(self) -> str:
        """Return the name and id of the process that listens at the address."""
        return _listener(self.endpoint, self.port)

    def attempt(self, network: Network, *, timeout: float) -> Attempt:
        """Open a connection once. `owner` has found a listener on a Unix socket, so that one is ready."""
        if self.port is None:
            return Attempt()
        return Attempt(reason=connect(self.endpoint.host, self.port, timeout=timeout, network=network))


@final
class LineSign:
    """A line of a log that the regular expression `pattern` matches."""

    address: str | None = None
    port: int | None = None

    def __init__(self, output: Log, pattern: str) -> None:
        self._log = output
        self._pattern = pattern
        self._start = 0
        self._size = 0

    def owner(self, program: RunningProgram) -> ports.Owner:  # noqa: ARG002  # only the program writes its log
        """Return `ours`."""
        return "ours"

    def listener(self) -> str:
        """Return `another process`: a log has no listener."""
        return "another process"

    def attempt(self, network: Network, *, timeout: float) -> Attempt:  # noqa: ARG002  # the log is on this machine
        """Search the log once, if it has grown."""
        reason = f"no line of the log matches {self._pattern!r} (`ready.log`)"
        size = self._log.size()
        if size == self._size:
            return Attempt(reason=reason)
        self._size = size
        try:
            found, self._start = self._log.matches(self._pattern, start=self._start, seconds=timeout)
        except LimitError as error:
            return Attempt(reason=str(error), hopeless=True)
        return Attempt(reason=None if found else reason)


def _owner(program: RunningProgram, endpoint: Endpoint) -> ports.Owner:
    if program.owns_port:
        return "ours"
    if endpoint.unix_socket is not None:
        return ports.unix_owner(
            endpoint.unix_socket, lambda: [member.pid for member in program.tree()], program.network
        )
    return program.owner(endpoint.host, endpoint.port)


def _listener(endpoint: Endpoint, port: int | None) -> str:
    if port is None and endpoint.unix_socket is not None:
        return ports.unix_listening_process(endpoint.unix_socket)
    return ports.listening_process(endpoint.port if port is None else port)


def _settled(answer: Answer) -> str | None:
    """Return what an answer says as long as it stays the same; None if it says that the server is not ready yet."""
    if answer.status is None:
        return answer.problem if answer.final else None
    return None if answer.status in _NOT_YET else str(answer.status)
