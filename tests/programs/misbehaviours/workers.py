"""Workers without a port, and commands."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from tests.programs.misbehaviours import HOSTILE, Misbehaviour

_READY: Final[dict[str, Any]] = {"http": [], "ready": {"log": "^worker ready"}}
_SHORT: Final[dict[str, Any]] = _READY | {"startup-timeout": 1.0}
_Worker = partial(Misbehaviour, program="odd_workers", args=(), settings=_READY)


def _command(mode: str, *, words: tuple[str, ...], **keys: object) -> Misbehaviour:
    """A command `mode` that fails, with the `keys` of its check."""
    check = {"args": [mode], **{key.replace("_", "-"): value for key, value in keys.items()}}
    return Misbehaviour(
        program="odd_workers",
        mode=mode,
        args=(),
        settings={"command": [check], "startup-timeout": 1.0},
        code="check-failed",
        words=words,
    )


ROWS: Final = (
    _Worker(mode="ready", code=None),
    _Worker(mode="ready-without-a-newline", code=None),
    _Worker(mode="ready-on-stderr", code=None),
    _Worker(mode="ready-in-a-flood", code=None),
    _Worker(mode="silent", settings=_SHORT, code="startup-timeout", words=("'^worker ready'",)),
    _Worker(mode="ready-and-dead", settings=_READY | {"soak": 1.0}, code="exited-early", words=("SIGSEGV",)),
    _Worker(mode="ready-and-soon-dead", settings=_READY | {"soak": 5.0}, code="crashed", words=("exit status 3",)),
    _Worker(mode="ready-only-at-its-end", code="exited-early", words=("exit status 0",)),
    _Worker(mode="ready-and-deaf", settings=_READY | {"stop-timeout": 0.5}, code="stop-timeout", words=("SIGTERM",)),
    _Worker(mode="as-a-daemon", code="exited-early", words=("running",)),
    _Worker(
        mode="hostile",
        settings={"http": [], "ready": {"log": HOSTILE}, "startup-timeout": 1.0},
        code="check-failed",
        words=(HOSTILE,),
        seconds=15.0,
    ),
    # Commands
    _command("prints-hostile-text", timeout=1.0, stdout_matches=HOSTILE, words=("stdout", HOSTILE)),
    _command("prints-hostile-text", timeout=1.0, stderr_matches=HOSTILE, words=("stderr", HOSTILE)),
    _command("prints-no-utf-8", stdout_matches="^done", words=("stdout",)),
    _command("prints-5-megabytes", stdout_matches="1", words=("stdout",)),
    _command("stops-itself", timeout=0.5, words=("still running",)),
    _command("reads-without-end", timeout=0.5, words=("still running",)),
    _command("closes-its-output-and-goes-on", timeout=0.5, words=("still running",)),
)
