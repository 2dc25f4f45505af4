"""The temporary directory of one smoke test: outside the project, and gone afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nox_pex.errors import NoxPexError
from nox_pex.smoke.process.interrupts import Held
from nox_pex.system import files, locks

_PREFIX: Final = "nox-pex-run-"
"""Of directories that nobody needs once the process that claims them is gone."""


_KEPT: Final = "nox-pex-kept-"


@dataclass(frozen=True, kw_only=True)
class State:
    """What a boot starts from: its `home` and `pex_root`, and the copy of the binary in an empty directory `run`."""

    run: Path
    home: Path
    pex_root: Path
    executable: Path


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """`root` holds it all; `tmp` is what the token `{tmp}` stands for, and the program's TMPDIR."""

    root: Path
    tmp: Path
    binary: Path

    def state(self, name: str) -> State:
        """The state of that name: made at the first call, and afterwards as the last boot left it."""
        base = self.root / name
        state = State(
            run=base / "run",
            home=base / "home",
            pex_root=base / "pex_root",
            executable=_executable(base / "run" / self.binary.name, self.binary),
        )
        if not base.exists():
            for directory in (state.run, state.home, state.pex_root):
                directory.mkdir(parents=True)
            if self.binary.is_dir():
                shutil.copytree(self.binary, state.run / self.binary.name, symlinks=True)
            else:
                shutil.copy2(self.binary, state.run / self.binary.name)
        return state


@contextlib.contextmanager
def workspace(
    binary: Path, *, project: Path | None = None, keep: bool = False, held: Held = contextlib.nullcontext
) -> Iterator[Workspace]:
    """A new workspace outside `project`, removed at the end, also on Ctrl-C, unless `keep` says otherwise."""
    parent = Path(_outside(project) or tempfile.gettempdir()).resolve()
    locks.remove_abandoned(parent, _PREFIX)
    root: Path | None = None
    with contextlib.ExitStack() as claim:
        try:
            with held():
                root = claim.enter_context(locks.locked_tempdir(parent, _KEPT if keep else _PREFIX))
            tmp = root / "tmp"
            tmp.mkdir()
            yield Workspace(root=root, tmp=tmp, binary=binary)
        finally:
            if root is not None and not keep:
                with held():
                    files.remove(root)


def present(binary: Path) -> Path:
    """`binary` as an absolute path. Raises `NoxPexError` with `launch-failed` when it is not there."""
    if not binary.exists():
        problem = f"{binary} is not there"
        raise NoxPexError("launch-failed", problem, "build it with `nox -s pex`, or give the path of one")
    return binary.absolute()


def weight(binary: Path) -> int:
    """Bytes of a file, or of all files in a directory."""
    if not binary.is_dir():
        return binary.stat().st_size
    return sum(path.lstat().st_size for path in binary.rglob("*") if not path.is_dir())


def _outside(project: Path | None) -> str | None:
    """The parent of temporary directories: the usual one, unless that is within the project."""
    if project is None:
        return None
    for candidate in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108  # mkdtemp makes a private one in it
        if not Path(candidate).resolve().is_relative_to(project.resolve()) and os.access(candidate, os.W_OK):
            return candidate
    problem = f"every temporary directory is within the project {project}"
    raise NoxPexError("launch-failed", problem, "set TMPDIR to a directory outside it")


def _executable(copy: Path, binary: Path) -> Path:
    """What is started: the file, or the entry of a packed or loose layout."""
    return copy / "__main__.py" if binary.is_dir() else copy
