"""Write `poetry.lock`: Poetry resolves what `pyproject.toml` asks for."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from nox_pex.distributions.environment import Environment
from nox_pex.errors import NoxPexError
from nox_pex.poetry import failures, lock
from nox_pex.poetry.cli import poetry_argv, poetry_environ
from nox_pex.poetry.lock import Lock
from nox_pex.project.pyproject import Project
from nox_pex.system import files, locks
from nox_pex.system.command import Outcome
from nox_pex.tools import pinned
from nox_pex.tools.pinned import Poetry
from nox_pex.tools.provision import Provisioner

_SCRIPT: Final = Path(__file__).with_name("lock_script.py")


class Change(Struct, frozen=True, kw_only=True):
    """A package of which the lock now has other versions: those before, and those now, each maybe none."""

    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    def __str__(self) -> str:
        """The change in words: `flask 3.1.2 -> 3.1.3`, `idna 3.11 added`, `six 1.17.0 removed`."""
        before, after = ", ".join(self.before), ", ".join(self.after)
        if before and after:
            return f"{self.name} {before} -> {after}"
        return f"{self.name} {after} added" if after else f"{self.name} {before} removed"


class Written(Struct, frozen=True, kw_only=True):
    """The lock that Poetry wrote, and the changes in it.

    `is_new`: there was none that could be read. `is_same`: it is the same file as before.
    """

    lock: Lock
    is_new: bool
    is_same: bool
    changes: tuple[Change, ...]


class Locker(Struct, frozen=True, kw_only=True):
    """Writes the lock of `project`. `poetry_version` replaces the pinned version if it is not None.

    `kept` is a file in which the lock of before is kept while Poetry works.
    """

    project: Project
    provisioner: Provisioner
    poetry_version: str | None
    kept: Path

    def write(self, *, regenerate: bool, lock_fd: int) -> Written:
        """Make Poetry write the lock. It keeps the locked versions that `pyproject.toml` allows, unless `regenerate`.

        `lock_fd` is the descriptor of a lock that Poetry inherits, so that the lock is held until Poetry ends even if
        this process is killed. If Poetry fails or is interrupted, `poetry.lock` is as it was. Raises `NoxPexError`:
        `lock-failed`, `config`, `poetry-version`, `tool-install`, `git`, or a code of the package index.
        """
        self._restore_interrupted()
        path, shell = self.project.lock, self.provisioner.shell
        before = _content_or_none(path)
        known = _versions(before, path)
        if before is not None and known is None and not regenerate:
            lock.parse(path, before)  # raises: Poetry could not keep its versions
        poetry = pinned.provide_poetry(self.provisioner, self.poetry_version)
        _require_known_dependencies(poetry, self.project)
        shell.say(f"lock: Poetry {poetry.version} resolves the dependencies of {self.project.file.name}")
        done = False
        try:
            if before is not None:
                self._keep(before)
                if known is None:
                    self._target.unlink()  # even to replace it, Poetry reads it
            outcome = self._run(poetry, regenerate=regenerate, lock_fd=lock_fd)
            if outcome.status != 0:
                raise failures.lock_failure(outcome, self.project)
            written = lock.read(path)
            done = True
        finally:
            self._let_go(before, done=done)
        return Written(
            lock=written,
            is_new=known is None,
            is_same=before is not None and written.digest == hashlib.sha256(before).hexdigest(),
            changes=tuple(_changes(known or {}, _by_package(written))),
        )

    def _run(self, poetry: Poetry, *, regenerate: bool, lock_fd: int) -> Outcome:
        shell, root = self.provisioner.shell, self.project.root
        with locks.scratch("nox-pex-lock-") as scratch:
            (environments := scratch / "environments").mkdir()
            (environment := scratch / "environment").mkdir()
            environ = poetry_environ(
                shell.environ, environment=Environment(path=environment), environments=environments, project=root
            )
            argv = poetry_argv(poetry, str(_SCRIPT), str(environment), *_command(poetry, regenerate=regenerate))
            return shell.run(argv, what="lock: Poetry", env=environ, cwd=root, hold=(lock_fd,))

    @property
    def _target(self) -> Path:
        """The file that Poetry writes: if `poetry.lock` is a link, what it leads to, even if that does not exist."""
        return Path(os.path.realpath(self.project.lock))

    def _keep(self, content: bytes) -> None:
        """Write the `content` of the lock to `kept`, which nobody else may read if that holds for the lock."""
        self.kept.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        files.write_bytes(self.kept, content)
        shutil.copymode(self._target, self.kept)

    def _let_go(self, before: bytes | None, *, done: bool) -> None:
        """Remove the copy. If Poetry is not `done`, put it back first, if the lock is not what it was."""
        if not done and before is None:
            self._target.unlink(missing_ok=True)
        elif not done and before is not None and _content(self.project.lock) != before:
            self._put_back(before)
        self.kept.unlink(missing_ok=True)

    def _put_back(self, content: bytes) -> None:
        """Put `kept` back. That needs no room on the disk, if both are on the same one."""
        try:
            self.kept.replace(self._target)
        except OSError:
            files.write_bytes(self._target, content)

    def _restore_interrupted(self) -> None:
        """Put the lock of before back, if a run was killed while Poetry wrote the file, and left half of it."""
        content = _content(self.kept)
        if content is None:
            return
        if not _is_whole(self.project.lock):
            self._put_back(content)
            self.provisioner.shell.say("lock: restored the file that an interrupted run damaged")
        self.kept.unlink(missing_ok=True)


def _require_known_dependencies(poetry: Poetry, project: Project) -> None:
    """Raise `NoxPexError` `poetry-version` if Poetry 1 would lock nothing, because it does not read `[project]`."""
    named = project.document.get("tool", {}).get("poetry", {}).get("dependencies", {})
    if poetry.version.startswith("1.") and project.document.get("project", {}).get("dependencies") and not named:
        problem = (
            f"{project.file}: Poetry {poetry.version} does not read `project.dependencies`, and would lock nothing"
        )
        remedy = "set tool.nox-pex.poetry-version to a version of Poetry 2, or use [tool.poetry.dependencies]"
        raise NoxPexError("poetry-version", problem, remedy)


def _is_whole(path: Path) -> bool:
    """Whether a lock can be read to its end, where Poetry writes the digest of the dependencies."""
    try:
        return bool(lock.read(path)) and b"\ncontent-hash = " in files.read_bytes(path)
    except (NoxPexError, OSError):
        return False


def _command(poetry: Poetry, *, regenerate: bool) -> list[str]:
    """Return the arguments of Poetry. Poetry 1 updates all versions unless it is told not to; Poetry 2 keeps them."""
    if poetry.version.startswith("1."):
        flags = [] if regenerate else ["--no-update"]
    else:
        flags = ["--regenerate"] if regenerate else []
    return ["lock", *flags, "--no-interaction", "--no-ansi"]


def _content_or_none(path: Path) -> bytes | None:
    """Return what is in a file; None if it does not exist. Raises `OSError` if it cannot be read."""
    try:
        return files.read_bytes(path)
    except FileNotFoundError:
        return None


def _content(path: Path) -> bytes | None:
    try:
        return files.read_bytes(path)
    except OSError:
        return None


def _versions(content: bytes | None, path: Path) -> Mapping[str, tuple[str, ...]] | None:
    """Return the versions in a lock by package; None if there is none, or if it cannot be read."""
    if content is None:
        return None
    try:
        return _by_package(lock.parse(path, content))
    except NoxPexError:
        return None


def _by_package(locked: Lock) -> Mapping[str, tuple[str, ...]]:
    """Return the versions of each package, sorted."""
    found: dict[str, set[str]] = {}
    for each in locked.packages:
        found.setdefault(each.name, set()).add(each.version)
    return {name: tuple(sorted(versions)) for name, versions in found.items()}


def _changes(before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]]) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        old, new = before.get(name, ()), after.get(name, ())
        if old != new:
            yield Change(name=name, before=old, after=new)
