"""Questions to the user's Git. No other module asks it."""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from nox_pex.errors import NoxPexError
from nox_pex.system.command import Question
from nox_pex.system.environ import tool_environ
from nox_pex.system.lazy import pattern

_LOCAL: Final = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE"),
    *("GIT_NO_REPLACE_OBJECTS", "GIT_REPLACE_REF_BASE", "GIT_CONFIG", "GIT_INTERNAL_SUPER_PREFIX"),
)
"""Variables that belong to one repository (`git rev-parse --local-env-vars`); Git sets some of them for a hook.

With them, Git would not look in the project's directory. `GIT_CONFIG_COUNT` and `GIT_CONFIG_PARAMETERS` stay, as Git
itself keeps them for a submodule: CI systems set `safe.directory` by them.
"""


_TRUST: Final = pattern(r"^\s*(git config --global --add safe\.directory .+)$", re.MULTILINE)
"""Matches the command that Git prints if a directory belongs to another user."""


_READ_BY_GIT: Final = (
    ".git",
    ".git/HEAD",
    ".git/config",
    ".git/index",
    ".git/info/exclude",
    ".gitignore",
    ".gitattributes",
)
"""Files in a directory that Git reads, and waits for their end even if they are FIFOs or devices."""


_LONGEST: Final = 300.0
"""Seconds until Git must have answered."""


_FATAL: Final = pattern(r"^(?:fatal|error): (.+)$", re.MULTILINE)


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

    Every answer is None if there is no Git, no repository, or Git refuses. Only `files`, which decides what ships,
    raises an error if there is a repository and Git does not answer.
    """

    root: Path
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def ask(self, *arguments: str) -> str | None:
        """Return the output of `git ARGUMENTS`, without the newlines at its end."""
        output = self._ask(arguments)()
        return None if output is None else os.fsdecode(output).rstrip("\n")

    def files(self) -> list[str] | None:
        """Return the files that Git would commit, as paths from `root`: tracked, or neither tracked nor ignored.

        A submodule is one path, and another repository a path with a final slash. None if there is no `.git` in `root`
        or above it, and if there are no such files: a project that Git ignores entirely is not in its repository.
        Raises `NoxPexError` `git` if there is a `.git`, and Git refuses or is not installed.
        """
        repository = self._repository()
        if repository is None:
            return None
        arguments = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--no-recurse-submodules")
        if odd := self._endless():
            problem = f"{odd} is neither a file nor a directory, and Git would wait for its end"
            raise NoxPexError("git", problem, "remove it")
        try:
            completed = self._question(arguments, LC_ALL="C").answer(timeout=_LONGEST)
        except TimeoutError:
            problem = f"Git has not listed the files of {self.root} for {_LONGEST:.0f} s"
            remedy = f"make `git -C {shlex.quote(str(self.root))} status` work: a FIFO in the place of a file stops it"
            raise NoxPexError("git", problem, remedy) from None
        except OSError:
            problem = f"{repository} exists, but Git is not installed, so it is unknown which files Git ignores"
            remedy = f"install Git, or remove {repository} from this copy, so that the .gitignore files count"
            raise NoxPexError("git", problem, remedy) from None
        if completed.returncode != 0:
            raise _refusal(self.root, repository, completed.stderr.decode("utf-8", "replace"))
        return [os.fsdecode(name) for name in completed.stdout.split(b"\0") if name] or None

    def top(self) -> Path | None:
        """Return the top directory of the work tree that holds `root`."""
        top = self.ask("rev-parse", "--show-toplevel")
        return Path(top) if top and self.root.is_relative_to(top) else None

    def directory(self) -> str | None:
        """Return the absolute path of the repository's directory (`.git`)."""
        return self.ask("rev-parse", "--absolute-git-dir")

    def common_directory(self) -> Path | None:
        """Return the directory of the repository itself; of a linked work tree, it is not `directory`."""
        found = self.ask("rev-parse", "--git-common-dir")
        return Path(self.root, found).resolve() if found else None

    def status(self, paths: Iterable[str]) -> Status | None:
        """Return the status of `paths`; `root` is the top directory of a work tree, and `paths` are relative to it.

        The answer does not depend on the user's configuration, which can hide untracked files or submodules.
        """
        return self.ask_status(paths)()

    def ask_status(self, paths: Iterable[str]) -> Callable[[], Status | None]:
        """Begin to ask for the `status` of `paths`. Return a function that waits for the answer and returns it."""
        output = self._ask(("--literal-pathspecs", *_STATUS, "--", *paths))

        def status() -> Status | None:
            found = output()
            return None if found is None else _parse_status(found)

        return status

    def _repository(self) -> Path | None:
        """Return the `.git` in `root`, or in the nearest directory above it; None if there is none."""
        candidates = (directory / ".git" for directory in (self.root, *self.root.parents))
        return next((path for path in candidates if os.path.lexists(path)), None)

    def _endless(self) -> Path | None:
        """Return what Git would read without an end, in `root` or a directory above it; None if there is nothing."""
        above = (f"{directory}/{name}" for directory in (self.root, *self.root.parents) for name in _READ_BY_GIT)
        return next((Path(path) for path in above if _is_endless(path)), None)

    def _ask(self, arguments: tuple[str, ...]) -> Callable[[], bytes | None]:
        """Start Git. Return a function that waits for its end and returns its standard output; None if it fails."""
        try:
            question = None if self._endless() else self._question(arguments)
        except OSError:
            question = None

        def output() -> bytes | None:
            if question is None:
                return None
            try:
                completed = question.answer(timeout=_LONGEST)
            except OSError:
                return None
            return completed.stdout if completed.returncode == 0 else None

        return output

    def _question(self, arguments: tuple[str, ...], **variables: str) -> Question:
        """Start Git. Raises `OSError` if it is not installed."""
        environ = {name: value for name, value in tool_environ(self.environ).items() if name not in _LOCAL}
        environ = {**environ, "GIT_OPTIONAL_LOCKS": "0", **variables}
        return Question(["git", *arguments], cwd=self.root, env=environ)


def _is_endless(path: str) -> bool:
    """Whether `path` is a FIFO or a device. Most of the paths do not exist."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  # called for all files of all directories above
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _refusal(root: Path, repository: Path, stderr: str) -> NoxPexError:
    """Return the error `git` with Git's own reason, the first `fatal:` line of its `stderr`."""
    fatal = _FATAL.search(stderr)
    reason = fatal[1] if fatal else stderr.strip() or "no reason given"
    problem = f"Git refuses to list the files of {root}, so it is unknown which of them it ignores: {reason}"
    if trust := _TRUST.search(stderr):
        return NoxPexError("git", problem, f"if you trust it, run `{trust[1].strip()}`")
    remedy = f"make `git -C {shlex.quote(str(root))} status` work, or remove {repository} if this is no checkout"
    return NoxPexError("git", problem, remedy)


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
