"""Builds the binary a second time, from a copy of the project in other surroundings.

The project and its path dependencies are copied to another directory, in another order. For the copy, Poetry installs
into a new environment, from its own download cache or, with `cold`, from an empty one, so that every locked file is
fetched again. The project's own wheel, the staged environment and the PEX are built again, with an empty PEX_ROOT.
Umask, time zone, locale, hash seed and temporary directory are different as well. Only the interpreter and the tools
are those of the installer: `fresh_tools` gives it freshly installed ones.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import NormalizedName, canonicalize_name

from nox_pex.distributions.environment import Environment
from nox_pex.distributions.interpreter import Interpreter
from nox_pex.errors import NoxPexError
from nox_pex.pex import warm_up
from nox_pex.pex.builder import Builder
from nox_pex.pex.checkout import extended_files
from nox_pex.pex.inputs import collect_project_files
from nox_pex.pex.target import Contents, Target
from nox_pex.platforms import wheelhouse
from nox_pex.platforms.fetch import WheelFetcher
from nox_pex.poetry import lock
from nox_pex.poetry.install import Installer
from nox_pex.project import outside, pyproject, sources
from nox_pex.project.pyproject import Project
from nox_pex.settings.model import Settings
from nox_pex.settings.pex_args import without_scie_options
from nox_pex.system import os_errors
from nox_pex.system.git import Git
from nox_pex.system.messages import prefixed
from nox_pex.tools import cache, provision
from nox_pex.verify.fresh_tools import memory_directory, own_directory

_PREFIX: Final = "nox-pex-rebuild-"


_UMASK: Final = 0o077


_ENVIRON: Final = {"TZ": "Pacific/Chatham", "LC_ALL": "C", "LANG": "C", "GIT_OPTIONAL_LOCKS": "0"}
"""Variables of the second build. `GIT_OPTIONAL_LOCKS` keeps Git, when it is asked about the copy, from writing into the
original's index (git(1))."""


_OVERRIDES: Final = {"PYTHONHASHSEED": "4711"}
"""Variables that every tool of the second build gets, instead of those of the first one."""


_COPIES: Final = 5
"""How often a second build writes what is installed, at most: the environment, pex's two caches of it (unpacked and
packed), the dependency PEX and the binary."""


_ROOM: Final = 1 << 28
"""Bytes for everything else there: pex's own code, the rounding of small files to pages."""


_MOST_ROOM: Final = 1 << 32
"""Bytes of memory that are too many, because several projects may be verified at the same time."""


_PROJECT_FILES: Final = ("pyproject.toml", "poetry.lock", "poetry.toml")


_WORK_TREE_FILES: Final = ("HEAD", "index", "sharedindex.*", "config.worktree")
"""The files of a repository that each of its work trees has by itself."""


class _ColdCaches(cache.Caches, frozen=True, kw_only=True, dict=True):
    """Caches in a new directory, all of them empty, whatever caches there are. Only the tools are those of `others`.

    Unless `with_wheels`, the wheels for other platforms are those of `others` too: each is checked against the lock.
    """

    others: cache.Caches
    with_wheels: bool

    @property
    def tools(self) -> Path:
        return self.others.tools

    def home_of(self, tool: str) -> Path:
        return self.others.home_of(tool)

    @property
    def wheels(self) -> Path:
        return super().wheels if self.with_wheels else self.others.wheels


class Rebuild(Struct, frozen=True, kw_only=True):
    """A copy of a project, ready for a second build: its `target`, and what Poetry has `installed` for it.

    `planned` are the names and versions that Poetry reported for it, as in the lock: its whole plan, because the
    environment was new and empty. It is empty if this Poetry reports nothing.
    """

    target: Target
    installed: Contents
    planned: Mapping[NormalizedName, str]
    provisioner: provision.Provisioner

    def build(self) -> Path:
        """Build the binary from scratch by pex alone, and return its path. Raises `NoxPexError`."""
        builder = Builder(provisioner=self.provisioner, force=True, from_scratch=True)
        builder.build(self.target, self.installed)
        return self.target.output


class ProjectCopy(Struct, frozen=True, kw_only=True):
    """A copy of the project of `original` with the settings of a second build, its `target`.

    `directory` is for what is installed.
    """

    original: Target
    target: Target
    installer: Installer
    directory: Path

    def warm_up(self, interpreter: Interpreter) -> None:
        """Let pex write into the PEX_ROOT of the second build what does not depend on the install."""
        warm_up.warm_up(self.installer.provisioner, self.target.settings.pex_version, interpreter=interpreter)

    def install(self) -> Rebuild:
        """Let Poetry install for the copy. Raises `NoxPexError` with the code of Poetry's failure."""
        original, environment = self.original, self.directory / "environment"
        reported: dict[str, str] = {}
        installed: Contents | None
        with _writing():
            if original.platforms:  # the files that describe them are not copied
                WheelFetcher(installer=self.installer).fetch(original.selection, original.platforms, environment)
                installed = wheelhouse.load_finished(original.selection, original.platforms, environment)
            else:
                installer = replace(self.installer, meanwhile=lambda _: nullcontext(reported.__setitem__))
                installed = installer.install(original.selection, Environment(path=environment))
        if installed is None:
            problem = f"{environment} changed right after Poetry had installed into it"
            raise NoxPexError("install-failed", problem, "run it again with --verbose, and report it")
        planned = {canonicalize_name(name): version for name, version in reported.items()}
        provisioner = self.installer.provisioner
        return Rebuild(target=self.target, installed=installed, planned=planned, provisioner=provisioner)


@contextlib.contextmanager
def copied_project(original: Target, installer: Installer, *, cold: bool, size: int | None) -> Iterator[ProjectCopy]:
    """Copy the project of `original` to a temporary directory, which is removed after the block.

    It may run in a thread, so the caller sets the umask, which is that of the whole process: `other_umask`.
    `installer` is the one that installed for `original`. If `cold`, Poetry's cache is empty, so Poetry fetches every
    locked file again and checks the lock's hashes. `size` are the bytes of what it installed. If they are known, and
    there is a directory in memory with room for all copies of them, what is installed and what pex unpacks go there.
    """
    with (
        _writing(),
        own_directory(_PREFIX, fallbacks=(installer.provisioner.caches.root, original.state)) as directory,
        memory_directory(_PREFIX, _room(size)) as memory,
    ):
        (directory / "tmp").mkdir()
        target = replace(
            original,
            project=pyproject.read(_copy_project(original, into=directory / "copy")),
            settings=_settings_of_rebuild(original),
            state=directory / "state",
            prebuilt=None,
        )
        installed = memory or directory
        provisioner = _isolated(installer.provisioner, directory, caches=installed / "caches", cold=cold)
        copy_installer = replace(installer, project=target.project, provisioner=provisioner, cached=False)
        yield ProjectCopy(original=original, target=target, installer=copy_installer, directory=installed)


def _room(size: int | None) -> int | None:
    """Return the bytes of memory that a second build of `size` bytes takes at most; None if unknown, or too many."""
    if size is None:
        return None
    room = _COPIES * size + _ROOM
    return room if room < _MOST_ROOM else None


def _writing() -> AbstractContextManager[None]:
    return os_errors.writing("a copy of the project to build it again", place=Path(tempfile.gettempdir()))


def _settings_of_rebuild(target: Target) -> Settings:
    """Return the settings of a second build.

    It makes no scie: the gate `integrity` compares the PEX in each one, and the rest of a scie would be downloaded.
    """
    table = replace(target.table, scie=None, pex_args=without_scie_options(target.table.pex_args))
    return replace(target.settings, output_dir=Path("dist"), binary={**target.settings.binary, target.name: table})


def _isolated(
    provisioner: provision.Provisioner, directory: Path, *, caches: Path, cold: bool
) -> provision.Provisioner:
    """Return a provisioner with other variables, with its temporary files in `directory`, its caches in `caches`."""
    environ = {**provisioner.shell.environ, **_ENVIRON, "TMPDIR": str(directory / "tmp")}
    if cold:
        environ["POETRY_CACHE_DIR"] = str(directory / "cache")
    shell = replace(
        provisioner.shell,
        environ=environ,
        say=prefixed(provisioner.shell.say, "verify: second build: "),
        overrides=_OVERRIDES,
    )
    cold_caches = _ColdCaches(chosen=caches, others=provisioner.caches, with_wheels=cold)
    return replace(provisioner, shell=shell, caches=cold_caches)


def _copy_project(target: Target, *, into: Path) -> Path:
    """Copy the files that a build reads of a project and of its path dependencies; relative paths between them stay.

    Returns the copy of the project's directory. If it, or a path dependency, is in Git, its copy is a work tree of the
    same repository, so that Git lists the same files and reports the same commit.
    """
    root = target.project.root
    dependencies = list(_path_dependencies(target.project))
    sourced = [target.project, *(pyproject.read_source(path) for path in dependencies if path.is_dir())]
    tops = {project.root: Git(root=project.root).top() for project in sourced}
    repositories = {top: Git(root=directory) for directory, top in tops.items() if top is not None}
    named = [*dependencies, *(Path(os.path.normpath(file)) for file in extended_files(target))]
    apart = [path for path in named if not path.is_relative_to(root)]
    # A build backend that takes the version from Git may ask whether any file in the repository changed.
    asking = dict.fromkeys(tops[project.root] for project in sourced if project.version_from_git)
    apart = [*(top for top in asking if top is not None), *apart]
    files_outside = [os.path.normpath(each.root / name) for each in sourced for name in outside.files(each)]
    base = Path(os.path.commonpath([*repositories, root, *apart, *files_outside]))
    for path in apart:
        # A repository may contain the output directory, with an earlier binary.
        names = [name for name in _all_files(path) if not (path / name).is_relative_to(target.directory)]
        _copy_files(path, names, into / path.relative_to(base))
    _copy_files(root, _project_files(target), into / root.relative_to(base))
    for top, git in repositories.items():
        _copy_repository(git, into / top.relative_to(base) / ".git")
    return into / root.relative_to(base)


def _copy_repository(git: Git, into: Path) -> None:
    """Make `into` a repository whose commits, branches and settings are those of `git`, with a copy of its index.

    It is what Git makes of a linked work tree (gitrepository-layout(5), `commondir`). Because the directory is ours,
    Git does not refuse it if the repository belongs to another user, and nothing is written into the original.
    """
    directory, common = git.directory(), git.common_directory()
    if directory is None or common is None:
        return
    into.mkdir(parents=True)
    (into / "commondir").write_text(f"{common}\n", "utf-8", "surrogateescape")
    for pattern in _WORK_TREE_FILES:
        for file in Path(directory).glob(pattern):
            shutil.copyfile(file, into / file.name)


def _project_files(target: Target) -> set[str]:
    """Return the files that a build of `target` reads of its project, as paths from the project's directory."""
    project, root, table = target.project, target.project.root, target.table
    names = set(collect_project_files(target).digests)
    if table.executable is not None:
        names.add(table.executable)
    for path in _path_dependencies(project):
        if path.is_relative_to(root):
            names |= {os.path.normpath(path.relative_to(root) / name) for name in _all_files(path)}
    extended = [os.path.relpath(file, root) for file in extended_files(target)]
    return names | {
        name for name in (*_PROJECT_FILES, *extended) if not name.startswith("../") and (root / name).is_file()
    }


def _all_files(path: Path) -> Sequence[str]:
    """Return the files that a build backend could read for a directory; the empty name if `path` is a file itself."""
    if path.is_file():
        return [""]
    listed = sources.project_files(path, output_dir=Path("dist"), extra=())
    return [*listed, *outside.files(pyproject.read_source(path))]


def _path_dependencies(project: Project) -> Iterator[Path]:
    for package in lock.read(project.lock).packages:
        if package.source is not None and package.source.type in ("directory", "file"):
            yield (project.root / package.source.url).resolve()


def _copy_files(source: Path, names: Iterable[str], into: Path) -> None:
    """Copy the files `names` from the directory `source`; the empty name means the file `source` itself."""
    for name in sorted(names, reverse=True):
        original, copy = source / name, into / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(original, copy)
        copy.chmod(0o700 if original.stat().st_mode & 0o100 else 0o600)


@contextlib.contextmanager
def other_umask() -> Iterator[None]:
    """Let this process have the umask of second builds during the block."""
    before = os.umask(_UMASK)
    try:
        yield
    finally:
        os.umask(before)
