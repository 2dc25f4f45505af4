"""Wait until a program serves, and check that it is this program that answers."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.settings.checks import HttpCheck, TcpCheck
from nox_pex.smoke.checks.http_client import connect, request
from nox_pex.smoke.checks.results import describe_statuses, status_matches
from nox_pex.smoke.plan import Endpoint
from nox_pex.smoke.process import ports
from nox_pex.smoke.process.network import HERE, Network
from nox_pex.smoke.process.program import Exit, ProcessInfo, RunningProgram
from nox_pex.smoke.stop import ended_by_itself

_PAUSES: Final = (0.01, 0.02, 0.05, 0.1)
"""Seconds between two attempts. The last one repeats."""


_SERVER_ERROR: Final = 500
"""The first HTTP status that means an error of the server (RFC 9110, section 15.6)."""


_DAEMON_DELAY: Final = 0.05
"""Seconds that a ready program must stay alive. A program that starts a daemon ends within them."""


_REPORT_INTERVAL: Final = 10.0
"""Seconds between two lines that say why the program is not ready."""


class Server(Struct, frozen=True, kw_only=True):
    """The address of a server, and the check that must pass before it is ready. `tls` is only for `https`.

    Only the status of an HTTP check counts here. A `lenient` server is ready with any status below 500. The checks
    then find out whether the answer is the expected one. Waiting for that would turn each wrong answer into a timeout.
    """

    endpoint: Endpoint
    check: HttpCheck | TcpCheck
    lenient: bool
    tls: ssl.SSLContext | None = None
    network: Network = HERE

    @property
    def port(self) -> int:
        """The port that must answer."""
        return int(self.check.port) if isinstance(self.check, TcpCheck) else self.endpoint.port

    def __str__(self) -> str:
        return f"{self.endpoint.host} port {self.port}" if isinstance(self.check, TcpCheck) else str(self.endpoint)

    def owner(self, program: RunningProgram) -> ports.Owner:
        """Return who owns the listener at the address: the program or another."""
        if isinstance(self.check, HttpCheck) and program.owns_port:
            return "ours"
        if self.endpoint.unix_socket is not None and isinstance(self.check, HttpCheck):
            return ports.unix_owner(self.endpoint.unix_socket, lambda: _pids(program.tree()), self.network)
        return program.owner(self.endpoint.host, self.port)

    def not_ready_reason(self, timeout: float) -> str | None:
        """Run the check once, within `timeout` seconds. Return why the program is not ready, None if it is."""
        if isinstance(self.check, TcpCheck):
            return connect(self.endpoint.host, self.port, timeout=timeout, network=self.network)
        timeout = min(timeout, self.check.timeout)
        answer = request(self.endpoint, self.check, tls=self.tls, timeout=timeout, network=self.network)
        if answer.status is not None and self.lenient and answer.status < _SERVER_ERROR:
            return None
        if status_matches(self.check.status, answer.status):
            return None
        expected = f"expected status {describe_statuses(self.check.status)}"
        actual = f"status {answer.status}" if answer.status is not None else answer.problem or "nothing"
        return f"{self.check.method} {self.check.path}: {expected}, got {actual}"


def check_free(server: Server) -> None:
    """Raise `NoxPexError` `port-taken` if something listens at the address before the program is started."""
    if server.endpoint.unix_socket is None and ports.accepts_connections(server.endpoint.host, server.port):
        raise _port_taken(server)


def await_ready(program: RunningProgram, server: Server, *, timeout: float, say: Callable[[str], None]) -> float:
    """Wait until the program is ready. Return the seconds since its start.

    `timeout` is in seconds. Raises `NoxPexError`: `exited-early`, `port-taken`, `wrong-listener`, `startup-timeout`.
    """
    deadline = program.started_at + timeout
    report_at = program.started_at + _REPORT_INTERVAL
    reason: str | None = None
    pauses = iter(_PAUSES)
    pause = next(pauses)
    warned = False
    while True:
        ready = False
        owner = server.owner(program)
        if owner == "unknown" and not warned:
            say("cannot see which process listens: assuming that it is the program")
            warned = True
        if owner in {"ours", "unknown"}:
            latest = server.not_ready_reason(max(deadline - time.monotonic(), 0.001))
            ready = latest is None
            # An earlier reason says more than that of an attempt which the deadline cut short.
            if reason is None or time.monotonic() < deadline:
                reason = latest
        ready_after = time.monotonic() - program.started_at
        ended = program.exited(within=_DAEMON_DELAY if ready else pause)
        if ended is not None:
            raise _exited_early(program, server, ended)
        if ready:
            return ready_after
        now = time.monotonic()
        if now >= deadline:
            raise _not_ready(program, server, timeout=timeout, reason=reason)
        if now >= report_at:
            say(f"not ready after {now - program.started_at:.0f} s: {reason or f'nothing listens on {server}'}")
            report_at += _REPORT_INTERVAL
        pause = next(pauses, pause)


def _pids(members: Iterable[ProcessInfo]) -> list[int]:
    return [member.pid for member in members]


def _exited_early(program: RunningProgram, server: Server, ended: Exit) -> NoxPexError:
    if server.owner(program) == "foreign":
        return _port_taken(server)
    return ended_by_itself(
        "exited-early", program, ended, f"after {ended.at - program.started_at:.1f} s, before it was ready"
    )


def _not_ready(program: RunningProgram, server: Server, *, timeout: float, reason: str | None) -> NoxPexError:
    members = program.tree()
    owner = server.owner(program)
    if owner == "foreign":
        problem = f"{ports.listening_process(server.port)} answers on {server} instead of the program under test"
        remedy = "make the program listen on {host} and {port}, and end the other process"
        return NoxPexError("wrong-listener", problem, remedy)
    problem = f"the program was not ready after {timeout:g} s"
    if reason is not None:
        return NoxPexError("startup-timeout", f"{problem}: {reason}", "see its log, or raise `startup-timeout`")
    if owner == "ours":
        remedy = "see its log, or raise `startup-timeout`"
        return NoxPexError("startup-timeout", f"{problem}: it has just begun to listen on {server}", remedy)
    others = ports.listening_addresses(_pids(members), server.network)
    if others:
        problem += f": it listens on {', '.join(others[:3])}, not on {server}"
        return NoxPexError("startup-timeout", problem, "pass {host} and {port} to it in `args` or `env`")
    return NoxPexError(
        "startup-timeout", f"{problem}: nothing listens on {server}", "see its log, or raise `startup-timeout`"
    )


def _port_taken(server: Server) -> NoxPexError:
    problem = f"{ports.listening_process(server.port)} already listens on {server}"
    return NoxPexError("port-taken", problem, 'end it, or write "{port}" to use a free port')
