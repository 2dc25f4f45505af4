"""The commit that the inputs of a binary are at, and whether that commit has all of them.

Fact sources: git-status(1), gitrepository-layout(5), gitsubmodules(7).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from msgspec import Meta, Struct

from nox_pex.pex.target import Target
from nox_pex.project.tree import Tree
from nox_pex.system.git import Git, Status
from nox_pex.system.lazy import lazy, pattern

if TYPE_CHECKING:
    from nox_pex.settings import extends
else:
    extends = lazy("nox_pex.settings.extends")  # only needed if the settings extend a file

_OWN_FILES: Final = ("pyproject.toml", "poetry.lock")


_LOCAL_FILE: Final = "poetry.toml"
"""An input that many projects let Git ignore."""


_SUBMODULE: Final = pattern(r"/\.git/(?:worktrees/[^/]+/)?modules/")
"""Matches the path of a submodule's repository, which is inside that of the work tree around it."""


class Commit(Struct, frozen=True, kw_only=True):
    """The commit that is checked out, by its full name; `dirty` says that some input differs from it."""

    commit: Annotated[str, Meta(pattern="^[0-9a-f]{40,64}$")]
    dirty: bool


class Places(Struct, frozen=True, kw_only=True):
    """The places of a binary's inputs, as absolute paths.

    `project` is the project's directory, `output` the output directory. `dependencies` are the path dependencies:
    directories, and archives, whose digests the lock has. `files` are those that the settings name, and the lock. If
    `whole`, every tracked file of the project's repository is an input, because the version comes from Git.
    """

    project: Path
    output: Path
    dependencies: frozenset[Path] = frozenset()
    files: frozenset[Path] = frozenset()
    whole: bool = False


def places_of(target: Target, dependencies: Iterable[str]) -> Places:
    """Return the places of the inputs of `target`; `dependencies` are paths from the project's directory."""
    root, table = target.project.root, target.table
    executable = [table.executable] if table.executable is not None else []
    named = [os.path.normpath(root / name) for name in (*_OWN_FILES, *executable, *table.complete_platforms)]
    named += extended_files(target)
    return Places(
        project=root,
        output=Path(os.path.normpath(target.directory)),
        dependencies=frozenset((root / path).resolve() for path in dependencies),
        files=frozenset(map(Path, (*named, *map(os.path.realpath, named)))),  # a link, and the file that it leads to
        whole=target.project.version_from_git,
    )


def extended_files(target: Target) -> list[str]:
    """Return the files that the project's settings extend, as absolute paths."""
    table = target.project.document.get("tool", {}).get("nox-pex", {})
    if "extends" not in table:
        return []
    above = extends.layers(extends.Layer(table=table, document=table, file=str(target.project.file), path=""))[1:]
    return [layer.file for layer in above]


class Checkout(Struct, frozen=True, kw_only=True):
    """The answers of Git about `places`. Git is asked in the background, from the moment that `of` returns."""

    places: Places
    environ: Mapping[str, str]
    answers: _Answers

    @classmethod
    def of(cls, places: Places, environ: Mapping[str, str]) -> Checkout:
        """Ask Git about `places`: one process for each repository that holds some of them."""
        whole = top_of(places.project) if places.whole else None
        paths = {places.project, *places.dependencies, *places.files, *([whole] if whole is not None else [])}
        return cls(places=places, environ=environ, answers=_Answers(paths, environ))

    def commit(self, sources: Iterable[str]) -> Commit | None:
        """Return the commit of the project; `sources` are its files that are inputs, from the project's directory.

        None if there is no repository or no commit, if Git ignores the project, or if Git gives no answer.
        An input differs from the commit if Git says that it changed, or if Git neither tracks nor ignores it. Sources
        that Git ignores count as generated. Any tracked file of the project and of its path dependencies counts as an
        input, because others may be generated from it. What is in no repository is in no commit, so it differs.
        """
        root, states = self.places.project, self.answers.get()
        state = _state_of(root, states)
        if state is None or state.status.commit is None or state.ignores(root):
            return None
        names = frozenset((*sources, _LOCAL_FILE))
        linked = _linked_outside(root, names)
        dirty = (
            _project_differs(state, self.places, names)
            or any(_file_differs(path, states) for path in self.places.files)
            or any(_dependency_differs(path, states, project=state.top) for path in self.places.dependencies)
            or (bool(linked) and _any_differs(linked, self.environ, project=state.top))
        )
        return Commit(commit=state.status.commit, dirty=dirty)


class _State(Struct, frozen=True, kw_only=True):
    """The `status` of some paths in the work tree whose top directory is `top`."""

    top: Path
    status: Status

    def ignores(self, path: Path) -> bool:
        """Whether Git ignores the file or directory `path`, or a directory above it."""
        place = f"{path}/"
        return any(place.startswith(f"{self.top}/{name.rstrip('/')}/") for name in self.status.ignored)

    def changed(self, directory: Path) -> list[str]:
        """The tracked files that differ below `directory`, as paths from there."""
        return list(self._below(directory, self.status.changed))

    def untracked(self, directory: Path) -> list[str]:
        """The new files below `directory` that Git does not ignore, as paths from there."""
        return list(self._below(directory, self.status.untracked))

    def _below(self, directory: Path, names: Iterable[str]) -> Iterator[str]:
        start = f"{directory}/"
        return (path[len(start) :] for name in names if (path := f"{self.top}/{name}").startswith(start))

    def has_changed(self, path: Path) -> bool:
        """Whether the file or submodule `path` differs from the commit, or is not in it."""
        names = (*self.status.changed, *self.status.untracked)
        return self.ignores(path) or any(f"{self.top}/{name}" == str(path) for name in names)


_States: TypeAlias = Mapping[Path, "_State | None"]
"""The states by their top directories; None if Git gives no answer there."""


class _Answers:
    """The states of all repositories that hold one of `paths`, asked side by side."""

    def __init__(self, paths: Iterable[Path], environ: Mapping[str, str]) -> None:
        self._lock = threading.Lock()  # several binaries may share the answers
        self._states: dict[Path, _State | None] = {}
        self._waiting = {
            top: Git(root=top, environ=environ).ask_status(asked) for top, asked in _questions(paths).items()
        }

    def get(self) -> _States:
        """Wait for all answers, and return them."""
        with self._lock:
            while self._waiting:
                top, answer = self._waiting.popitem()
                status = answer()
                self._states[top] = None if status is None else _State(top=top, status=status)
            return self._states


def _questions(paths: Iterable[Path]) -> dict[Path, list[str]]:
    """The paths to ask about, by the top directory of their repository, relative to it."""
    questions: dict[Path, list[str]] = {}
    for path in sorted(paths):
        if (top := top_of(path)) is None:
            continue
        questions.setdefault(top, []).append(path.relative_to(top).as_posix())
        if _is_submodule(top) and (around := top_of(top.parent)) is not None:
            questions.setdefault(around, []).append(top.relative_to(around).as_posix())
    return questions


def top_of(path: Path) -> Path | None:
    """Return the top directory of the work tree that holds `path`; None if it is in no repository."""
    for directory in (path, *path.parents):
        marker = f"{directory}/.git"
        if os.path.lexists(f"{marker}/HEAD") or os.path.isfile(marker):  # noqa: PTH113  # called for every parent
            return directory
    return None


def _is_submodule(top: Path) -> bool:
    try:
        return _SUBMODULE.search((top / ".git").read_text("utf-8", "surrogateescape")) is not None
    except OSError:
        return False


def _state_of(path: Path, states: _States) -> _State | None:
    top = top_of(path)
    return None if top is None else states.get(top)


def _project_differs(state: _State, places: Places, sources: frozenset[str]) -> bool:
    area = state.top if places.whole else places.project
    inside = places.output != area and places.output.is_relative_to(area)
    output = f"{places.output.relative_to(area).as_posix()}/" if inside else None
    if any(output is None or not name.startswith(output) for name in state.changed(area)):
        return True
    new = state.untracked(places.project)
    repositories = tuple(name for name in new if name.endswith("/"))
    return not sources.isdisjoint(new) or any(name.startswith(repositories) for name in sources if repositories)


def _dependency_differs(path: Path, states: _States, *, project: Path) -> bool:
    """Whether a path dependency, or a directory that a link leads to, differs; `project` is the project's work tree."""
    state = _state_of(path, states)
    if not path.is_dir():
        return state is not None and state.has_changed(path)  # the lock has its digest
    if state is None or state.status.commit is None or state.ignores(path):
        return True
    tree = Tree.of(path, Path("dist"))  # as for its digest, which is an input
    if any(not tree.in_output(name) for name in state.changed(path)):
        return True
    if any(_may_be_read(name, tree) for name in state.untracked(path)):
        return True
    return state.top != project and _has_moved(state.top, states)


def _has_moved(top: Path, states: _States) -> bool:
    """Whether `top` is a submodule at another commit than the work tree around it names."""
    around = _state_of(top.parent, states) if _is_submodule(top) else None
    return around is not None and around.has_changed(top)


def _may_be_read(name: str, tree: Tree) -> bool:
    """Whether a build could read the new file `name`, which is no cache and nothing that an earlier build left."""
    return tree.is_open(name.rpartition("/")[0]) and tree.is_source_file(name) and not tree.in_output(name)


def _file_differs(path: Path, states: _States) -> bool:
    state = _state_of(path, states)
    if state is None or state.status.commit is None:
        return path.exists()
    return state.has_changed(path)


def _linked_outside(root: Path, sources: Iterable[str]) -> frozenset[Path]:
    """The files and directories outside of `root` to which links among `sources`, or above them, lead."""
    names = list(sources)
    directories = {os.path.realpath(root / directory) for directory in {name.rpartition("/")[0] for name in names}}
    links = {os.path.realpath(f"{root}/{name}") for name in names if os.path.islink(f"{root}/{name}")}  # noqa: PTH114  # called for 10,000 names
    start = f"{os.path.realpath(root)}/"
    return frozenset(Path(path) for path in directories | links if not f"{path}/".startswith(start))


def _any_differs(linked: frozenset[Path], environ: Mapping[str, str], *, project: Path) -> bool:
    states = _Answers(linked, environ).get()
    return any(
        _dependency_differs(path, states, project=project) if path.is_dir() else _file_differs(path, states)
        for path in linked
    )
