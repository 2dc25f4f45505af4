"""The living processes of this machine, by `/proc` or by `ps`.

The supervisor imports this file, so it may import only the standard library.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

_LINUX: Final = sys.platform == "linux"
_PS: Final = ("ps", "-o")


class ProcessRow(NamedTuple):
    """A living process: the id of its parent, its process group, and its resident bytes."""

    parent: int
    group: int
    resident: int


def processes() -> dict[int, ProcessRow]:
    """Return all living processes of the machine by id. A zombie has no memory and cannot run, so it does not count."""
    return dict(_rows_of_proc() if _LINUX else _rows_of_ps())


def _rows_of_proc() -> Iterator[tuple[int, ProcessRow]]:
    page = os.sysconf("SC_PAGE_SIZE")
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        # The process may have ended, or this user may not see it.
        with contextlib.suppress(OSError), (entry / "stat").open("rb") as file:
            stat = file.read()
            # The program's name is in parentheses, and may contain parentheses and spaces (proc(5)).
            fields = stat[stat.rindex(b")") + 2 :].split()
            if fields[0] not in {b"Z", b"X"}:
                yield int(entry.name), ProcessRow(int(fields[1]), int(fields[2]), int(fields[21]) * page)


def _rows_of_ps() -> Iterator[tuple[int, ProcessRow]]:
    argv = [*_PS, "pid=,ppid=,pgid=,rss=,stat=", "-A"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as ps:
        output = ps.communicate()[0]
    for line in output.splitlines():
        pid, parent, group, kilobytes, state = line.split()[:5]
        if int(pid) != ps.pid and not state.startswith("Z"):
            yield int(pid), ProcessRow(int(parent), int(group), int(kilobytes) * 1024)


def descendants(table: Mapping[int, ProcessRow], ancestor: int) -> set[int]:
    """Return the processes that `ancestor` started, and those that they started in turn."""
    children: dict[int, list[int]] = {}
    for pid, row in table.items():
        children.setdefault(row.parent, []).append(pid)
    found: set[int] = set()
    waiting = children.get(ancestor, [])
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting.extend(children.get(pid, []))
    return found


def children_of(pid: int) -> set[int]:
    """Return the children of a process, read in one piece. Empty if the kernel does not list them (proc(5))."""
    try:
        return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()))
    except OSError:
        return set()


def command_line(pid: int) -> str:
    """Return the command line of a process, or "" if the process has ended. Bytes that are not UTF-8 are escaped."""
    try:
        if _LINUX:
            argv = Path(f"/proc/{pid}/cmdline").read_bytes()
            return argv.replace(b"\0", b" ").decode("utf-8", "backslashreplace").strip()
        ps = subprocess.run([*_PS, "command=", "-p", str(pid)], capture_output=True, check=False)
        return ps.stdout.decode("utf-8", "backslashreplace").strip()
    except OSError:
        return ""
