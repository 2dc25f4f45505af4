"""The variables with the signing key: taken out of the environment before the first child process is started.

Every child process inherits the environment, and may be code of the project: a build backend, a command of a smoke
test, the program under test. Fact source: proc(5), `/proc/pid/environ`, which shows the environment as it was when the
process began, and "/proc/pid/stat", fields 50 and 51.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, MutableMapping, Sequence
from pathlib import Path
from typing import Final

KEY: Final = "NOX_PEX_SIGNING_KEY"


PASSPHRASE: Final = "NOX_PEX_SIGNING_PASSPHRASE"  # noqa: S105  # the name of a variable


WITHHELD: Final = "NOX_PEX_SIGNING_WITHHELD"
"""The variable that tells a child process of Nox (`--parallel`) that there is a key, which it does not get.

Its value is `ASKED_FOR` if the command line names a session that signs, because such a process sees one session only.
"""


ASKED_FOR: Final = "asked for"


_VALUES: Final[dict[str, str]] = {}
"""The values, which only this process has."""


def withhold(environ: MutableMapping[str, str] = os.environ) -> None:
    """Move the key and its passphrase from `environ` to the memory of this process.

    On Linux, they are also overwritten in the block of memory that `/proc` shows to other processes of the user.
    """
    for name in (KEY, PASSPHRASE):
        if (value := environ.pop(name, None)) is not None:
            _VALUES[name] = value
            if name == KEY and value:
                environ[WITHHELD] = "1"
            _overwrite(f"{name}=".encode())


def note_signing(
    names: Collection[str], *, argv: Sequence[str], environ: MutableMapping[str, str] = os.environ
) -> None:
    """Note in `environ` that `argv`, the command line of Nox, names one of `names`, the sessions that sign."""
    flags = argv[: argv.index("--")] if "--" in argv else argv
    if WITHHELD in environ and any(argument in names for argument in flags):
        environ[WITHHELD] = ASKED_FOR


def value(name: str) -> str | None:
    """Return the value of `KEY` or `PASSPHRASE` that was withheld; None if the variable was not set or is empty."""
    return _VALUES.get(name) or None


def values() -> tuple[str, ...]:
    """Return every value that was withheld, to mask it."""
    return tuple(_VALUES.values())


def _overwrite(prefix: bytes) -> None:
    """Overwrite the value of the variable that begins with `prefix` where the kernel keeps the first environment."""
    with contextlib.suppress(OSError, ValueError, IndexError, OverflowError):  # another system, or a stricter kernel
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        start, end = int(fields[47]), int(fields[48])  # fields 50 and 51; the second, before the ")", is cut off
        with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
            memory.seek(start)
            position = start
            for variable in memory.read(end - start).split(b"\0"):
                if variable.startswith(prefix):
                    memory.seek(position + len(prefix))
                    memory.write(b"*" * (len(variable) - len(prefix)))
                position += len(variable) + 1
