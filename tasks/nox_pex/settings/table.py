"""The strict base of every settings table, and the types that several tables share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

import msgspec

HIGHEST_PORT: Final = 65535
"""The highest TCP port: it has 16 bits (RFC 9293, section 3.1)."""


Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
"""A duration in seconds, up to a day."""


Timeout = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
"""The most seconds that something may take, up to a day; not 0, because nothing could meet that limit."""


class BrokenRulesError(ValueError):
    """The rules that a table breaks, each as "problem; remedy", or "`key`: problem; remedy" if it is about one key."""

    def __init__(self, broken: tuple[str, ...]) -> None:
        super().__init__("\n".join(broken))
        self.broken = broken


class Table(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """A TOML table with kebab-case keys; an unknown key is an error.

    `example` is a valid table as TOML writes it in one line.
    """

    example: ClassVar[str] = "{}"

    def _broken_rules(self) -> Iterator[str]:
        """Yield every broken rule that no type expresses, in the form of `BrokenRulesError`."""
        return iter(())

    def __post_init__(self) -> None:
        if broken := tuple(self._broken_rules()):
            raise BrokenRulesError(broken)
