"""Programs that leave files that are hard to remove, or that point elsewhere."""

from __future__ import annotations

from functools import partial
from typing import Final

from tests.programs.misbehaviours import Misbehaviour, get

_Passes = partial(Misbehaviour, program="odd_files", code=None)
_Failed = partial(Misbehaviour, program="odd_files", code="launch-failed", may_leave=True)
_CONDITIONS: Final = {"conditions": ["cold", "warm", "unprivileged"]}
_COMMANDS: Final = {
    "args": ["in-the-way", "{port}"],
    "before": [["true"]],
    "command": [{"args": ["command"], "stdin": "input"}],
}
_OUTSIDE: Final = ("{port}", "{outside}")

ROWS: Final = (
    _Passes(mode="nested-1200"),
    _Passes(mode="nested-1200-without-permissions"),
    _Passes(mode="many"),
    _Passes(mode="odd-names"),
    _Passes(mode="odd-kinds"),
    _Passes(mode="sparse"),
    _Passes(mode="link-to-outside", args=_OUTSIDE),
    _Passes(mode="tmp-is-a-link-to-outside", args=_OUTSIDE),
    _Passes(mode="workspace-is-a-link-to-outside", args=_OUTSIDE, may_leave=True),
    _Passes(mode="all-directories-are-links-to-outside", args=_OUTSIDE, settings=_CONDITIONS),
    _Passes(mode="in-the-way", settings=get() | _CONDITIONS | _COMMANDS),
    _Failed(mode="workspace-is-a-link-to-outside", args=_OUTSIDE, settings=_CONDITIONS, words=("warm: ", "replaced")),
    _Passes(mode="without-its-workspace"),
    _Passes(mode="without-its-own-file"),
    _Passes(mode="immutable", only_root=True, may_leave=True),
    _Passes(mode="mounted", only_root=True, may_leave=True),
)
