"""The file to which a job of GitHub Actions appends its summary.

Fact sources: GitHub's documentation of job summaries, and actions/runner (`CreateStepSummaryCommand`): a step may
write 1 MiB; a larger file is refused as a whole.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

LARGEST: Final = 1 << 20
"""Bytes of the file, from all programs of the step."""


def append(path: Path, text: Callable[[int], str]) -> None:
    """Append to the file `path` what `text` returns for the number of bytes that are left in it, in one write.

    Neither a link is followed nor anything opened that is not a regular file, so nothing waits. Raises `OSError` if the
    file cannot be written to.
    """
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
    descriptor = os.open(path, flags, 0o644)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        content = text(max(0, LARGEST - status.st_size - 2)).encode()
        if content:
            # What another program wrote may have no line break at its end, or be written at the same moment.
            ended = content if content.endswith(b"\n") else content + b"\n"
            os.write(descriptor, b"\n" + ended if status.st_size else ended)
    finally:
        os.close(descriptor)
