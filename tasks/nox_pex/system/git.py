"""Questions to the user's Git. No other module asks it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from nox_pex.system.command import capture
from nox_pex.system.environ import tool_environ

_LOCAL: Final = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
"""Variables that Git sets for a hook (githooks(5)). With them, Git would not look in the project's directory."""


_STATUS: Final = (
    "status",
    "--porcelain=v2",
    "--branch",
    "-z",
    "--untracked-files=all",
    "--ignored=matching",
    "--ignore-submodules=none",
    "--no-ahead-behind",
    "--no-renames",
)


_FIELDS: Final = {b"1": 8, b"u": 10, b"?": 1, b"!": 1}
"""The number of fields before the path in an entry of each kind (git-status(1), "Porcelain Format Version 2")."""


class Status(Struct, frozen=True, kw_only=True):
    """The differences between a work tree and the commit that is checked out.

    `commit` is the full name of that commit; None in a repository without a commit. The other fields are paths from the
    top of the work tree: tracked files that differ, new files that Git does not ignore, and files and directories that
    it ignores. The path of a directory ends with a slash: one that is ignored, or another repository.
    """

    commit: str | None
    changed: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


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

    def status(self, paths: Iterable[str]) -> Status | None:
        """Return the status of `paths`; `root` is the top directory of a work tree, and `paths` are relative to it.

        The answer does not depend on the user's configuration, which can hide untracked files or submodules.
        """
        output = self._output(("--literal-pathspecs", *_STATUS, "--", *paths))
        return None if output is None else _parse_status(output)

    def _output(self, arguments: tuple[str, ...]) -> bytes | None:
        environ = {name: value for name, value in tool_environ(self.environ).items() if name not in _LOCAL}
        try:
            completed = capture(["git", *arguments], cwd=self.root, env={**environ, "GIT_OPTIONAL_LOCKS": "0"})
        except OSError:
            return None
        return completed.stdout if completed.returncode == 0 else None


def _parse_status(output: bytes) -> Status:
    commit = None
    paths: dict[bytes, list[str]] = {kind: [] for kind in _FIELDS}
    for entry in output.split(b"\0"):
        kind = entry[:1]
        if entry.startswith(b"# branch.oid ") and not entry.endswith(b"(initial)"):
            commit = entry.rpartition(b" ")[2].decode()
        elif kind in paths:
            paths[kind].append(os.fsdecode(entry.split(b" ", _FIELDS[kind])[-1]))
    return Status(
        commit=commit,
        changed=(*paths[b"1"], *paths[b"u"]),
        untracked=tuple(paths[b"?"]),
        ignored=tuple(paths[b"!"]),
    )
