"""Work in several threads, of which a failure or Ctrl-C waits for none."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import queue
    from queue import SimpleQueue
else:
    queue = lazy("queue")  # only needed to push an image

_T = TypeVar("_T")


def in_parallel(work: Sequence[Callable[[], _T]], *, at_once: int) -> list[_T]:
    """Return the results of `work` in its order. After the first failure nothing more begins, and it is raised.

    Threads that still work then are not waited for, so their work must end by itself when its session is closed.
    """
    waiting = deque(enumerate(work))
    ended: SimpleQueue[tuple[int, _T | None, BaseException | None]] = queue.SimpleQueue()

    def take() -> None:
        while waiting:
            try:
                index, each = waiting.popleft()
            except IndexError:  # another thread was faster
                return
            try:
                ended.put((index, each(), None))
            except BaseException as error:  # noqa: BLE001  # the calling thread raises it
                ended.put((index, None, error))

    for _ in range(min(at_once, len(work))):
        threading.Thread(target=take, daemon=True).start()
    results: dict[int, _T] = {}
    try:
        while len(results) < len(work):
            index, result, error = ended.get()
            if error is not None:
                raise error
            results[index] = result  # type: ignore[assignment]  # a result that is None is one too
    finally:
        waiting.clear()
    return [results[index] for index in range(len(work))]
