"""Freshly installed tools for `verify`: Poetry, pex and build backends.

The tools that build a binary are shared by all projects. If somebody changed one of them, it would build the same wrong
binary again. So the gates use others, which are downloaded for them and removed afterwards.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from nox_pex.system import files, locks, os_errors, plain_paths
from nox_pex.system.command import Clock
from nox_pex.tools import cache
from nox_pex.tools.provision import Provisioner

_PREFIX: Final = "nox-pex-tools-"


_VIRTUALENV: Final = ("VIRTUALENV_APP_DATA", "VIRTUALENV_OVERRIDE_APP_DATA")
"""The variables that choose the directory of virtualenv's own cache: unpacked wheels of pip, and facts of Pythons."""


_SMALL: Final = ("poetry", "pex")
"""The tools whose size is known: 100 MB with uv's downloads. A build backend may require anything."""


_ROOM: Final = 1 << 30
"""Bytes that have to be free in a directory in memory for these."""


class _FreshCaches(cache.Caches, frozen=True, kw_only=True, dict=True):
    """The user's caches, but with the tools in directories that begin empty: those of `_SMALL` in `small`."""

    fresh: Path
    small: Path

    @property
    def tools(self) -> Path:
        return self.fresh

    def home_of(self, tool: str) -> Path:
        return self.small if tool in _SMALL else self.fresh


@contextlib.contextmanager
def fresh_tools(provisioner: Provisioner, *, fallbacks: Sequence[Path]) -> Iterator[Provisioner]:
    """Yield `provisioner` with empty directories of tools, without the caches of uv, pip and virtualenv.

    If there is a directory in memory, Poetry and pex are installed there: thousands of small files are written, and
    removed again.

    A tool is installed when it is first needed, and removed after the block. The user then sees one line with the
    seconds that each took. `fallbacks` are directories for the tools if no temporary directory can hold programs.
    Raises `NoxPexError`: `usage` if there is no such directory, `disk-full` if it cannot be written to.
    """
    clock = Clock(seconds={})
    with contextlib.ExitStack() as stack:
        with os_errors.writing("freshly installed tools", place=Path(tempfile.gettempdir())):
            directory = stack.enter_context(own_directory(_PREFIX, fallbacks=fallbacks))
            small = stack.enter_context(memory_directory(_PREFIX, _ROOM)) or directory
        caches = _FreshCaches(chosen=provisioner.caches.root, fresh=directory, small=small)
        own = dict.fromkeys(_VIRTUALENV, str(directory / "virtualenv"))
        shell = replace(provisioner.shell, environ={**provisioner.shell.environ, **own})
        try:
            yield replace(provisioner, shell=shell, caches=caches, fresh=clock)
        finally:
            if clock.seconds:
                each = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in sorted(clock.seconds.items()))
                provisioner.shell.say(f"verify: tools installed again, at the same time as other work: {each}")


@contextlib.contextmanager
def own_directory(prefix: str, *, fallbacks: Sequence[Path]) -> Iterator[Path]:
    """Yield a new directory with a plain path, in which programs can be run. It is removed after the block.

    `prefix` begins its name. What killed runs left there is removed first. `fallbacks` are as for `fresh_tools`, and so
    are the errors.
    """
    with _directory_in(plain_paths.plain_parent(*fallbacks), prefix) as directory:
        yield directory


@contextlib.contextmanager
def memory_directory(prefix: str, room: int | None) -> Iterator[Path | None]:
    """Yield a new directory in memory with `room` bytes free. It is removed after the block, as from `own_directory`.

    Yield None if there is no such directory, or if `room` is None.
    """
    memory = plain_paths.memory_parent(room) if room is not None else None
    if memory is None:
        yield None
        return
    with _directory_in(memory, prefix) as directory:
        yield directory


@contextlib.contextmanager
def _directory_in(parent: Path, prefix: str) -> Iterator[Path]:
    locks.remove_abandoned(parent, prefix)
    with locks.locked_tempdir(parent, prefix) as directory:
        try:
            yield directory
        finally:
            files.remove(directory)
