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
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from nox_pex import files, lock, project, sources, tools
from nox_pex.build import Builder
from nox_pex.command import Outcome, Shell, tool_environ
from nox_pex.config import Settings
from nox_pex.environment import Environment
from nox_pex.errors import NoxPexError
from nox_pex.install import Base, Installed, Installer, Selection
from nox_pex.platforms import description, gathered
from nox_pex.platforms.gather import Gatherer
from nox_pex.platforms.gathered import Gathered
from nox_pex.project import Project
from nox_pex.target import Target

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


class _Caches(tools.Caches, frozen=True, kw_only=True, dict=True):
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


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """A copy of a project at `project.root`, with the environment that Poetry has installed for it."""

    project: Project
    installed: Installed | Gathered
    provisioner: tools.Provisioner
    directory: Path

    def build(self, *, name: str, stem: str, settings: Settings) -> Path:
        """Build the binary `name`, pex alone; returns its path. Raises `NoxPexError`."""
        target = Target(
            name=name,
            stem=stem,
            binary=settings.binary[name],
            settings=msgspec.structs.replace(settings, output_dir=Path("dist")),
            project=self.project,
            installed=self.installed,
            state=self.directory / "state",
        )
        with _umask(_UMASK):
            Builder(provisioner=self.provisioner, force=True, plain=True).build(target)
        return target.output


@contextlib.contextmanager
def elsewhere(
    original: Project,
    wanted: Selection,
    *,
    settings: Settings,
    binary: str,
    base: Base,
    provisioner: tools.Provisioner,
    cold: bool,
) -> Iterator[Elsewhere]:
    """Copy `original` to a temporary directory and let Poetry install `wanted` for it.

    `base` is the Python for it. With `cold` Poetry's cache is empty: it fetches every locked file again, and checks the
    lock's hashes.
    Raises `NoxPexError` with the code of whatever Poetry met.
    """
    with (
        files.writing("a copy of the project to build it again"),
        tempfile.TemporaryDirectory(prefix="nox-pex-verify-") as temporary,
        _umask(_UMASK),
    ):
        directory = Path(temporary).resolve()
        (directory / "tmp").mkdir()
        copy = project.read(_copied(original, settings=settings, binary=binary, into=directory / "elsewhere"))
        environ = {**provisioner.shell.environ, **_SURROUNDINGS, "TMPDIR": str(directory / "tmp")}
        if cold:
            environ["POETRY_CACHE_DIR"] = str(directory / "cache")
        shell = _Shell(
            environ=environ,
            secrets=provisioner.shell.secrets,
            say=lambda line: provisioner.shell.say(f"verify: again: {line}"),
            verbose=provisioner.shell.verbose,
        )
        changed = tools.Provisioner(
            shell=shell,
            caches=_Caches(chosen=provisioner.caches.root, cold=directory / "caches", fetches=cold),
            uv=provisioner.uv,
        )
        installer = Installer(
            project=copy,
            base=base,
            shell=shell,
            provisioner=changed,
            poetry_version=settings.poetry_version,
            force=False,
        )
        home = directory / "environment"
        installed: Installed | Gathered | None
        if names := settings.binary[binary].complete_platforms:
            platforms = description.read(original.root, names, key=f"tool.nox-pex.binary.{binary}.complete-platforms")
            Gatherer(installer=installer).gather(wanted, platforms, home)
            installed = gathered.finished(wanted, platforms, home)
        else:
            installed = installer.install(wanted, Environment(path=home))
        if installed is None:
            problem = f"what Poetry had just installed into {home} was changed"
            raise NoxPexError("install-failed", problem, "run it again with --verbose, and report it")
        yield Elsewhere(project=copy, installed=installed, provisioner=changed, directory=directory)


def _copied(original: Project, *, settings: Settings, binary: str, into: Path) -> Path:
    """Copy what a build reads of a project, and of its path dependencies, so that they lie to each other as before.

    Returns the copy of the project's directory. Where the project is in Git, the copy is a work tree of the same
    repository: what Git lists, and says of the commit, is the same.
    """
    root = original.root
    top = _git_top(root)
    beside = [path for path in _path_dependencies(original) if not path.is_relative_to(root)]
    if top is not None and original.package_mode and original.version is None:
        # A backend that takes the version from Git may ask whether anything in the repository is changed, or missing.
        beside.insert(0, top)
    base = Path(os.path.commonpath([top or root, *beside]))
    for place in beside:
        # not the project itself a second time, with an earlier binary in it
        names = [name for name in _all_files(place) if not (place / name).is_relative_to(root)]
        _copy_files(place, names, into / place.relative_to(base))
    _copy_files(root, _project_files(original, settings, binary), into / root.relative_to(base))
    if top is not None:
        pointer = f"gitdir: {_git(root, '--absolute-git-dir')}\n"
        (into / top.relative_to(base) / ".git").write_text(pointer, "utf-8")
    return into / root.relative_to(base)


def _project_files(original: Project, settings: Settings, binary: str) -> set[str]:
    """What a build of `binary` reads of a project, from its directory."""
    root, wanted = original.root, settings.binary[binary]
    if original.package_mode:
        names = set(sources.project_files(root, output_dir=settings.output_dir, extra=original.includes))
    else:
        chosen = wanted.sources
        selection = sources.select(root, include=chosen.include, exclude=chosen.exclude, output_dir=settings.output_dir)
        names = set(selection.taken)
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


def _git_top(root: Path) -> Path | None:
    top = _git(root, "--show-toplevel")
    return Path(top) if top and root.is_relative_to(top) else None


def _git(root: Path, question: str) -> str:
    """What `git rev-parse` answers; empty where there is no Git, or no repository."""
    with contextlib.suppress(OSError):
        done = subprocess.run(
            ["git", "rev-parse", question],  # noqa: S607 (the user's Git)
            cwd=root,
            env={**tool_environ(os.environ), "GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode == 0:
            return os.fsdecode(done.stdout).rstrip("\n")
    return ""


@contextlib.contextmanager
def _umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)
