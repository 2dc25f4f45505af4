"""The environment, the files and the confinement of a program under each condition."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from nox_pex.settings.smoke import BootCondition
from nox_pex.smoke.process.confinement import Confinement
from nox_pex.smoke.process.without_python import path_without_python
from nox_pex.system import files

NOBODY: Final = 65534
"""The id of the user and the group that have no rights, on every Linux system."""


_TMP: Final = Path("/tmp")  # noqa: S108  # private to a read-only boot


_TMP_BYTES: Final = 64 * 2**20


_UNPACKED: Final = 8
"""The factor by which a PEX grows at most when it unpacks itself below `/tmp`, including bytecode."""


_USER_VARIABLES: Final = frozenset({"HOME", "USER", "LOGNAME"})


_PYTHON_VARIABLES: Final = ("PEX_ROOT", "PYENV_")
"""The beginnings of variables that tell a PEX, or a shim of pyenv, where its files or its Python are."""


_BIN: Final = frozenset({"bin", "sbin", "shims"})
"""The names of directories that are inside the directory of an installation."""


def environment(condition: BootCondition, env: Mapping[str, str], *, scratch: Path) -> dict[str, str]:
    """Return `env`, a clean environment, with the changes of the condition.

    `scratch` is a directory for the links of a PATH without a Python. A scie keeps what it unpacks in its HOME, even if
    it has a fixed directory for that (`SCIE_BASE`, in a-scie/jump's `context.rs`).
    Raises `UnavailableError` if PATH cannot be freed of Pythons.
    """
    if condition == "scie":
        kept = {name: value for name, value in env.items() if not name.startswith(_PYTHON_VARIABLES)}
        path = path_without_python(env["PATH"], scratch / "path")
        return {**kept, "PATH": path, "SCIE_BASE": str(Path(env["HOME"]) / ".cache" / "nce")}
    if condition == "unprivileged":
        return {name: value for name, value in env.items() if name not in _USER_VARIABLES}
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
    """Return how a program is confined under a condition; None for `cold`, `warm`, `scie` and `container`.

    `root` is the directory with all files of the program. `writable` is a directory to which a read-only boot may
    write, in addition to its `/tmp`. `size` is the size of the binary in bytes. `join` is the process id of a running
    program whose network or file systems the program shares.
    """
    if condition == "cold" or condition == "warm" or condition == "scie" or condition == "container":  # noqa: PLR1714  # mypy does not narrow `in`
        return None
    return Confinement(
        kind=condition,
        user=NOBODY,
        tmp_bytes=_TMP_BYTES + _UNPACKED * size,
        visible=tuple(sorted({str(root), *map(str, interpreter_directories(executable, env))})),
        writable=() if writable is None else (str(writable),),
        join=join,
    )


def give_access(condition: BootCondition, *, root: Path, tmp: Path, pex_root: Path, run: Path) -> None:
    """Let other users enter the directory `root`, read `run` and `pex_root`, and write to `tmp`, as to `/tmp`.

    A server that root starts may give up its rights (`gunicorn --user www-data`). An unprivileged boot has no rights to
    give up: its user owns `tmp` and `pex_root`. If this process does not run as root, this function does nothing,
    because the file system then sees each program as this user.
    """
    if os.geteuid() != 0:
        return
    for path, mode in ((root, 0o711), (tmp, 0o1777), (pex_root.parent, 0o755), (pex_root, 0o755)):
        _set_mode(path, mode)
    for path in _walk(run):
        _let_others_read(path)
    # If root may not change owners, in a container or a user namespace, it cannot switch users either.
    with contextlib.suppress(OSError):
        for directory in (pex_root, tmp) if condition == "unprivileged" else ():
            for path in _walk(directory):
                os.lchown(path, NOBODY, NOBODY)


def interpreter_directories(executable: Path, env: Mapping[str, str]) -> set[Path]:
    """Return the existing directories of the installations from which the program may take its interpreter."""
    entries = [Path(entry) for entry in env.get("PATH", "").split(os.pathsep) if entry]
    pythons = [python for entry in entries for python in _listed(entry, "python")]
    interpreter = _interpreter(executable)
    if interpreter is not None:
        pythons.append(interpreter)
    found = {_installation(entry) for entry in entries}
    found |= {_installation(link.parent) for python in pythons for link in _links(python)}
    found |= {Path(env[name]) for name in ("PYENV_ROOT",) if name in env}
    return {path for path in found if os.path.isdir(path)}  # noqa: PTH112  # pathlib raises without permission


def _interpreter(executable: Path) -> Path | None:
    """Return the interpreter that the first line of a script names, if it names one."""
    try:
        with executable.open("rb") as file:
            shebang = os.fsdecode(file.readline(256)).split()
    except OSError:
        return None
    return Path(shebang[0][2:]) if shebang and shebang[0].startswith("#!/") else None


def _installation(directory: Path) -> Path:
    """Return the directory above a `bin`, because it also contains the interpreter's library.

    Return the `bin` itself if the directory above contains `/tmp`, or if other users may not enter it.
    """
    above = directory.parent
    if directory.name not in _BIN or _TMP.is_relative_to(above):
        return directory
    try:
        private = not above.stat().st_mode & stat.S_IXOTH
    except OSError:
        return directory
    return directory if private else above


def _links(path: Path) -> Iterator[Path]:
    """Yield a file and, if it is a symbolic link, each file to which the links lead."""
    with contextlib.suppress(OSError, RuntimeError):  # a loop, or a directory that this user may not read
        for _ in range(40):  # the kernel follows as many (path_resolution(7))
            yield path
            if not path.is_symlink():
                break
            path = path.parent / path.readlink()
        yield path.resolve()


def _listed(directory: Path, prefix: str) -> list[Path]:
    try:
        return [directory / name for name in os.listdir(directory) if name.startswith(prefix)]  # noqa: PTH208  # /usr/bin is large
    except OSError:
        return []


def _walk(path: Path) -> Iterator[Path]:
    """Yield `path`, and everything below it if it is a directory, and not a link to one."""
    yield path
    if not path.is_symlink():
        yield from files.paths(path)


def _set_mode(directory: Path, mode: int) -> None:
    """Change the mode of a directory. Raises `OSError` if it is a link: a program may have put it there."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _let_others_read(path: Path) -> None:
    """Give all users the owner's rights to read and enter."""
    if not path.is_symlink():
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | (mode & 0o500) >> 6)
