"""The temporary directory of one smoke test. It is outside the project, and removed afterwards."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from nox_pex.distributions import pex_file
from nox_pex.distributions.pex_file import PexError
from nox_pex.errors import NoxPexError
from nox_pex.system import files, locks, os_errors, plain_paths
from nox_pex.system.messages import Say

_PREFIX: Final = "nox-pex-run-"
"""The prefix of directories that are not needed after the process that has locked them has ended."""


_KEPT_PREFIX: Final = "nox-pex-kept-"
"""The prefix of directories that `--keep` keeps."""


PEX_ROOT: Final = "pex_root"
"""The directory of a state in which a PEX unpacks itself."""


class State(Struct, frozen=True, kw_only=True):
    """The directories that a boot finds as earlier boots left them: `home` and `pex_root`, in the directory `base`."""

    base: Path
    home: Path
    pex_root: Path


class Workspace(Struct, frozen=True, kw_only=True):
    """The temporary directory `root` of a smoke test, and in it the directories of the condition `number`."""

    root: Path
    binary: Path
    number: int = 0

    @property
    def tmp(self) -> Path:
        """The value of the token `{tmp}`, and the program's TMPDIR."""
        return self.root / f"tmp{self.number}"

    @property
    def run(self) -> Path:
        """The working directory of the program, with nothing but a copy of the binary."""
        return self.root / f"run{self.number}"

    @property
    def executable(self) -> Path:
        """The file that is started: the copy itself, or the `__main__.py` of a packed or loose layout."""
        copy = self.run / self.binary.name
        return copy / "__main__.py" if self.binary.is_dir() else copy

    def of_condition(self, number: int) -> Workspace:
        """Return the workspace of another condition. Its directories are created by `clear` and `state`."""
        return replace(self, number=number)

    def clear(self) -> None:
        """Empty the directories of this condition: programs of earlier ones may have put something there.

        Raises `NoxPexError`: `launch-failed` if one of them replaced `root`.
        """
        self._require_root()
        for directory in (self.tmp, self.run):
            files.remove(directory)
        _require_directory(self.tmp)

    def state(self, name: str) -> State:
        """Copy the binary, if this condition has no copy yet, and return the state `name`.

        The first call with a name creates it, later ones find it as the last boot left it. But if the program replaced
        one of the directories, by a link for example, it is created again: nox-pex changes nothing outside of `root`.
        Raises `NoxPexError`: `launch-failed` if the binary cannot be copied, or if the program replaced `root`,
        `disk-full`.
        """
        self._require_root()
        base = self.root / name
        state = State(base=base, home=base / "home", pex_root=base / PEX_ROOT)
        for directory in (self.tmp, state.base, state.home, state.pex_root):
            _require_directory(directory)
        if _require_directory(self.run):
            try:
                pex_file.copy(self.binary, self.run / self.binary.name)
            except PexError as error:
                raise _unusable(self.binary, error) from error
        return state

    def _require_root(self) -> None:
        if self.root.is_symlink() or not self.root.is_dir():
            problem = f"the program removed or replaced the directory {self.root}, in which it is tested"
            raise NoxPexError("launch-failed", problem, "make it leave the directories above its TMPDIR alone")


def _require_directory(path: Path) -> bool:
    """Replace what is at `path` by an empty directory, unless it is a directory. Return whether it was created."""
    if path.is_dir() and not path.is_symlink():
        return False
    files.remove(path)
    path.mkdir()
    return True


@contextlib.contextmanager
def open_workspace(
    binary: Path, *, say: Say = lambda _: None, project: Path | None = None, keep: bool = False
) -> Iterator[Workspace]:
    """Create a workspace for `binary` outside `project`. It is removed at the end, even after Ctrl-C, unless `keep`.

    If the program left something that cannot be removed, `say` is called with a line. That is no failure.
    """
    parent = _parent(project)
    locks.remove_abandoned(parent, _PREFIX)
    with locks.locked_tempdir(parent, _KEPT_PREFIX if keep else _PREFIX) as root:
        try:
            yield Workspace(root=root, binary=binary)
        finally:
            if not keep and (error := files.remove(root)) is not None:
                say(f"smoke: {root} cannot be removed completely: {os_errors.described(error)}")


def existing_binary(binary: Path) -> Path:
    """Return `binary` as an absolute path.

    Raises `NoxPexError`: `launch-failed` if it does not exist, or can be no program: a FIFO, an empty file.
    """
    try:
        pex_file.require_startable(binary)
    except PexError as error:
        if not binary.exists():
            problem = f"{binary} does not exist"
            remedy = "build it with `nox -s pex`, or give the path of another binary"
            raise NoxPexError("launch-failed", problem, remedy) from error
        raise _unusable(binary, error) from error
    return binary.absolute()


def _unusable(binary: Path, error: PexError) -> NoxPexError:
    remedy = "build it again with `nox -s pex`, or give the path of another binary"
    return NoxPexError("launch-failed", f"{binary} cannot be started: {error}", remedy)


def _parent(project: Path | None) -> Path:
    """Return a parent for temporary directories outside `project`, if possible one with a plain path.

    A PEX cannot start if there is a `:`, for example, in the path of its PEX_ROOT, or if that is on a file system that
    is mounted `noexec`.
    Raises `NoxPexError`: `launch-failed` if all candidates are in the project.
    """
    parents = [path.resolve() for path in plain_paths.temporary_parents() if os.access(path, os.W_OK)]
    if project is not None:
        parents = [path for path in parents if not path.is_relative_to(project.resolve())]
    if not parents:
        problem = f"every temporary directory is inside the project {project}"
        raise NoxPexError("launch-failed", problem, "set TMPDIR to a directory outside it")
    return min(parents, key=lambda path: (not plain_paths.allows_programs(path), not plain_paths.is_plain(path)))
