"""One way to change a finished PEX, and the marks that say which gates must see it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from msgspec import Struct


class UnchangedError(Exception):
    """A mutation does not apply to this PEX, or would leave it as it is."""


class Mutation(Struct, frozen=True, kw_only=True):
    """A change with a name. `apply` writes the changed copy of a PEX to a new path, and chooses by the generator.

    If it is `guarded`, a gate other than `reproducible` must see it too. If it is `heavy`, one copy takes a second or
    megabytes, so that few of these run in each round.
    """

    name: str
    apply: Callable[[Path, Path, Random], None]
    guarded: bool = False
    heavy: bool = False
