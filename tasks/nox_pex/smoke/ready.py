"""Waits until a program serves, and proves that it is this program that does."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from nox_pex.errors import NoxPexError
from nox_pex.settings.smoke import HttpCheck, TcpCheck
from nox_pex.smoke.checks.http_client import ask, connect
from nox_pex.smoke.checks.verdicts import describe_statuses, status_matches
from nox_pex.smoke.plan import Endpoint
from nox_pex.smoke.process import ports
from nox_pex.smoke.process.network import HERE, Network
from nox_pex.smoke.process.program import Exit, ProcessInfo, RunningProgram
from nox_pex.smoke.stop import ended_by_itself

_PAUSES: Final = (0.01, 0.02, 0.05, 0.1)


_SERVER_ERROR: Final = 500


_SETTLING: Final = 0.05
"""Seconds in which a program that has become a daemon turns out to have ended although something serves."""


_NEWS: Final = 10.0
"""Seconds after which a person wants to know why it takes so long."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where a program serves, and what must pass there before it counts as ready. `tls` is for `https` alone.

    Of an HTTP check only the status counts here. A `lenient` server is ready with any answer but a server's own error:
    whether it is the right answer is then judged at once, whereas to wait for that would turn each wrong expectation
    into a timeout.
    """

    endpoint: Endpoint
    check: HttpCheck | TcpCheck
    lenient: bool
    tls: ssl.SSLContext | None = None
    network: Network = HERE

    @property
    def port(self) -> int:
        """The port that is waited for."""
        return int(self.check.port) if isinstance(self.check, TcpCheck) else self.endpoint.port

    def __str__(self) -> str:
        return f"{self.endpoint.host} port {self.port}" if isinstance(self.check, TcpCheck) else str(self.endpoint)

    def owner(self, program: RunningProgram) -> ports.Owner:
        """Whose listener answers there, as far as the program is concerned."""
        if isinstance(self.check, HttpCheck) and program.owns_port:
            return "ours"
        if self.endpoint.unix_socket is not None and isinstance(self.check, HttpCheck):
            return ports.unix_owner(self.endpoint.unix_socket, lambda: _pids(program.tree()), self.network)
        return program.owner(self.endpoint.host, self.port)

    def refusal(self, timeout: float) -> str | None:
        """Asks once. Returns why the program does not count as ready, if so."""
        if isinstance(self.check, TcpCheck):
            return connect(self.endpoint.host, self.port, timeout=timeout, network=self.network)
        timeout = min(timeout, self.check.timeout)
        answer = ask(self.endpoint, self.check, tls=self.tls, timeout=timeout, network=self.network)
        if answer.status is not None and self.lenient and answer.status < _SERVER_ERROR:
            return None
        if status_matches(self.check.status, answer.status):
            return None
        expected = f"expected {describe_statuses(self.check.status)}"
        came = f"got status {answer.status}" if answer.status is not None else f"got {answer.problem or 'nothing'}"
        return f"{self.check.method} {self.check.path}: {expected}, {came}"


def check_free(server: Server) -> None:
    """Raises `NoxPexError` with `port-taken` when somebody serves there before the program was even started."""
    if server.endpoint.unix_socket is None and ports.accepts_connections(server.endpoint.host, server.port):
        raise _port_taken(server)


def await_ready(program: RunningProgram, server: Server, *, timeout: float, say: Callable[[str], None]) -> float:
    """Seconds from the start of the program until it was ready.

    Raises `NoxPexError`: `exited-early`, `port-taken`, `wrong-listener`, `startup-timeout`.
    """
    deadline = program.started_at + timeout
    news_at = program.started_at + _NEWS
    refusal: str | None = None
    pauses = iter(_PAUSES)
    pause = next(pauses)
    told = False
    while True:
        ready = False
        owner = server.owner(program)
        if owner == "unknown" and not told:
            say("cannot see whether the listener is the program: taken on trust")
            told = True
        if owner in {"ours", "unknown"}:
            latest = server.refusal(max(deadline - time.monotonic(), 0.001))
            ready = latest is None
            # What the deadline cut short tells less than what was said before.
            if refusal is None or time.monotonic() < deadline:
                refusal = latest
        ready_after = time.monotonic() - program.started_at
        ended = program.exited(within=_SETTLING if ready else pause)
        if ended is not None:
            raise _exited_early(program, server, ended)
        if ready:
            return ready_after
        now = time.monotonic()
        if now >= deadline:
            raise _too_late(program, server, timeout=timeout, refusal=refusal)
        if now >= news_at:
            say(f"not ready after {now - program.started_at:.0f} s: {refusal or f'nothing listens on {server}'}")
            news_at += _NEWS
        pause = next(pauses, pause)


def _pids(members: Iterable[ProcessInfo]) -> list[int]:
    return [member.pid for member in members]


def _exited_early(program: RunningProgram, server: Server, ended: Exit) -> NoxPexError:
    if server.owner(program) == "foreign":
        return _port_taken(server)
    return ended_by_itself(
        "exited-early", program, ended, f"after {ended.at - program.started_at:.1f} s, before it was ready"
    )


def _too_late(program: RunningProgram, server: Server, *, timeout: float, refusal: str | None) -> NoxPexError:
    members = program.tree()
    owner = server.owner(program)
    if owner == "foreign":
        problem = f"{ports.listening_process(server.port)} answers on {server}, and not the program under test"
        return NoxPexError("wrong-listener", problem, "make the program listen on {host} and {port}, and end the other")
    problem = f"the program was not ready after {timeout:g} s"
    if refusal is not None:
        return NoxPexError("startup-timeout", f"{problem}: {refusal}", "see its log, or raise `startup-timeout`")
    if owner == "ours":
        remedy = "see its log, or raise `startup-timeout`"
        return NoxPexError("startup-timeout", f"{problem}: it has only just begun to listen on {server}", remedy)
    elsewhere = ports.listening_addresses(_pids(members), server.network)
    if elsewhere:
        problem += f": it listens on {', '.join(elsewhere[:3])}, not on {server}"
        return NoxPexError("startup-timeout", problem, "pass {host} and {port} on in `args` or `env`")
    return NoxPexError(
        "startup-timeout", f"{problem}: nothing listens on {server}", "see its log, or raise `startup-timeout`"
    )


def _port_taken(server: Server) -> NoxPexError:
    problem = f"{ports.listening_process(server.port)} already listens on {server}"
    return NoxPexError("port-taken", problem, 'end it, or write "{port}" for a free one')
