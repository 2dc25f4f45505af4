"""The strict base of every settings table, and the values that several tables have."""

from __future__ import annotations

from typing import Final

import msgspec

HIGHEST_PORT: Final = 65535
"""The highest TCP port (RFC 793, section 3.1)."""


class Table(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """A table of TOML: kebab-case keys; an unknown key is an error."""
