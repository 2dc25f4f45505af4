"""What each condition takes from a program, and what it leaves to it."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from nox_pex.settings.smoke import BootCondition
from nox_pex.smoke.process.program import Confinement

NOBODY: Final = 65534
"""The user, and the group, that has no right to anything on any Linux."""


_TMP: Final = Path("/tmp")  # noqa: S108  # the small one of a read-only boot, which is its own


_TMP_BYTES: Final = 64 * 2**20


_UNPACKED: Final = 8
"""A PEX unpacks itself below `/tmp` in a read-only boot: to so many times its size at most, bytecode included."""


_OF_THE_USER: Final = frozenset({"HOME", "USER", "LOGNAME"})


_BIN: Final = frozenset({"bin", "sbin", "shims"})


def environment(condition: BootCondition, env: Mapping[str, str]) -> dict[str, str]:
    """A scrubbed environment as the condition has it."""
    if condition == "unprivileged":
        return {name: value for name, value in env.items() if name not in _OF_THE_USER}
    if condition == "read-only":
        return {**env, "PEX_ROOT": str(_TMP / "pex_root"), "TMPDIR": str(_TMP)}
    return dict(env)


def confinement(
    condition: BootCondition,
    *,
    executable: Path,
    env: Mapping[str, str],
    root: Path,
    writable: Path | None,
    size: int,
    join: int | None,
) -> Confinement | None:
    """How a program is confined under a condition; None for `cold` and `warm`, and in a container.

    `root` is the directory with all that belongs to the program. `writable` is what a read-only boot may write to
    beside its `/tmp`. `size` is that of the binary, in bytes. `join` is the process id of the program beside which it
    runs.
    """
    if condition == "cold" or condition == "warm" or condition == "container":  # noqa: PLR1714  # for mypy alone
        return None
    return Confinement(
        kind=condition,
        user=NOBODY,
        tmp_bytes=_TMP_BYTES + _UNPACKED * size,
        kept=tuple(sorted({str(root), *map(str, interpreters(executable, env))})),
        writable=() if writable is None else (str(writable),),
        join=join,
    )


def hand_over(condition: BootCondition, *, root: Path, owned: tuple[Path, ...], readable: Path) -> None:
    """Lets the user of an unprivileged boot into the directory `root`, read `readable`, and own what is `owned`.

    Only root can, and only where it can is the program another user to the file system.
    """
    if condition != "unprivileged" or os.geteuid() != 0:
        return
    root.chmod(0o711)
    for path in _all_below(readable):
        _let_others_read(path)
    # A root without that right, in a container or a user namespace, will not become another user either.
    with contextlib.suppress(OSError):
        for directory in owned:
            for path in _all_below(directory):
                os.lchown(path, NOBODY, NOBODY)


def interpreters(executable: Path, env: Mapping[str, str]) -> set[Path]:
    """The directories of the installations that the program may take its interpreter from: those that there are."""
    entries = [Path(entry) for entry in env.get("PATH", "").split(os.pathsep) if entry]
    pythons = [python for entry in entries for python in _listed(entry, "python")]
    interpreter = _interpreter(executable)
    if interpreter is not None:
        pythons.append(interpreter)
    found = {_installation(entry) for entry in entries}
    found |= {_installation(hop.parent) for python in pythons for hop in _hops(python)}
    found |= {Path(env[name]) for name in ("PYENV_ROOT",) if name in env}
    # os.path, since pathlib raises where this user may not look.
    return {path for path in found if os.path.isdir(path)}  # noqa: PTH112


def _interpreter(executable: Path) -> Path | None:
    """What the first line of a script names, if it names anything."""
    try:
        with executable.open("rb") as file:
            words = os.fsdecode(file.readline(256)).split()
    except OSError:
        return None
    return Path(words[0][2:]) if words and words[0].startswith("#!/") else None


def _installation(directory: Path) -> Path:
    """The directory above a `bin`, since an interpreter's library is there, unless that is half the machine."""
    above = directory.parent
    if directory.name not in _BIN or _TMP.is_relative_to(above):
        return directory
    try:
        private = not above.stat().st_mode & stat.S_IXOTH
    except OSError:
        return directory
    return directory if private else above


def _hops(path: Path) -> Iterator[Path]:
    """A file, and each that a symbolic link leads on to: none may be missing on the way."""
    with contextlib.suppress(OSError, RuntimeError):  # a loop, or a place where this user may not look
        for _ in range(40):  # as many as the kernel follows
            yield path
            if not path.is_symlink():
                break
            path = path.parent / path.readlink()
        yield path.resolve()


def _listed(directory: Path, prefix: str) -> list[Path]:
    try:
        return [directory / name for name in os.listdir(directory) if name.startswith(prefix)]  # noqa: PTH208  # large
    except OSError:
        return []


def _all_below(path: Path) -> Iterator[Path]:
    yield path
    for parent, directories, files in os.walk(path):
        yield from (Path(parent, name) for name in (*directories, *files))


def _let_others_read(path: Path) -> None:
    if not path.is_symlink():
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | (mode & 0o500) >> 6)
