"""Run several pieces of work at the same time, each in a thread, and end all of them together."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

from msgspec import Struct

from nox_pex.system.command import Stop

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")

_THREADS: Final = 8
"""The number of pieces that run at once. It is above that of all pieces, because one may wait for another."""


class Background(Struct, frozen=True, kw_only=True):
    """Starts pieces of work. The tools of a piece run in shells that have `stop`."""

    stop: Stop
    pool: ThreadPoolExecutor

    def start(
        self, function: Callable[_Params, _Result], *args: _Params.args, **kwargs: _Params.kwargs
    ) -> Future[_Result]:
        """Call `function` in a thread. Whoever needs the result waits for it, and gets its exception in its place."""
        return self.pool.submit(function, *args, **kwargs)


@contextlib.contextmanager
def background() -> Iterator[Background]:
    """Yield a `Background`. After the block nothing of its work is left: its tools are ended, its threads have ended.

    A piece that waits for no tool, such as one that copies files, is ended when it starts its next tool.
    """
    stop = Stop()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="nox-pex") as pool:
        try:
            yield Background(stop=stop, pool=pool)
        finally:
            stop.stop()
            pool.shutdown(cancel_futures=True)
