"""One project as the steps see it: its settings, its binaries, the tools, and where state and environments are."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tomllib
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field, structs

from nox_pex.distributions.environment import Environment
from nox_pex.distributions.interpreter import BasePython
from nox_pex.errors import NoxPexError
from nox_pex.pex.target import Contents, Target
from nox_pex.poetry import installed
from nox_pex.poetry.install import Installer
from nox_pex.poetry.installed import Installed
from nox_pex.poetry.selection import Selection
from nox_pex.project import output_dir, pyproject
from nox_pex.project.pyproject import Project
from nox_pex.settings import parse, settings_secrets
from nox_pex.settings.model import Settings
from nox_pex.settings.parse import Reading
from nox_pex.steps.arguments import Arguments, select_binaries
from nox_pex.steps.journal import Journal
from nox_pex.system import files, withheld
from nox_pex.system.command import Shell
from nox_pex.system.lazy import lazy
from nox_pex.system.messages import Say
from nox_pex.system.secrets import Secrets
from nox_pex.tools import index_secrets
from nox_pex.tools.cache import Caches
from nox_pex.tools.provision import Provisioner, find_uv

if TYPE_CHECKING:
    from nox_pex.platforms import wheelhouse
    from nox_pex.project import suggestion
else:
    suggestion = lazy("nox_pex.project.suggestion")  # only needed for an error
    wheelhouse = lazy("nox_pex.platforms.wheelhouse")  # only needed for `complete-platforms`


class Surroundings(Struct, kw_only=True):
    """The part of a run that is outside of one project, as the front end knows it.

    `commands` are the command lines that run a step for this project, by the step's name: `nox -s 'smoke(api)'`. Those
    of steps without a session are not there. `contexts` are those of all projects and Pythons of the noxfile, in the
    order in which they are registered; none if there is only this one. `directory` is that of the noxfile.
    """

    commands: dict[str, str] | None = None
    contexts: tuple[Context, ...] = ()
    directory: Path | None = None


class Context(Struct, frozen=True, kw_only=True, dict=True):
    """One project, and how the user wants its steps to run.

    `root` is the project's directory. `state` is a private directory that survives from run to run. `base` is the
    Python that the binaries are for. `suffix` follows the binary's name in every file name (`-py3.12`). `say` shows one
    line to the user. `emit` prints one line to the standard output as it is, for a CI system to read. `parallel` says
    that other projects are built at the same time, so this one does not use all processors. `installs` is a cache of
    the finished installs. `steps` are the names of the steps of this run, if they are known, and `later` those that
    come after the current one. `elsewhere` are the binaries of other projects of the noxfile. `unsigned` are binaries
    with statements that a later step signs. The path in the variable with the signing key is relative to
    `invoked_from`. `label` is the project's name in those of its sessions, empty if it is the only one. `journal`
    collects the outcomes of the run, of all its projects. `surroundings` are what a report needs of the run. `named`
    returns a message with the commands of this front end instead of `nox -s STEP`.
    """

    root: Path
    state: Path
    base: BasePython
    arguments: Arguments
    environ: Mapping[str, str]
    say: Say
    emit: Callable[[str], None]
    verbose: bool = False
    parallel: bool = False
    suffix: str = ""
    invoked_from: Path = Path()
    installs: dict[Selection, Installed] = {}
    steps: set[str] = set()
    later: set[str] = set()
    elsewhere: set[str] = set()
    unsigned: list[Target] = []
    label: str = ""
    journal: Journal = field(default_factory=Journal)
    surroundings: Surroundings = field(default_factory=Surroundings)
    named: Callable[[str], str] = str

    @cached_property
    def project(self) -> Project:
        """The project's `pyproject.toml`. Raises `NoxPexError` `config`."""
        return pyproject.read(self.root)

    @cached_property
    def settings(self) -> Settings:
        """Its `[tool.nox-pex]`. Raises `NoxPexError` with all problems: `config`, `entry-missing`."""
        if self.reading.problems or self.reading.settings is None:
            raise NoxPexError.together(self.reading.problems)
        return self.reading.settings

    @cached_property
    def reading(self) -> Reading:
        """The settings with all their problems. Raises `NoxPexError` `config` if `pyproject.toml` cannot be read."""
        found = parse.read(
            self.project.document,
            file=str(self.project.file),
            project_name=self.project.name,
            scripts=self.project.scripts or self.project.other_scripts,
        )
        if found.settings is None or "tool.nox-pex.output-dir" in found.refused:
            return found
        if not found.settings.binary:
            return structs.replace(found, problems=tuple(_with_table(each, self.project) for each in found.problems))
        stems = [f"{name}{self.suffix}" for name in found.settings.binary]
        named = [name for binary in found.settings.binary.values() for name in binary.source_paths]
        problem = output_dir.problem_with(self.project, found.settings.output_dir, stems=stems, named=named)
        if problem is None:
            return found
        what, remedy = problem
        error = NoxPexError("config", f"{found.where('tool.nox-pex.output-dir')}: {what}", remedy)
        return structs.replace(found, problems=(*found.problems, error))

    @cached_property
    def secrets(self) -> Secrets:
        """The values that must not be shown or written. Never raises, because errors are shown with them masked."""
        try:
            document = self.project.document
        except NoxPexError:
            return known_secrets(self.environ, self.root)
        return known_secrets(self.environ, self.root, document)

    @cached_property
    def all_targets(self) -> Mapping[str, Target]:
        """Every binary in the settings, by its name."""
        return {
            name: Target(
                name=name,
                suffix=self.suffix,
                project=self.project,
                settings=self.settings,
                state=self.state,
                prebuilt=self.arguments.binary,
            )
            for name in self.settings.binary
        }

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """The binaries that the arguments select. Raises `NoxPexError` `usage`."""
        names = select_binaries(self.arguments, self.settings.binary, elsewhere=self.elsewhere)
        return tuple(self.all_targets[name] for name in names)

    @cached_property
    def provisioner(self) -> Provisioner:
        """Creates environments and installs tools."""
        shell = Shell(environ=self.environ, secrets=self.secrets, say=self.say, verbose=self.verbose)
        return Provisioner(shell=shell, caches=Caches.of(self.environ), uv=find_uv(self.environ))

    @cached_property
    def installer(self) -> Installer:
        """Installs from the lock with Poetry."""
        return Installer(
            project=self.project,
            base=self.base,
            provisioner=self.provisioner,
            poetry_version=self.settings.poetry_version,
            force=self.arguments.force,
        )

    @property
    def home(self) -> Path:
        """The environment for the first set of groups and extras. Those for other sets are inside it."""
        return self.state / "install"

    @cached_property
    def environments(self) -> Mapping[Selection, Environment]:
        """The environment for each distinct set, the same whichever binaries the arguments select."""
        here = [target for target in self.all_targets.values() if not target.table.complete_platforms]
        distinct = dict.fromkeys(target.selection for target in here)
        places = (self.home if not number else self.home / "sets" / each.key for number, each in enumerate(distinct))
        return {wanted: Environment(path=place) for wanted, place in zip(distinct, places, strict=True)}

    def wheelhouse_of(self, target: Target) -> Path:
        """The directory for the wheels of a binary for other platforms. Binaries that need the same wheels share it."""
        wanted = f"{target.selection.key} {target.table.complete_platforms}"
        return self.state / "platforms" / hashlib.sha256(wanted.encode()).hexdigest()[:12]

    def installed(self, target: Target) -> Contents:
        """Return what is installed, or fetched for other platforms, for `target`.

        Raises `NoxPexError` `usage` if the step `install` has not run yet.
        """
        found: Contents | None
        if target.table.complete_platforms:
            found = wheelhouse.load_finished(target.selection, target.platforms, self.wheelhouse_of(target))
        else:
            found = _installed_here(self, target.selection)
        if found is None:
            self.base.find()  # if this Python does not exist, that is the error to raise
            raise NoxPexError("usage", f"nothing is installed for {target.name} yet", "run `nox -s install` first")
        return found

    def check_prebuilt(self) -> None:
        """Raise `NoxPexError` `usage` if `--binary` names one file for several binaries."""
        if self.arguments.binary is not None and len(self.targets) > 1:
            names = ", ".join(target.name for target in self.targets)
            problem = f"--binary names one file, and there are {len(self.targets)} binaries: {names}"
            raise NoxPexError("usage", problem, "name its binary too, as in `-- NAME --binary PATH`")


def _with_table(problem: NoxPexError, project: Project) -> NoxPexError:
    """Return `problem` with a whole table to paste, if it is that the project has no binary."""
    if problem.code != "entry-missing":
        return problem
    paste = suggestion.to_paste(suggestion.suggest(project))
    return problem.replaced(remedy=f"paste the table above, or {problem.remedy}", paste=paste)


def wording(context: Context) -> Callable[[str], str]:
    """Return what turns a text into the one for the user: its secrets are masked, its commands are this front end's."""
    return lambda text: context.secrets.mask(context.named(text))


def shown_path(context: Context, path: Path) -> str:
    """Return `path` relative to the directory in which the user started the run."""
    return os.path.relpath(path, os.path.realpath(context.invoked_from))


def _installed_here(context: Context, wanted: Selection) -> Installed | None:
    found = context.installs.get(wanted)
    if found is None or not found.environment.usable:  # another run may have cleaned meanwhile
        found = installed.load_finished(wanted, context.environments[wanted])
    if found is not None:
        context.installs[wanted] = found
    return found


def state_directory(cache: Path, *, root: Path, suffix: str) -> Path:
    """Return the directory for the state of the project at `root`, below Nox's `cache` directory.

    It depends on the relative path between the two, so a checkout can be moved.
    """
    relative = os.path.relpath(root, cache)
    name = Path(relative).name.replace("..", "project")  # the name of the checkout's directory may change
    return cache / "nox-pex" / f"{name}-{hashlib.sha256(relative.encode()).hexdigest()[:8]}{suffix}"


def known_secrets(environ: Mapping[str, str], root: Path, document: Mapping[str, Any] | None = None) -> Secrets:
    """Return the secrets of the environment, of the project in `root`, and of the package indexes that it may use.

    `document` is the project's parsed `pyproject.toml`. Without one the file is read; it may be wrong or missing.
    """
    file = root / "pyproject.toml"
    if document is None:
        document = {}
        with contextlib.suppress(OSError, ValueError, RecursionError):
            document = tomllib.loads(files.read_text(file))
    known = Secrets.of(environ, settings_secrets.listed(document, file)).with_values(withheld.values())
    of_indexes = index_secrets.values(environ, prefix=Path(sys.prefix), project=root)
    return known.with_values([*settings_secrets.values(document, file), *of_indexes])
