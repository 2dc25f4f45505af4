"""The conditions that a file must be proven to meet, as the user of a check gives them."""

from __future__ import annotations

import datetime as dt
from typing import Final, Literal

from msgspec import Struct

from nox_pex.evidence.check.repository import Repository
from nox_pex.evidence.keys import VerifyingKey
from nox_pex.evidence.kinds import KINDS, Kind

CLOCK_ERROR: Final = dt.timedelta(minutes=5)
"""How far the clock of the builder may be ahead of this one."""


class Policy(Struct, frozen=True, kw_only=True):
    """The conditions of a check.

    One of `keys` must have signed a statement of each kind in `required`. `source` and `commit` (in lower case; the
    beginning of one is enough) are those of the build, `max_age` is the age of the proofs. `allow_warned` accepts a
    smoke test with skipped conditions. `subject` is what is checked: a file with its bundle, or an image with its
    referrers.
    """

    keys: tuple[VerifyingKey, ...]
    required: tuple[Kind, ...] = KINDS
    source: Repository | None = None
    commit: str | None = None
    max_age: dt.timedelta | None = None
    allow_warned: bool = False
    subject: Literal["file", "image"] = "file"

    @property
    def entry(self) -> str:
        """The name of the place of one statement, for messages."""
        return "line" if self.subject == "file" else "referrer"
