"""Nox's queue: the sessions of this run that have not started yet. Nox has no public way to see or to change it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import nox

if TYPE_CHECKING:
    from nox.sessions import SessionRunner


def waiting(session: nox.Session) -> list[str]:
    """Return the names of the sessions that run after `session`, in their order; none in a worker of `--parallel`."""
    return [runner.name for runner in _queue(session)]


def postpone(session: nox.Session, is_last: Callable[[str], bool]) -> list[str]:
    """Let the waiting sessions whose names `is_last` accepts run after all others, and return the names of the others.

    Only those that require one of them, directly or not, still come later. They are not among the names.
    """
    queue = _queue(session)
    last = [runner for runner in queue if is_last(runner.name)]
    later: list[SessionRunner] = []
    for runner in queue:  # a session comes after those that it requires
        if runner not in last and any(is_last(each.name) or each in later for each in _required_by(runner)):
            later.append(runner)
    others = [runner for runner in queue if runner not in last and runner not in later]
    queue[:] = [*others, *last, *later]
    return [runner.name for runner in others]


def _required_by(runner: SessionRunner) -> list[SessionRunner]:
    with contextlib.suppress(KeyError):  # with --no-dependencies, a session that it requires may not exist
        return list(runner.get_direct_dependencies())
    return []


def _queue(session: nox.Session) -> list[SessionRunner]:
    return session._runner.manifest._queue  # noqa: SLF001  # see the first line
