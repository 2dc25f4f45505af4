"""Programs that listen in another place or way than they should, or in an unusual one."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from tests.programs.misbehaviours import LISTENING, Misbehaviour, get

_Row = partial(Misbehaviour, program="odd_listeners")
_SHORT: Final[dict[str, Any]] = {"startup-timeout": 1.0}
_NeverReady = partial(_Row, code="startup-timeout", settings=_SHORT, seconds=8.0)
_UNIX: Final[dict[str, Any]] = {"url": "http://service", "unix-socket": "{tmp}/s"}
_OnUnix = partial(_Row, args=("0", "{tmp}/s"))

ROWS: Final = (
    _NeverReady(mode="on-another-address", words=("it listens on 127.0.0.2:",)),
    _NeverReady(mode="by-udp", words=("nothing listens",)),
    _NeverReady(mode="without-listening", words=("nothing listens",)),
    _Row(mode="only-until-the-second-request", settings=LISTENING | get(), code="check-failed", words=("GET /",)),
    _OnUnix(mode="on-a-renamed-socket", settings=_UNIX, code=None),
    _OnUnix(mode="on-a-relative-socket", settings=_UNIX, code=None),
    _OnUnix(mode="on-a-linked-socket", settings=_UNIX, code=None),
    _OnUnix(mode="on-a-hard-linked-socket", settings=_UNIX, code=None),
    _OnUnix(mode="on-a-socket-of-a-child", settings=_UNIX | {"stop-exit-codes": ["KILL"]}, code=None),
    _OnUnix(mode="on-a-file", settings=_UNIX | _SHORT, code="startup-timeout", words=("nothing listens",)),
    _OnUnix(mode="on-a-datagram-socket", settings=_UNIX | _SHORT, code="startup-timeout", words=("not ready",)),
    _OnUnix(mode="on-a-socket-without-permissions", settings=_UNIX, code=None),
)
