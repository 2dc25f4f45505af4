"""`until`: the search for a pattern in an answer that may have no end."""

from __future__ import annotations

import time

from nox_pex.smoke.checks.until import Until


def test_what_arrived_in_time_is_searched_after_the_timeout() -> None:
    """A search that ended with the timeout would say that the pattern is slow, and not that it does not match."""
    until = Until("a{20}b", deadline=time.monotonic(), timeout=1.0)
    until.begin({}, bytearray(b"a" * 2**20))
    until.search()  # it raises if the pattern matches, or if the search takes too long
