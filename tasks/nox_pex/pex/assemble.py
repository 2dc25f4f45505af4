"""Build one binary: compose it from packed parts, or let pex build it from the dependency PEX."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from packaging.utils import NormalizedName

from nox_pex.distributions import pex_file, wheel
from nox_pex.errors import NoxPexError
from nox_pex.pex import cli, composer, disagreements, notes, tool, wheel_changes
from nox_pex.pex.composer import Composer, ProjectPart
from nox_pex.pex.dependencies import Dependencies, Packer
from nox_pex.pex.disagreements import Disagreement, Disagreements, Member
from nox_pex.pex.entry_point import entry_point_for_pex
from nox_pex.pex.inputs import ProjectFiles
from nox_pex.pex.member_limit import MOST, MemberLimit
from nox_pex.pex.notes import Notes
from nox_pex.pex.target import Contents, Target, platforms_of
from nox_pex.platforms import platform
from nox_pex.poetry import lock
from nox_pex.project import build_wheel
from nox_pex.settings.model import Binary
from nox_pex.system import plain_paths
from nox_pex.system.command import Clock
from nox_pex.tools.provision import Provisioner


class BuiltPex(Struct, frozen=True, kw_only=True):
    """A new binary at the temporary `path`, the project's version, and the files of the project that are in it.

    `distributions` are the name and version of each distribution in it; if the versions differ by platform, all of
    them. `disagreements` are those about it.
    """

    path: Path
    version: str | None
    shipped: tuple[str, ...]
    distributions: tuple[tuple[str, str], ...]
    disagreements: tuple[Disagreement, ...]


class Assembler(Struct, frozen=True, kw_only=True):
    """One build of the binary `target`.

    It is built from `installed` and the `files` of the project's part, in the temporary `directory`. Each tool inherits
    `lock_descriptor`, the lock on the binary. `from_scratch` makes pex do all of the work, in caches that began
    empty for this build. `previous` is the previous binary if it is exactly as it was built.
    """

    target: Target
    installed: Contents
    files: ProjectFiles
    directory: Path
    provisioner: Provisioner
    clock: Clock
    lock_descriptor: int
    from_scratch: bool
    previous: Path | None

    @property
    def output(self) -> Path:
        """The path of the new binary, in `directory`."""
        return self.directory / self.target.output.name

    def assemble(self) -> BuiltPex:
        """Build the binary in `directory`.

        Raises `NoxPexError`: `python-mismatch`, `entry-missing`, `no-wheel`, `leak`, `config`, `integrity`,
        `build-failed`.
        """
        target = self.target
        for interpreter in self.installed.interpreters:
            cli.check_constraints(target.table, interpreter, key=target.key)
        with self.clock.step("wheel"):
            project_wheel = self._build_project_wheel()
            project = self._make_packable(project_wheel)
        limit = MemberLimit(
            target=target,
            installed=self.installed,
            wheel=project_wheel,
            sources=self.files.placed.keys() if project_wheel is None else (),
        )
        loose_sources = copy_sources(target, self.files, self.directory / "sources")
        entry_point = entry_point_for_pex(
            target, self.installed, self.files, project_wheel=project_wheel, sources=loose_sources
        )
        part = ProjectPart(
            wheel=project_wheel,
            member=project,
            sources=loose_sources,
            names=tuple(self.files.placed) if loose_sources is not None else (),
            entry_point=entry_point,
        )
        with self.clock.step("disagreements"):
            noted = self._disagreements(project)
        found = noted.disagreements
        composing, packed = self._composer(part, noted), None
        if composing is not None and target.table.pre_install_wheels is not False:
            packed = composing.compose(self.output)
        if packed is None:
            packed = self._build_with_pex(part, limit, found, composing)
        if target.table.validate_entry_point and entry_point is not None:
            with self.clock.step("validate"):
                self._validate(entry_point)
        distributions = [(str(d.name), d.version) for d in self.installed.distributions if d.name in packed]
        if project_wheel is None:
            shipped, version = tuple(self.files.placed), target.project.version
        else:
            shipped, (_, version) = wheel.wheel_files(project_wheel), wheel.name_and_version(project_wheel)
            distributions.append((target.project.name, version))
        return BuiltPex(
            path=self.output,
            version=version,
            shipped=shipped,
            distributions=tuple(sorted(distributions)),
            disagreements=found.without(target.table.exclude),
        )

    def _build_project_wheel(self) -> Path | None:
        """Build the project's wheel with its build backend; None if the project is no package."""
        project, platforms = self.target.project, platforms_of(self.installed)
        if not project.package_mode:
            return None
        self.provisioner.shell.say(f"pex: building the wheel of {project.name}")
        into = self.directory / "wheel"
        into.mkdir()
        built = build_wheel.build_wheel(
            project, into=into, interpreter=self.installed.interpreter, provisioner=self.provisioner
        )
        wheel_changes.apply(self.target, self.files, built, self.installed, say=self.provisioner.shell.say)
        check_wheel(self.target, built)
        if platforms and not wheel.is_pure(built):
            names = " and ".join(each.name for each in platforms)
            problem = (
                f"{project.root} has compiled code: the wheel that is built here, {built.name}, is not for {names}"
            )
            remedy = "build on such a machine, or move the compiled code to a separate package"
            raise NoxPexError("no-wheel", problem, remedy)
        return built

    def _make_packable(self, project_wheel: Path | None) -> Member | None:
        """Rewrite the metadata in the project's wheel that pex does not accept; return its metadata as it is then."""
        if project_wheel is None:
            return None
        member = disagreements.project_member(project_wheel, self.installed)
        wheel.with_dist_info(project_wheel, member.info.contents)
        return member

    def _disagreements(self, project: Member | None) -> Notes:
        """Return notes with the disagreements about the binary: those that the last build noted, if they still hold."""
        target, noted = self.target, Notes() if self.from_scratch else notes.read(self.target)
        follow_from = notes.disagreements_follow_from(target, self.installed, project)
        if noted.disagreements_for == follow_from:
            return noted
        found = disagreements.find(self.installed, lock.read(target.project.lock), project=project)
        new = msgspec.structs.replace(noted, disagreements_for=follow_from, disagreements=found)
        if not self.from_scratch:
            notes.write(target, new)
        return new

    def _composer(self, part: ProjectPart, noted: Notes) -> Composer | None:
        """The composer of the binary; None if pex has to build it."""
        if self.from_scratch or not composer.supports(self.target.table):
            return None
        return Composer(
            target=self.target,
            contents=self.installed,
            disagreements=noted.disagreements,
            project=part,
            provisioner=self.provisioner,
            directory=self.directory,
            previous=self.previous,
            notes=noted,
            clock=self.clock,
            lock_descriptor=self.lock_descriptor,
        )

    def _build_with_pex(
        self, part: ProjectPart, limit: MemberLimit, found: Disagreements, composing: Composer | None
    ) -> frozenset[NormalizedName]:
        """Let pex build the dependency PEX, and the binary from it, in spite of what it objects to.

        The binary is composed if it stores wheels and `composing` can do that. Return the names of its distributions.
        """
        with contextlib.ExitStack() as stack:
            pex = stack.enter_context(
                tool.provide(self.provisioner, self.target.settings.pex_version, interpreter=self.installed.interpreter)
            )
            packer = Packer(provisioner=self.provisioner, pex=pex, own_root=self.from_scratch)
            with self.clock.step("dependencies"):
                table, dependencies = self._pack_dependencies(packer, limit, found)
            if composing is not None and not table.pre_install_wheels:
                packed = composing.compose_stored(self.output, dependencies.repository)
                if packed is not None:
                    return packed
            wheels = stack.enter_context(_plain_copies((part.wheel,) if part.wheel else ()))
            inputs = cli.PexInputs(
                distributions=cli.repository_options(dependencies.repository, pins=dependencies.pins, wheels=wheels),
                sources=part.sources,
                executable=self.target.project.root / table.executable if table.executable else None,
                entry_point=part.entry_point,
                python_path=self.installed.interpreter.executable,
                platforms=platform.write(platforms_of(self.installed), self.directory / "platforms"),
            )
            with self.clock.step("pex"):
                self._run_pex(table, self.output, pex, inputs)
        return pex_file.distribution_names(self.output)

    def _validate(self, entry_point: str) -> None:
        """Import the entry point in the new binary. Raises `NoxPexError` `build-failed` if that fails.

        pex's option for that does it in the cache of the user's binaries, and leaves links to the build's files there.
        """
        shell, scratch = self.provisioner.shell, self.directory / "validate"
        scratch.mkdir()
        argv = cli.import_argv(self.output, python=self.installed.interpreter.executable, entry_point=entry_point)
        environ = cli.import_environ(shell.environ, pex_root=scratch / "pex-root")
        what = f"pex: importing {entry_point}"
        outcome = shell.run(argv, what=what, env=environ, cwd=scratch, hold=(self.lock_descriptor,))
        if outcome.status != 0:
            reason = outcome.tail[-1].strip() if outcome.tail else f"exit status {outcome.status}"
            problem = f"{self.target.name} cannot import its entry point {entry_point}: {reason}"
            raise NoxPexError("build-failed", problem, "correct it, or the program", log=outcome.tail)

    def _pack_dependencies(
        self, packer: Packer, limit: MemberLimit, found: Disagreements
    ) -> tuple[Binary, Dependencies]:
        """Return the table with `pre_install_wheels` decided, and the dependency PEX for it."""
        if pre_install := limit.pre_install():
            dependencies = self._dependencies(packer, found, pre_install=True)
            pre_install = limit.pre_install(dependencies.repository)
        if not pre_install:
            if self.target.table.pre_install_wheels is None:
                self.provisioner.shell.say(
                    f"pex: {self.target.name} stores its distributions as wheels (pre-install-wheels = false), because "
                    f"a PEX file holds {MOST:,} files and directories, and installed they are {limit.number():,}"
                )
            dependencies = self._dependencies(packer, found, pre_install=False)
        return msgspec.structs.replace(self.target.table, pre_install_wheels=pre_install), dependencies

    def _dependencies(self, packer: Packer, found: Disagreements, *, pre_install: bool) -> Dependencies:
        table = msgspec.structs.replace(self.target.table, pre_install_wheels=pre_install)
        wheel_format = cli.WheelFormat(
            pre_install_wheels=pre_install,
            # pex compresses installed distributions again for the binary, but copies wheels as they are.
            compress=table.compress and not pre_install,
        )
        return packer.provide(
            self.installed, disagreements=found, wheel_format=wheel_format, hold=(self.lock_descriptor,)
        )

    def _run_pex(self, table: Binary, output: Path, pex: tool.Pex, inputs: cli.PexInputs) -> None:
        """Build the binary of `table` with pex as the file `output`. Raises `NoxPexError` `build-failed`."""
        shell, name = self.provisioner.shell, self.target.name
        argv = cli.pex_argv(
            table,
            python=pex.python,
            output=output,
            inputs=inputs,
            interpreters=self.installed.interpreters,
            pex_root=pex.root,
        )
        hold = (self.lock_descriptor,)
        environ = {**pex.environ, **cli.inject_environ(table)}
        outcome = shell.run(argv, what=f"pex: {name}", env=environ, cwd=self.directory, hold=hold)
        if outcome.status != 0 or not output.exists():
            raise cli.failure(outcome, of=name)


@contextlib.contextmanager
def _plain_copies(wheels: tuple[Path, ...]) -> Iterator[tuple[Path, ...]]:
    """Yield the wheels, or copies of them with plain paths, because pex makes requirements and URLs of their paths."""
    if all(map(plain_paths.is_plain, wheels)):
        yield wheels
        return
    with plain_paths.plain_directory() as directory:
        yield tuple(Path(shutil.copy(path, directory)) for path in wheels)


def copy_sources(target: Target, files: ProjectFiles, into: Path) -> Path | None:
    """Copy the loose sources to `into`, with modes that do not depend on the umask; return `into`.

    None if the project is a package, or has no sources.
    """
    if target.project.package_mode or not files.placed:
        return None
    for path, name in files.placed.items():
        source, copy = target.project.root / name, into / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        copy.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)
    return into


_FORBIDDEN: Final = re.compile(
    r"(^|/)(\.env(?!\.(example|sample|template|dist)$)(\.[^/]*)?|\.git/.*|\.venv/.*|\.netrc|\.pypirc|pyvenv\.cfg"
    r"|id_(rsa|dsa|ecdsa|ed25519)|[^/]*\.pex)$"
)
"""Files that a project's wheel must not contain. A build backend takes every file in a package that Git does not
ignore; in a checkout without Git, every file."""


def check_wheel(target: Target, project_wheel: Path) -> None:
    """Raise `NoxPexError` `leak` if the project's wheel contains a file that must not leave this machine."""
    for name in wheel.wheel_files(project_wheel):
        if _FORBIDDEN.search(name):
            problem = f"the build backend of {target.project.root} puts {name} into the wheel"
            remedy = f'remove the file, or exclude it, as in exclude = ["{name}"] under [tool.poetry]'
            raise NoxPexError("leak", problem, remedy)
