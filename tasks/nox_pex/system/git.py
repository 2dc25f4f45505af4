"""Questions to the user's Git. No other module asks it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from nox_pex.system.command import capture
from nox_pex.system.environ import tool_environ

_LOCAL: Final = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
"""Variables that Git sets for a hook (githooks(5)). With them, Git would not look in the project's directory."""


class Commit(Struct, frozen=True, kw_only=True):
    """The commit that is checked out, by its full name; `dirty` says whether the work tree differs from it."""

    commit: str
    dirty: bool


class Git(Struct, frozen=True, kw_only=True):
    """The user's Git, asked about the directory `root`. It never writes (`GIT_OPTIONAL_LOCKS`, git(1)).

    Every answer is None if there is no Git, no repository, or Git refuses.
    """

    root: Path
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def ask(self, *arguments: str) -> str | None:
        """Return the output of `git ARGUMENTS`, without the newlines at its end."""
        output = self._output(arguments)
        return None if output is None else os.fsdecode(output).rstrip("\n")

    def files(self) -> list[str] | None:
        """Return the files that Git would commit, as paths from `root`: tracked, or neither tracked nor ignored.

        None also if there is no such file: a project that Git ignores entirely is not in its repository.
        """
        output = self._output(("ls-files", "-z", "--cached", "--others", "--exclude-standard"))
        return [os.fsdecode(name) for name in output.split(b"\0") if name] if output else None

    def top(self) -> Path | None:
        """Return the top directory of the work tree that holds `root`."""
        top = self.ask("rev-parse", "--show-toplevel")
        return Path(top) if top and self.root.is_relative_to(top) else None

    def directory(self) -> str | None:
        """Return the absolute path of the repository's directory (`.git`)."""
        return self.ask("rev-parse", "--absolute-git-dir")

    def commit(self, *, without: Path) -> Commit | None:
        """Return the commit that `root` is at; changes in the directory `without` do not make it dirty."""
        head = self.ask("rev-parse", "HEAD")
        if head is None:
            return None
        return Commit(commit=head, dirty=bool(self.ask("status", "--porcelain", "--", ".", *self._except(without))))

    def _except(self, directory: Path) -> tuple[str, ...]:
        """Return the pathspec that excludes `directory` (gitglossary(7)); none if it is not inside `root`."""
        directory = Path(os.path.normpath(directory))
        inside = directory != self.root and directory.is_relative_to(self.root)
        return (f":(exclude,literal){directory.relative_to(self.root).as_posix()}",) if inside else ()

    def _output(self, arguments: tuple[str, ...]) -> bytes | None:
        environ = {name: value for name, value in tool_environ(self.environ).items() if name not in _LOCAL}
        try:
            completed = capture(["git", *arguments], cwd=self.root, env={**environ, "GIT_OPTIONAL_LOCKS": "0"})
        except OSError:
            return None
        return completed.stdout if completed.returncode == 0 else None
