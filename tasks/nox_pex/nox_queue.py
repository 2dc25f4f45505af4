"""Nox's queue: the sessions of this run that have not started yet. Nox has no public way to see or to change it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

import nox

if TYPE_CHECKING:
    from nox.sessions import SessionRunner


def waiting(session: nox.Session) -> list[str]:
    """Return the names of the sessions that run after `session`, in their order; none in a worker of `--parallel`."""
    return [runner.name for runner in _queue(session)]


def all_of_run(session: nox.Session) -> list[str]:
    """Return the names of all sessions of this run: those that have begun, also this one, and those that wait.

    A worker of `--parallel` knows only its own.
    """
    manifest = session._runner.manifest  # noqa: SLF001  # see the first line
    return [runner.name for runner in (*manifest._consumed, *manifest._queue)]  # noqa: SLF001  # see the first line


def postpone(session: nox.Session, rank: Callable[[str], int | None]) -> list[str]:
    """Let the waiting sessions whose names have a rank run after all others, in the order of their ranks.

    Only those that require one of them, directly or not, still come later. Return the names of the sessions that come
    before `session` if it has a rank: all others, and those with a lower rank.
    """
    queue = _queue(session)
    ranks = {runner.name: rank(runner.name) for runner in queue}
    last = sorted(
        (runner for runner in queue if ranks[runner.name] is not None), key=lambda each: ranks[each.name] or 0
    )
    later: list[SessionRunner] = []
    for runner in queue:  # a session comes after those that it requires
        if runner not in last and any(rank(each.name) is not None or each in later for each in _required_by(runner)):
            later.append(runner)
    others = [runner for runner in queue if runner not in last and runner not in later]
    queue[:] = [*others, *last, *later]
    own = rank(session.name) or 0
    return [runner.name for runner in (*others, *(each for each in last if (ranks[each.name] or 0) < own))]


def run_later(session: nox.Session, others: Sequence[str]) -> NoReturn:
    """End `session`, and let it begin again after the `others`, which `postpone` returned.

    It was first in the queue if no session of nox-pex ran before (`--no-dependencies`), or one of the others was added
    later (`session.notify`).
    """
    _queue(session).insert(len(others), session._runner)  # noqa: SLF001  # see the first line
    session.skip(f"it runs again after {', '.join(others)}")


def _required_by(runner: SessionRunner) -> list[SessionRunner]:
    with contextlib.suppress(KeyError):  # with --no-dependencies, a session that it requires may not exist
        return list(runner.get_direct_dependencies())
    return []


def _queue(session: nox.Session) -> list[SessionRunner]:
    return session._runner.manifest._queue  # noqa: SLF001  # see the first line
