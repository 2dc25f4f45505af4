"""Programs that treat their log as no program should."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from tests.programs.misbehaviours import HOSTILE, LISTENING, Misbehaviour

_Row = partial(Misbehaviour, program="odd_logs")
_WRITTEN: Final[dict[str, Any]] = LISTENING | {"log-require": ["^begun"], "log-forbid": ["^root:"]}
_EXITS: Final = ("{port}", "exit")

ROWS: Final = (
    # The log that was opened counts, and not what has its name now
    *(
        _Row(mode=mode, settings=_WRITTEN, code=None)
        for mode in (
            "replaced-by-a-pipe",
            "replaced-by-a-link",
            "replaced-by-an-endless-device",
            "replaced-by-a-directory",
            "removed",
            "closed",
        )
    ),
    *(
        _Row(mode=mode, args=_EXITS, code="exited-early", words=("exit status 1",))
        for mode in ("replaced-by-a-pipe", "replaced-by-an-endless-device", "removed", "sparse", "of-commands")
    ),
    _Row(mode="emptied", settings=_WRITTEN, code="log-missing", words=("'^begun'",)),
    _Row(mode="of-many-lines", settings=LISTENING | {"log-forbid": ["b line"]}, code=None, seconds=20.0),
    _Row(
        mode="hostile",
        settings=LISTENING | {"log-require": [HOSTILE]},
        code="log-missing",
        words=(HOSTILE,),
    ),
    _Row(
        mode="hostile",
        settings=LISTENING | {"log-forbid": [HOSTILE]},
        code="log-forbidden",
        words=(HOSTILE,),
    ),
)
