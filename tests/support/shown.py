"""The lines that a step shows, for tests that look at their texts."""

from __future__ import annotations

from collections.abc import Callable

from nox_pex.screen import lines
from nox_pex.system.messages import Message, Progress, Say


def say_into(add: Callable[[str], object], *, works: bool = False) -> Say:
    """Return a `say` that passes the line of a log to `add` for each message.

    Progress has none, but if `works`, the name of the work is passed when it begins.
    """
    known: set[str] = set()

    def say(message: Message) -> None:
        if not isinstance(message, Progress):
            add(lines.of_log(message))
        elif message.ended:
            known.discard(message.work)
        elif works and message.work not in known:
            known.add(message.work)
            add(message.work)

    return say
