"""The strict base of every settings table, and the types that several tables share."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

HIGHEST_PORT: Final = 65535
"""The highest TCP port: it has 16 bits (RFC 9293, section 3.1)."""


Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
"""A duration in seconds, up to a day."""


Timeout = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
"""The most seconds that something may take, up to a day; not 0, because nothing could meet that limit."""


class Table(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """A TOML table with kebab-case keys; an unknown key is an error."""
