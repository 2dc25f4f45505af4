"""Programs that misbehave, each with the verdict that it must get."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

HOSTILE: Final = r"^(a+)+$"
"""A pattern that backtracks for years on forty times `a` and a `!`."""

LISTENING: Final[dict[str, Any]] = {"tcp": [{"port": "{port}"}]}
"""The settings of a check that an open port passes."""

OUTSIDE: Final = str(Path("/proc/self/ns/pid").readlink()) if sys.platform == "linux" else ""
"""The PID namespace of the tests."""


class Misbehaviour(Struct, frozen=True, kw_only=True):
    """A way in which a program misbehaves, and the verdict of its smoke test.

    `mode` and `args` are the arguments of `program`, and `settings` its table. `files` are in the project. `code` is
    the error code, None if the program passes. `words` are in the message or its remedy. The smoke test takes at most
    `seconds`, on a busy machine too.
    `only_root` marks what only root can do. `only_contained` marks what is harmless only in a PID namespace.
    `may_leave` is True if a directory of the program may be left.
    """

    program: str
    mode: str
    args: tuple[str, ...] = ("{port}",)
    settings: Mapping[str, Any] = {}
    code: str | None
    words: tuple[str, ...] = ()
    seconds: float = 12.0
    files: Mapping[str, str] = {}
    only_root: bool = False
    only_contained: bool = False
    may_leave: bool = False

    def __str__(self) -> str:
        return f"{self.program}:{self.mode}"


def get(**keys: Any) -> dict[str, Any]:
    """The settings of one check: a GET of `/` with a timeout of 1 s, and `keys`."""
    return {"http": [{"path": "/", "timeout": 1.0} | {key.replace("_", "-"): value for key, value in keys.items()}]}
