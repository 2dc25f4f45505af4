"""Wait until a program serves, and check that it is this program that answers."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final, final

from nox_pex.errors import NoxPexError
from nox_pex.smoke.plan import Endpoint
from nox_pex.smoke.process import ports
from nox_pex.smoke.process.program import Exit, ProcessInfo, RunningProgram
from nox_pex.smoke.signs import Attempt, Sign
from nox_pex.smoke.stop import ended_by_itself
from nox_pex.system.messages import Say

_PAUSES: Final = (0.01, 0.02, 0.05, 0.1)
"""Seconds between two attempts. The last one repeats."""


_SETTLED: Final = 2.0
"""Seconds in which a wrong answer must stay the same before the checks run and report it."""


_DAEMON_DELAY: Final = 0.05
"""Seconds that a ready program must stay alive. A program that starts a daemon ends within them."""


_REPORT_INTERVAL: Final = 10.0
"""Seconds between two lines that say why the program is not ready."""


def check_free(sign: Sign, endpoint: Endpoint) -> None:
    """Raise `NoxPexError` `port-taken` if something listens at the address before the program is started."""
    if sign.port is not None:
        taken = ports.accepts_connections(endpoint.host, sign.port)
    else:
        taken = endpoint.unix_socket is not None and ports.unix_socket_accepts(endpoint.unix_socket)
    if taken:
        raise _port_taken(sign)


def await_ready(program: RunningProgram, sign: Sign, *, timeout: float, say: Say) -> float:
    """Wait until the program is ready. Return the seconds from its start to the sign.

    `timeout` is in seconds. Raises `NoxPexError`: `exited-early`, `port-taken`, `wrong-listener`, `startup-timeout`, or
    `check-failed` if the program's answer shows that it will never be ready.
    """
    deadline = program.started_at + timeout
    report_at = program.started_at + _REPORT_INTERVAL
    attempts = _Attempts()
    pauses = iter(_PAUSES)
    pause = next(pauses)
    warned = False
    while True:
        ready_at: float | None = None
        owner = sign.owner(program)
        if owner == "unknown" and not warned:
            say("cannot see which process listens: assuming that it is the program")
            warned = True
        if owner in {"ours", "unknown"}:
            latest = sign.attempt(program.network, timeout=max(deadline - time.monotonic(), 0.001))
            ready_at = attempts.ready_at(latest, deadline=deadline)
        ended = program.exited(within=_DAEMON_DELAY if ready_at is not None else pause)
        if ended is not None:
            raise _exited_early(program, sign, ended)
        if ready_at is not None:
            return ready_at - program.started_at
        now = time.monotonic()
        if now >= deadline:
            raise _not_ready(program, sign, timeout=timeout, reason=attempts.reason)
        if now >= report_at:
            reason = attempts.reason or f"nothing listens on {sign.address}"
            say(f"not ready after {now - program.started_at:.0f} s: {reason}")
            report_at += _REPORT_INTERVAL
        pause = next(pauses, pause)


@final
class _Attempts:
    """The attempts so far: why the last one failed, and since when the program has given the same answer."""

    reason: str | None

    def __init__(self) -> None:
        self.reason = None
        self._settled: str | None = None
        self._since = 0.0

    def ready_at(self, latest: Attempt, *, deadline: float) -> float | None:
        """Return the time at which the program was ready, as the `latest` attempt shows, or None.

        All times are on the monotonic clock. Raises `NoxPexError` `check-failed` if the program will never be ready.
        """
        now = time.monotonic()
        if latest.settled is None or latest.settled != self._settled:
            self._settled, self._since = latest.settled, now
        # An earlier reason says more than that of an attempt which the deadline cut short.
        if self.reason is None or now < deadline:
            self.reason = latest.reason
        if latest.reason is None:
            return now
        if latest.settled is not None and (latest.hopeless or now - self._since >= _SETTLED):
            return self._since
        if latest.hopeless:
            problem = f"the program cannot become ready: {latest.reason}"
            raise NoxPexError("check-failed", problem, "correct `ready`, or the program")
        return None


def require_own_listener(program: RunningProgram, sign: Sign) -> None:
    """Raise `NoxPexError` `wrong-listener` if another program listens at the address."""
    if sign.owner(program) == "foreign":
        raise _wrong_listener(sign)


def _pids(members: Iterable[ProcessInfo]) -> list[int]:
    return [member.pid for member in members]


def _exited_early(program: RunningProgram, sign: Sign, ended: Exit) -> NoxPexError:
    if sign.owner(program) == "foreign":
        return _port_taken(sign)
    return ended_by_itself(
        "exited-early", program, ended, f"after {ended.at - program.started_at:.1f} s, before it was ready"
    )


def _not_ready(program: RunningProgram, sign: Sign, *, timeout: float, reason: str | None) -> NoxPexError:
    members = program.tree()
    owner = sign.owner(program)
    if owner == "foreign":
        return _wrong_listener(sign)
    problem = f"the program was not ready after {timeout:g} s"
    if reason is not None:
        return NoxPexError(
            "startup-timeout", f"{problem}: {reason}", "see its log, correct `ready`, or raise `startup-timeout`"
        )
    if owner == "ours":
        remedy = "see its log, or raise `startup-timeout`"
        return NoxPexError("startup-timeout", f"{problem}: it has just begun to listen on {sign.address}", remedy)
    others = ports.listening_addresses(_pids(members), program.network)
    if others:
        problem += f": it listens on {', '.join(others[:3])}, not on {sign.address}"
        return NoxPexError("startup-timeout", problem, "pass {host} and {port} to it in `args` or `env`")
    return NoxPexError(
        "startup-timeout", f"{problem}: nothing listens on {sign.address}", "see its log, or raise `startup-timeout`"
    )


def _wrong_listener(sign: Sign) -> NoxPexError:
    problem = f"{sign.listener()} answers on {sign.address} instead of the program under test"
    place = "{host} and {port}" if sign.port is not None else "the path of `unix-socket`"
    remedy = f"make the program listen on {place}, and end the other process"
    return NoxPexError("wrong-listener", problem, remedy)


def _port_taken(sign: Sign) -> NoxPexError:
    problem = f"{sign.listener()} already listens on {sign.address}"
    free = '"{port}" to use a free port' if sign.port is not None else '"{tmp}/NAME.sock" to use a new socket'
    return NoxPexError("port-taken", problem, f"end it, or write {free}")
