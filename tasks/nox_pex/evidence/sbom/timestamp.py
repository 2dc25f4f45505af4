"""The time of a bill of materials: the same for the same commit, so that its bytes are the same.

Fact source: the specification of `SOURCE_DATE_EPOCH` of reproducible-builds.org.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from nox_pex.errors import NoxPexError
from nox_pex.system.environ import EPOCH
from nox_pex.system.git import Git

VARIABLE: Final = "SOURCE_DATE_EPOCH"


_LATEST: Final = 253_402_300_799
"""Seconds from 1970-01-01 to the end of the year 9999."""


def chosen(environ: Mapping[str, str]) -> int | None:
    """Return the seconds in `SOURCE_DATE_EPOCH`; None if it is not set. Raises `NoxPexError` `usage`."""
    text = environ.get(VARIABLE, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(_LATEST)) and int(text) <= _LATEST):
        shown = text if len(text) <= len(str(_LATEST)) else f"{text[: len(str(_LATEST))]}…"
        problem = f"the variable {VARIABLE} is {shown!r}, which is not a number of seconds since 1970-01-01"
        raise NoxPexError("usage", problem, "set it to one, such as `git log -1 --format=%ct` prints, or unset it")
    return int(text)


def of(environ: Mapping[str, str], *, root: Path, commit: str | None) -> str:
    """Return the time for a bill, in the form of RFC 3339. Raises `NoxPexError` `usage`.

    That is `SOURCE_DATE_EPOCH`, or else the time of `commit` in the repository of the directory `root`, or else 1980.
    """
    seconds = chosen(environ)
    if seconds is None:
        answer = Git(root=root, environ=environ).ask("show", "-s", "--format=%ct", commit) if commit else None
        known = answer is not None and answer.isdecimal() and int(answer) <= _LATEST
        seconds = int(answer) if answer is not None and known else int(EPOCH)
    return datetime.fromtimestamp(seconds, UTC).isoformat()
