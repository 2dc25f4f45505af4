"""Failures of a package index, the network or the disk, recognized in the output of a tool."""

from __future__ import annotations

import re
from typing import Final

from nox_pex.errors import NoxPexError
from nox_pex.system.command import Outcome

_UNREACHABLE: Final = (
    "Name or service not known",
    "Temporary failure in name resolution",
    "Connection refused",
    "Failed to establish a new connection",
    "All attempts to connect to",
    "Max retries exceeded",
    "ConnectError",
    "ConnectionError",
    "dns error",
    "error sending request",
    "Network is unreachable",
    "ConnectTimeout",
    "ReadTimeout",
    "Read timed out",
    "operation timed out",
    "503 Server Error",
    "502 Server Error",
    "500 Server Error",
    "500 Internal Server Error",
    "502 Bad Gateway",
    "503 Service Unavailable",
    "IncompleteRead",
    "ChunkedEncodingError",
)
"""Texts in the output of Poetry, pip, uv, requests and the system if an index cannot be reached or fails."""


_NAMES_A_HOST: Final = re.compile(r"://|host[=:] ?\S")
"""Matches a line that says which host was asked."""


_AROUND: Final = " \t|."
"""The text that Poetry writes around a message: the left side of a box, and a full stop."""


_REFUSED: Final = (
    "Authorization error accessing",
    "401 Client Error",
    "403 Client Error",
    "401 Unauthorized",
    "403 Forbidden",
    "HTTP error 401",
    "HTTP error 403",
    "status code 401",
    "status code 403",
)
"""Texts in the output of Poetry, pip and uv if an index refuses the credentials."""


def network_failure(what: str, outcome: Outcome) -> NoxPexError | None:
    """Return the error for a tool that failed because of a package index, the network or a full disk; else None.

    `what` begins the error's problem. The error is `index-auth`, `index-unreachable` or `disk-full`.
    """
    line = next((line for line in outcome.output.splitlines() if any(text in line for text in _REFUSED)), None)
    if line is not None:
        remedy = "check the credentials of Poetry, pip or uv for that index"
        return NoxPexError("index-auth", f"{what}: {line.strip(_AROUND)}", remedy, log=outcome.tail)
    reason = unreachable(outcome)
    if reason is not None:
        remedy = "check the network, the proxy and `pip config list`, then run it again"
        return NoxPexError("index-unreachable", f"{what}: {reason}", remedy, log=outcome.tail)
    if "No space left on device" in outcome.output:
        return NoxPexError(
            "disk-full", f"{what}: no space left on device", "make room, then run it again", log=outcome.tail
        )
    return None


def unreachable(outcome: Outcome) -> str | None:
    """Return the line of a tool's output that says that a server cannot be reached or fails; else None."""
    lines = [line.strip(_AROUND) for line in outcome.output.splitlines() if any(text in line for text in _UNREACHABLE)]
    return next((line for line in lines if _NAMES_A_HOST.search(line)), lines[0]) if lines else None
