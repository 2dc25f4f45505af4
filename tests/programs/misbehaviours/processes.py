"""Programs that leave processes, stop themselves, or disturb other processes."""

from __future__ import annotations

from functools import partial
from typing import Final

from tests.programs.misbehaviours import OUTSIDE, Misbehaviour, get

_Row = partial(Misbehaviour, program="odd_processes")
_Leaves = partial(_Row, code="left-processes", seconds=15.0)
_Contained = partial(_Row, code=None, only_contained=True)
_NeverReady = partial(_Row, code="startup-timeout", settings={"startup-timeout": 1.0}, seconds=8.0)

ROWS: Final = (
    _Leaves(mode="forking-in-a-tree", words=("127 processes",)),
    _Leaves(mode="forking-on-and-on", words=("processes behind",)),
    _Leaves(mode="leaving-one-that-ignores-all", words=("a process behind",)),
    _Leaves(mode="leaving-one-that-is-stopped", words=("a process behind",)),
    _Leaves(mode="leaving-one-without-utf-8", words=("a process behind",)),
    _Leaves(mode="leaving-one-with-a-long-command-line", words=("a process behind",)),
    _Leaves(mode="leaving-one-with-commands-in-its-command-line", words=("a process behind",)),
    _Leaves(mode="leaving-one-that-listens", words=("a process behind",)),
    # The program itself
    _NeverReady(mode="stopped-before-it-serves", words=("nothing listens",)),
    _NeverReady(mode="traced-and-stopped", words=("nothing listens",)),
    _Row(
        mode="stopped-at-the-second-request",
        settings=get() | {"stop-timeout": 0.5},
        code="check-failed",
        words=("no complete answer within 1 s",),
    ),
    _Row(
        mode="stopped-when-it-should-stop",
        settings={"stop-timeout": 0.5},
        code="stop-timeout",
        words=("0.5 s after SIGTERM",),
    ),
    _Row(mode="started-again-by-itself", code=None),
    _Row(mode="without-utf-8-in-its-name", code=None),
    _Row(mode="with-many-threads", code=None),
    _Row(mode="with-no-descriptors", code=None),
    _Row(mode="with-limits", code=None),
    _Row(mode="in-another-session", code=None),
    _Row(mode="ending-by-a-real-time-signal", code="exited-early", words=("ended (",)),
    _Row(mode="ending-with-a-core", code="exited-early", words=("ended (SIGABRT)",)),
    _Row(mode="ending-when-it-is-asked", code="exited-early", words=("exit status 0",)),
    # Other processes: the program cannot reach those that watch over it
    _Contained(mode="killing-its-parent"),
    _Contained(mode="killing-everything", args=("{port}", OUTSIDE)),
    _Contained(mode="writing-to-its-parent"),
    _Contained(mode="reading-from-its-parent"),
    _Contained(mode="stopping-its-parent"),
    _Contained(mode="sending-as-its-parent"),
)
