"""Wait until a program serves, and check that it is this program that answers."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final, final

from nox_pex.errors import NoxPexError
from nox_pex.smoke import phases
from nox_pex.smoke.plan import Endpoint
from nox_pex.smoke.process import ports
from nox_pex.smoke.process.boot_watch import BootWatch
from nox_pex.smoke.process.program import Exit, ProcessInfo, RunningProgram
from nox_pex.smoke.signs import Attempt, Sign
from nox_pex.smoke.stop import ended_by_itself
from nox_pex.system.messages import Say, Work

_PAUSES: Final = (0.01, 0.02, 0.05, 0.1)
"""Seconds between two attempts. The last one repeats."""


LOOK_INTERVAL: Final = 0.01
"""Seconds between two looks at a program that starts. Its phases are measured as exactly as this."""


_COST_FACTOR: Final = 20
"""After the question who listens, the next one comes after this many times as long as it took."""


_SETTLED: Final = 2.0
"""Seconds in which a wrong answer must stay the same before the checks run and report it."""


_DAEMON_DELAY: Final = 0.05
"""Seconds that a ready program must stay alive. A program that starts a daemon ends within them."""


_LONG: Final = 5.0
"""Seconds after which people see why the program is not ready, instead of what it does."""


def check_free(sign: Sign, endpoint: Endpoint) -> None:
    """Raise `NoxPexError` `port-taken` if something listens at the address before the program is started."""
    if sign.port is not None:
        taken = ports.accepts_connections(endpoint.host, sign.port)
    else:
        taken = endpoint.unix_socket is not None and ports.unix_socket_accepts(endpoint.unix_socket)
    if taken:
        raise _port_taken(sign)


def await_ready(
    program: RunningProgram,
    sign: Sign,
    *,
    timeout: float,
    say: Say,
    work: Work | None = None,
    watch: BootWatch | None = None,
) -> float:
    """Wait until the program is ready. Return the seconds from its start to the sign.

    `timeout` is in seconds. `watch` sees how far the program is meanwhile, and `work` shows it. Raises `NoxPexError`:
    `exited-early`, `port-taken`, `wrong-listener`, `startup-timeout`, or `check-failed` if the program's answer shows
    that it will never be ready.
    """
    deadline = program.started_at + timeout
    attempts = _Attempts()
    watch = BootWatch() if watch is None else watch
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
            if sign.address is not None:
                watch.note("listening")
            latest = sign.attempt(program.network, timeout=max(deadline - time.monotonic(), 0.001))
            ready_at = attempts.ready_at(latest, deadline=deadline)
        is_silent = owner == "nobody" and not program.owns_port
        ended = _wait(program, sign if is_silent else None, _DAEMON_DELAY if ready_at is not None else pause, watch)
        if ended is not None:
            raise _exited_early(program, sign, ended)
        if ready_at is not None:
            watch.note("ready", ready_at)
            return ready_at - program.started_at
        now = time.monotonic()
        if now >= deadline:
            watch.note("ended")
            took = phases.start_of(phases.of_boot(watch.marks, is_server=True))
            raise _not_ready(program, sign, timeout=timeout, reason=attempts.reason, took=took)
        if work is not None:
            work.at(0, _doing(watch, sign, attempts.reason, waited=now - program.started_at))
        pause = next(pauses, pause)


def _doing(watch: BootWatch, sign: Sign, reason: str | None, *, waited: float) -> str:
    """Return what the program does, or after some seconds why it is not ready."""
    if waited < _LONG:
        return watch.doing
    return reason or ("" if sign.address is None else f"nothing listens on {sign.address} yet")


def _wait(program: RunningProgram, silent: Sign | None, seconds: float, watch: BootWatch) -> Exit | None:
    """Wait, and look meanwhile at how far the program is. Return how it ended, None if it still runs.

    If nothing listens yet at the address of the sign `silent`, the waiting ends as soon as something does.
    """
    now = time.monotonic()
    deadline, ask_at = now + seconds, now + LOOK_INTERVAL
    while True:
        left = deadline - time.monotonic()
        ended = program.exited(within=max(min(left, LOOK_INTERVAL), 0.0))
        watch.look(program.pid)
        if ended is not None or left <= LOOK_INTERVAL:
            return ended
        now = time.monotonic()
        if silent is not None and now >= ask_at:
            if silent.owner(program) != "nobody":
                return None
            ask_at = now + (time.monotonic() - now) * _COST_FACTOR


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
            rows = (("got", latest.reason),)
            raise NoxPexError("check-failed", problem, "correct `ready`, or the program", subject="ready", rows=rows)
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


def _not_ready(program: RunningProgram, sign: Sign, *, timeout: float, reason: str | None, took: str) -> NoxPexError:
    """Return the error of a program that is not ready. `took` says how long each phase of its start took until now."""
    members = program.tree()
    owner = sign.owner(program)
    if owner == "foreign":
        return _wrong_listener(sign)
    problem = f"the program was not ready after {timeout:g} s"
    where = "the line of its log" if sign.address is None else f"an answer on {sign.address}"
    remedy = "see its log, or raise `startup-timeout`"
    if reason is not None:
        got, remedy = reason, "see its log, correct `ready`, or raise `startup-timeout`"
    elif owner == "ours":
        got = f"it has just begun to listen on {sign.address}"
    elif others := ports.listening_addresses(_pids(members), program.network):
        took = ""  # it was late for another reason
        got = f"it listens on {', '.join(others[:3])}, not on {sign.address}"
        remedy = "pass {host} and {port} to it in `args` or `env`"
    else:
        got = f"nothing listens on {sign.address}"
    rows = (
        ("expected", f"{where} within {timeout:g} s (`startup-timeout`)"),
        ("got", got),
        *((("phases", took),) if took else ()),
    )
    return NoxPexError("startup-timeout", f"{problem}: {got}", remedy, rows=rows)


def _wrong_listener(sign: Sign) -> NoxPexError:
    problem = f"{sign.listener()} answers on {sign.address} instead of the program under test"
    place = "{host} and {port}" if sign.port is not None else "the path of `unix-socket`"
    remedy = f"make the program listen on {place}, and end the other process"
    rows = (("expected", f"the program listens on {sign.address}"), ("got", f"{sign.listener()} listens there"))
    return NoxPexError("wrong-listener", problem, remedy, rows=rows)


def _port_taken(sign: Sign) -> NoxPexError:
    problem = f"{sign.listener()} already listens on {sign.address}"
    free = '"{port}" to use a free port' if sign.port is not None else '"{tmp}/NAME.sock" to use a new socket'
    rows = (("expected", f"nothing listens on {sign.address} yet"), ("got", f"{sign.listener()} listens there"))
    return NoxPexError("port-taken", problem, f"end it, or write {free}", rows=rows)
