"""Search an answer that may have no end while it arrives."""

from __future__ import annotations

import re
import select
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Final, final

from nox_pex.smoke.checks.charsets import codec_of
from nox_pex.system import limited

_PAUSE: Final = 0.02
"""Seconds between two searches, at least. Data that arrives meanwhile is searched together."""


SHORTEST_COMPARISON: Final = 1.0
"""Seconds that a comparison may take, even if the program has used the whole timeout of the check."""


_SHARE: Final = 10
"""A search that took a second is followed by this number of seconds without one, unless no more data arrives."""


class MatchedError(Exception):
    """The pattern matches: the rest of the answer is not needed."""


@final
class Until:
    """The search for a pattern in a body. `deadline` is on the monotonic clock."""

    def __init__(self, pattern: str, *, deadline: float, timeout: float) -> None:
        self._pattern = pattern
        self._deadline = deadline
        self._limit = f"the rest of `timeout` ({timeout:g} s)"
        self._searched = 0
        self._next = 0.0
        self._headers: Mapping[str, str] = {}
        self._body = bytearray()

    def begin(self, headers: Mapping[str, str], body: bytearray) -> None:
        """Search a body, which grows, from now on."""
        self._headers, self._body = headers, body
        self._searched = -1  # an empty body may match

    def before_read(self, connection: socket.socket) -> None:
        """Search what has arrived, unless more arrives at once. Raises `MatchedError`, and what `search` raises.

        It is called when everything that was read from `connection` is in the body.
        """
        if self._searched == len(self._body):
            return
        wait = min(self._next, self._deadline) - time.monotonic()
        if wait > 0 and _is_readable(connection, wait):
            return
        self.search()

    def search(self) -> None:
        """Search the body, if that has changed. Raises `MatchedError`, `NotTextError` and `limited.LimitError`."""
        if self._searched == len(self._body):
            return
        started = time.monotonic()
        codec = codec_of(self._headers)
        self._searched = len(self._body)
        found = limited.call(
            _found,
            self._pattern,
            self._body,
            codec,
            seconds=max(self._deadline - started, SHORTEST_COMPARISON),
            limit=self._limit,
            step=f"`until` {self._pattern!r}",
        )
        ended = time.monotonic()
        self._next = ended + max(_PAUSE, _SHARE * (ended - started))
        if found:
            raise MatchedError


def _found(pattern: str, body: bytearray, codec: str) -> bool:
    # At each line, because a stream of events has lines, and its beginning says nothing.
    return re.search(pattern, body.decode(codec, errors="replace"), re.MULTILINE) is not None


def _is_readable(connection: socket.socket, seconds: float) -> bool:
    if isinstance(connection, ssl.SSLSocket) and connection.pending():
        return True
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
