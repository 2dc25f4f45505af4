"""A digest of a file that takes a third of the time of a SHA-256 on one processor, and less on several.

It is the BLAKE3 of the BLAKE3s of the file's pieces, which several threads read and hash. BLAKE3 is a cryptographic
hash, so nobody can make another file with this digest. Only nox-pex computes it, to find out whether a file is still
the one that it wrote. Wherever people or other programs read a digest, it is a SHA-256.

The file is read, not mapped: if another process truncates a mapped file, the kernel kills the reader (SIGBUS, mmap(2)).
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from nox_pex.system import processors
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import blake3
else:
    blake3 = lazy("blake3")  # only needed for a file that was built

_PIECE: Final = 1 << 20
"""Bytes of each piece but the last. A piece stays in the processor's cache while it is hashed."""


_PIECES_PER_THREAD: Final = 4
"""A thread that has less to do takes longer to start than it saves."""


_HELPERS: Final = threading.BoundedSemaphore(7)
"""Limits the threads that help, for all files that are read at the same time, and so the memory for their pieces."""


def of_file(descriptor: int) -> bytes:
    """Return the digest of an open regular file, 32 bytes. The position of the descriptor does not count.

    Raises `OSError` if the file cannot be read. If it changes meanwhile, the digest is that of no version of it.
    """
    # The last piece is shorter than the others, and perhaps empty. So a file that has grown has another digest.
    pieces = os.fstat(descriptor).st_size // _PIECE + 1
    work = _Work(descriptor, pieces)
    with _helped(work, min(processors.count(), pieces // _PIECES_PER_THREAD) - 1):
        work.run()
    for error in work.errors:
        raise error
    return blake3.blake3(b"".join(work.digests)).digest()


class _Work:
    """The pieces of a file that no thread has read yet, the digests of the others, and the errors of the threads."""

    def __init__(self, descriptor: int, pieces: int) -> None:
        self.digests = [b""] * pieces
        self.errors: list[Exception] = []
        self._descriptor = descriptor
        self._waiting = deque(range(pieces))

    def run(self) -> None:
        """Read and hash pieces until none is left, or one cannot be read."""
        try:
            while (at := self._next()) is not None:
                self.digests[at] = blake3.blake3(self._read(at * _PIECE)).digest()
        except Exception as error:  # noqa: BLE001  # without the digest of each piece, there is none of the file
            self.errors.append(error)
            self.stop()

    def stop(self) -> None:
        """Let no thread take another piece."""
        self._waiting.clear()

    def _next(self) -> int | None:
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def _read(self, start: int) -> bytes:
        """Return the piece at the position `start`. It is shorter than others only at the end of the file."""
        piece = os.pread(self._descriptor, _PIECE, start)
        while len(piece) < _PIECE and (more := os.pread(self._descriptor, _PIECE - len(piece), start + len(piece))):
            piece += more
        return piece


@contextmanager
def _helped(work: _Work, helpers: int) -> Iterator[None]:
    """Let at most `helpers` more threads do the same work during the block, and wait for them after it."""
    threads = [thread for _ in range(helpers) if (thread := _helper(work)) is not None]
    try:
        yield
    finally:
        work.stop()  # it is done, or was interrupted
        for thread in threads:
            thread.join()


def _helper(work: _Work) -> threading.Thread | None:
    """Start a thread that does `work`; None if there are enough, or if the system refuses another one."""

    def run() -> None:
        try:
            work.run()
        finally:
            _HELPERS.release()

    if not _HELPERS.acquire(blocking=False):
        return None
    thread = threading.Thread(target=run, daemon=True)
    try:
        thread.start()
    except RuntimeError:  # a limit on threads (`pids.max`, `RLIMIT_NPROC`)
        _HELPERS.release()
        return None
    return thread
