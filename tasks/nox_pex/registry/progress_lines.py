"""Progress of a long transfer as lines, for a log as well as for a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from nox_pex.registry.repository import Progress
from nox_pex.system.wording import megabytes

_INTERVAL: Final = 5.0
"""Seconds between two lines."""


def spoken(say: Callable[[str], None], what: str) -> Progress:
    """Return a function that shows a line such as `12.0 MB of 130.0 MB sent` every 5 s; `what` is its last word.

    A transfer that takes less time shows none.
    """
    lock, last = threading.Lock(), time.monotonic()

    def progress(done: int, total: int, _: str) -> None:
        nonlocal last
        with lock:
            if (now := time.monotonic()) - last < _INTERVAL or done >= total:
                return
            last = now
        say(f"{megabytes(done)} of {megabytes(total)} {what}")

    return progress
