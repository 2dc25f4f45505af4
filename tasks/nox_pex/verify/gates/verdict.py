"""What one gate found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from nox_pex.errors import Code, NoxPexError

_NAMED: Final = 5
"""Problems that are named in the one line of an error; `NAME.verify.json` has them all."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`problems` are what is wrong, a phrase each: none where the gate is passed.

    `summary` says in a few words what was compared. `details` go into the JSON as they are. `skipped` is whether there
    was nothing to judge by, and `summary` then why.
    """

    summary: str
    problems: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    skipped: bool = False


def failure(code: Code, verdict: Verdict, *, subject: str, remedy: str) -> NoxPexError | None:
    """The error for a verdict about `subject`, the binary; None where there is no problem."""
    if not verdict.problems:
        return None
    shown = "; ".join(verdict.problems[:_NAMED])
    rest = len(verdict.problems) - _NAMED
    more = f"; and {rest} more" if rest > 0 else ""
    return NoxPexError(code, f"{subject}: {shown}{more}", remedy)
