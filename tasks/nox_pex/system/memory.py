"""The memory of this machine, as Linux reports it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_MACHINE: Final = Path("/proc/meminfo")
"""Has the memory of the whole machine, in KiB (proc_meminfo(5))."""


_CONTAINER: Final = Path("/sys/fs/cgroup")
"""Has the limit and the use of a container, in bytes (the kernel's cgroup-v2.rst, "Memory Interface Files")."""


_KEPT: Final = ("anon", "shmem", "kernel")
"""Memory that the kernel cannot free, unlike its cache of files. `shmem` is that of files in memory."""


def available(*, machine: Path = _MACHINE, container: Path = _CONTAINER) -> int:
    """Return the bytes that processes can still get without swapping: of the machine, or of a container's limit.

    0 if the machine does not say it.
    """
    of_machine = _numbers(machine).get("MemAvailable:", 0) * 1024
    try:
        limit = int((container / "memory.max").read_text("ascii"))
    except (OSError, ValueError):  # there is none: no container, another kind of it, or `max`
        return of_machine
    used = _numbers(container / "memory.stat")
    return min(of_machine, max(0, limit - sum(used.get(name, 0) for name in _KEPT)))


def _numbers(file: Path) -> dict[str, int]:
    """Return the first number of each line, by the word before it; empty if the file cannot be read."""
    try:
        lines = [line.split() for line in file.read_text("ascii").splitlines()]
        return {words[0]: int(words[1]) for words in lines}
    except (OSError, ValueError, IndexError):
        return {}
