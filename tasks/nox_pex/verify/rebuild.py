"""The binary, built once more from a copy, in other surroundings.

What is done anew: the project, and its path dependencies, are copied under another directory, in another order;
Poetry installs into a fresh environment there (from its own download cache, or with `cold` from an empty one, so that
every locked file is fetched again); the project's own wheel, the stage and the PEX are built with an empty PEX_ROOT.
All of it under another umask, time zone, locale, hash seed and temporary directory. What is shared are the installed
tools, which their versions describe, and the interpreter.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from nox_pex.build.builder import Builder
from nox_pex.build.target import Contents, Target
from nox_pex.distributions.environment import Environment
from nox_pex.errors import NoxPexError
from nox_pex.platforms import wheelhouse
from nox_pex.platforms.fetch import WheelFetcher
from nox_pex.poetry import lock
from nox_pex.poetry.install import Installer
from nox_pex.project import pyproject, sources
from nox_pex.project.pyproject import Project
from nox_pex.system import files
from nox_pex.system.command import Outcome, Shell
from nox_pex.system.git import Git
from nox_pex.tools import cache, provision

_UMASK: Final = 0o077


_HASH_SEED: Final = "4711"


_SURROUNDINGS: Final = {"TZ": "Pacific/Chatham", "LC_ALL": "C", "LANG": "C", "GIT_OPTIONAL_LOCKS": "0"}
"""`GIT_OPTIONAL_LOCKS`, so that Git, which is asked about the copy, does not write into the original's index."""


_PROJECT_FILES: Final = ("pyproject.toml", "poetry.lock", "poetry.toml")


class _Shell(Shell, frozen=True, kw_only=True):
    """A shell whose tools have another hash seed than ours have."""

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        what: str,
        env: Mapping[str, str],
        cwd: Path | None = None,
        hold: Sequence[int] = (),
    ) -> Outcome:
        return super().run(argv, what=what, env={**env, "PYTHONHASHSEED": _HASH_SEED}, cwd=cwd, hold=hold)


class _Caches(cache.Caches, frozen=True, kw_only=True, dict=True):
    """The tools that are installed already, nothing of what was installed or packed, and with `fetches` no wheels.

    The rest goes below `cold`.
    """

    cold: Path
    fetches: bool

    @property
    def pex_root(self) -> Path:
        return self.cold / "pex-root"

    @property
    def environments(self) -> Path:
        return self.cold / "environments"

    @property
    def dependencies(self) -> Path:
        return self.cold / "dependencies"

    @property
    def wheels(self) -> Path:
        return self.cold / "wheels" if self.fetches else super().wheels


class Rebuild(Struct, frozen=True, kw_only=True):
    """A copy of a project, as the binary `target` of it, with what Poetry has installed for it."""

    target: Target
    installed: Contents
    provisioner: provision.Provisioner

    def build(self) -> Path:
        """Build the binary by pex alone; returns its path. Raises `NoxPexError`."""
        with _umask(_UMASK):
            builder = Builder(provisioner=self.provisioner, force=True, from_scratch=True)
            builder.build(self.target, self.installed)
        return self.target.output


@contextlib.contextmanager
def prepare_rebuild(original: Target, installer: Installer, *, cold: bool) -> Iterator[Rebuild]:
    """Copy the project of `original` to a temporary directory and let Poetry install for it there.

    `installer` is the one that installed for `original`. If `cold`, Poetry's cache is empty: it fetches every locked
    file again, and checks the lock's hashes.
    Raises `NoxPexError` with the code of whatever Poetry met.
    """
    with (
        files.writing("a copy of the project to build it again"),
        tempfile.TemporaryDirectory(prefix="nox-pex-verify-") as temporary,
        _umask(_UMASK),
    ):
        directory = Path(temporary).resolve()
        (directory / "tmp").mkdir()
        target = replace(
            original,
            project=pyproject.read(_copied(original, into=directory / "elsewhere")),
            settings=replace(original.settings, output_dir=Path("dist")),
            state=directory / "state",
            prebuilt=None,
        )
        provisioner = _isolated(installer.provisioner, directory, cold=cold)
        again = replace(installer, project=target.project, provisioner=provisioner, force=False)
        home = directory / "environment"
        installed: Contents | None
        if original.platforms:
            WheelFetcher(installer=again).fetch(original.selection, original.platforms, home)
            installed = wheelhouse.finished(original.selection, original.platforms, home)
        else:
            installed = again.install(original.selection, Environment(path=home))
        if installed is None:
            problem = f"what Poetry had just installed into {home} was changed"
            raise NoxPexError("install-failed", problem, "run it again with --verbose, and report it")
        yield Rebuild(target=target, installed=installed, provisioner=provisioner)


def _isolated(provisioner: provision.Provisioner, directory: Path, *, cold: bool) -> provision.Provisioner:
    """A provisioner like `provisioner` in other surroundings, with its caches and temporary files in `directory`."""
    environ = {**provisioner.shell.environ, **_SURROUNDINGS, "TMPDIR": str(directory / "tmp")}
    if cold:
        environ["POETRY_CACHE_DIR"] = str(directory / "cache")
    shell = _Shell(
        environ=environ,
        secrets=provisioner.shell.secrets,
        say=lambda line: provisioner.shell.say(f"verify: again: {line}"),
        verbose=provisioner.shell.verbose,
    )
    caches = _Caches(chosen=provisioner.caches.root, cold=directory / "caches", fetches=cold)
    return provision.Provisioner(shell=shell, caches=caches, uv=provisioner.uv)


def _copied(target: Target, *, into: Path) -> Path:
    """Copy what a build reads of a project, and of its path dependencies, so that they lie to each other as before.

    Returns the copy of the project's directory. Where the project is in Git, the copy is a work tree of the same
    repository: what Git lists, and says of the commit, is the same.
    """
    original = target.project
    root = original.root
    git = Git(root=root)
    top = git.top()
    beside = [path for path in _path_dependencies(original) if not path.is_relative_to(root)]
    if top is not None and original.package_mode and original.version is None:
        # A backend that takes the version from Git may ask whether anything in the repository is changed, or missing.
        beside.insert(0, top)
    base = Path(os.path.commonpath([top or root, *beside]))
    for place in beside:
        # not the project itself a second time, with an earlier binary in it
        names = [name for name in _all_files(place) if not (place / name).is_relative_to(root)]
        _copy_files(place, names, into / place.relative_to(base))
    _copy_files(root, _project_files(target), into / root.relative_to(base))
    if top is not None:
        pointer = f"gitdir: {git.directory()}\n"
        (into / top.relative_to(base) / ".git").write_text(pointer, "utf-8")
    return into / root.relative_to(base)


def _project_files(target: Target) -> set[str]:
    """What a build of `target` reads of its project, from the project's directory."""
    original, settings, wanted = target.project, target.settings, target.table
    root = original.root
    if original.package_mode:
        names = set(sources.project_files(root, output_dir=settings.output_dir, extra=original.includes))
    else:
        chosen = wanted.sources
        selection = sources.select(root, include=chosen.include, exclude=chosen.exclude, output_dir=settings.output_dir)
        names = set(selection.files)
    if wanted.executable is not None:
        names.add(wanted.executable)
    for path in _path_dependencies(original):
        if path.is_relative_to(root):
            names |= {os.path.normpath(path.relative_to(root) / name) for name in _all_files(path)}
    return names | {name for name in _PROJECT_FILES if (root / name).is_file()}


def _all_files(place: Path) -> Sequence[str]:
    """What a build backend could read in the directory `place`; of a file, the file itself."""
    return [""] if place.is_file() else sources.project_files(place, output_dir=Path("dist"), extra=())


def _path_dependencies(original: Project) -> Iterator[Path]:
    for package in lock.read(original.lock).packages:
        if package.source is not None and package.source.type in ("directory", "file"):
            yield (original.root / package.source.url).resolve()


def _copy_files(place: Path, names: Iterable[str], into: Path) -> None:
    """Copy the files `names` from the directory `place`, or (the empty name) the file `place` itself."""
    for name in sorted(names, reverse=True):
        source, copy = place / name, into / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        copy.chmod(0o700 if source.stat().st_mode & 0o100 else 0o600)


@contextlib.contextmanager
def _umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)
