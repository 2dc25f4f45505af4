"""The verdict of one gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from nox_pex.errors import Code, NoxPexError

_SHOWN: Final = 5
"""The number of problems that an error names in its one line. `NAME.verify.json` has all of them."""


class Verdict(Struct, frozen=True, kw_only=True):
    """The verdict of a gate: it is passed if `problems`, a phrase for each one, is empty.

    `summary` says in a few words what was compared. `details` go into the JSON unchanged. If `skipped`, there was
    nothing to check against, and `summary` says why. `notes` are what a person should know although it is no problem.
    """

    summary: str
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] = {}
    skipped: bool = False


def failure(code: Code, verdict: Verdict, *, subject: str, remedy: str, what: str = "") -> NoxPexError | None:
    """Return the error for a verdict about `subject`, the binary; None if there is no problem.

    `what` names the gate for people, as in `service: leaks`.
    """
    if not verdict.problems:
        return None
    shown = "; ".join(verdict.problems[:_SHOWN])
    rest = len(verdict.problems) - _SHOWN
    more = f"; and {rest} more" if rest > 0 else ""
    named = [*verdict.problems[:_SHOWN], *((f"and {rest} more",) if rest > 0 else ())]
    rows = tuple(("" if number else "found", each) for number, each in enumerate(named))
    return NoxPexError(code, f"{subject}: {shown}{more}", remedy, subject=what, rows=rows)
