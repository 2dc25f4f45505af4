"""Programs that misbehave, each with the verdict that it must get."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

HOSTILE: Final = r"^(a+)+$"
"""A pattern that backtracks for years on forty times `a` and a `!`."""

LISTENING: Final[Mapping[str, Any]] = {"tcp": [{"port": "{port}"}]}
"""The settings of a check that an open port passes."""

OUTSIDE: Final = os.readlink("/proc/self/ns/pid") if Path("/proc/self/ns/pid").exists() else "none"
"""The PID namespace of the tests."""


class Misbehaviour(Struct, frozen=True, kw_only=True):
    """A way in which a program misbehaves, and the verdict of its smoke test.

    `mode` and `args` are the arguments of `program`, and `settings` its table. `code` is the error code, None if the
    program passes. `words` are in the message or its remedy. The smoke test takes at most `seconds`, on a busy machine too. `files`
    are in the project. `only_root` marks what only root can do. `may_leave` is True if a directory may be left, which a
    line then names.
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
    may_leave: bool = False

    def __str__(self) -> str:
        return f"{self.program}:{self.mode}"


def get(**keys: Any) -> Mapping[str, Any]:
    """The settings of one check: a GET of `/` with a timeout of 1 s, and `keys`."""
    return {"http": [{"path": "/", "timeout": 1.0} | {key.replace("_", "-"): value for key, value in keys.items()}]}
