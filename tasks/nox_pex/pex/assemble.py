"""Build one binary: from the project's part and the dependency PEX with pex, or incrementally from the previous PEX."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from nox_pex.distributions import pex_file, wheel
from nox_pex.errors import NoxPexError
from nox_pex.pex import cli, incremental, recompress, tool
from nox_pex.pex.dependencies import Dependencies, Packer
from nox_pex.pex.entry_point import check_entry
from nox_pex.pex.inputs import ProjectFiles
from nox_pex.pex.member_limit import MOST, MemberLimit
from nox_pex.pex.target import Contents, Target, platforms_of
from nox_pex.platforms import platform
from nox_pex.project import build_wheel
from nox_pex.settings.model import Binary
from nox_pex.system import plain_paths
from nox_pex.system.command import Clock
from nox_pex.tools.provision import Provisioner


class BuiltPex(Struct, frozen=True, kw_only=True):
    """A new binary at the temporary `path`, the project's version, and the files of the project that are in it.

    `distributions` are the name and version of each distribution in it; if the versions differ by platform, all of
    them.
    """

    path: Path
    version: str | None
    shipped: tuple[str, ...]
    distributions: tuple[tuple[str, str], ...]


class Assembler(Struct, frozen=True, kw_only=True):
    """One build of the binary `target`.

    It is built from `installed` and the `files` of the project's part, in the temporary `directory`. Each tool inherits
    `lock_descriptor`, the lock on the binary. `from_scratch` makes pex do all of the work.
    """

    target: Target
    installed: Contents
    files: ProjectFiles
    directory: Path
    provisioner: Provisioner
    clock: Clock
    lock_descriptor: int
    from_scratch: bool

    @property
    def output(self) -> Path:
        """The path of the new binary, in `directory`."""
        return self.directory / self.target.output.name

    def assemble(self, *, sources_only: bool) -> BuiltPex:
        """Build the binary in `directory`.

        `sources_only` says that only the project's sources have changed since the binary at `target.output` was built.
        Raises `NoxPexError`: `python-mismatch`, `entry-missing`, `no-wheel`, `leak`, `config`, `integrity`,
        `build-failed`.
        """
        target = self.target
        for interpreter in self.installed.interpreters:
            cli.check_constraints(target.table, interpreter, key=target.key)
        with self.clock.step("wheel"):
            project_wheel = self._build_project_wheel()
        check_entry(target, self.installed, self.files, project_wheel)
        limit = MemberLimit(
            target=target,
            installed=self.installed,
            wheel=project_wheel,
            sources=self.files.digests.keys() if project_wheel is None else (),
        )
        limit.pre_install()  # raises an error before anything is copied or packed
        loose_sources = copy_sources(target, self.files, self.directory / "sources")
        rebuilt = False
        if sources_only:
            with self.clock.step("incremental"):
                rebuilt = self._rebuild_project_part(project_wheel, loose_sources, limit)
        if not rebuilt:
            self._build_with_pex(project_wheel, loose_sources, limit)
        packed = pex_file.distribution_names(self.output)
        distributions = [(str(d.name), d.version) for d in self.installed.distributions if d.name in packed]
        if project_wheel is None:
            shipped, version = tuple(self.files.digests), target.project.version
        else:
            shipped, version = wheel.wheel_files(project_wheel), wheel.wheel_version(project_wheel)
            distributions.append((target.project.name, version))
        return BuiltPex(path=self.output, version=version, shipped=shipped, distributions=tuple(sorted(distributions)))

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
        check_wheel(self.target, built)
        if platforms and not wheel.is_pure(built):
            names = " and ".join(each.name for each in platforms)
            problem = (
                f"{project.root} has compiled code: the wheel that is built here, {built.name}, is not for {names}"
            )
            remedy = "build on such a machine, or move the compiled code to a separate package"
            raise NoxPexError("no-wheel", problem, remedy)
        return built

    def _rebuild_project_part(self, project_wheel: Path | None, loose_sources: Path | None, limit: MemberLimit) -> bool:
        """Build incrementally from the binary at `target.output`; return False if pex has to build the binary."""
        table = self.target.table
        part: incremental.LoosePart | incremental.WheelPart
        if project_wheel is not None:
            part = incremental.WheelPart(path=project_wheel)
        elif loose_sources is not None:
            part = incremental.LoosePart(root=loose_sources, names=tuple(self.files.digests))
        else:
            return False
        needs_pex = table.layout != "zipapp" or table.compile or table.executable or table.validate_entry_point
        if needs_pex or table.pex_args:
            return False
        scratch = self.directory / "incremental"
        scratch.mkdir()
        return incremental.rebuild_project_part(
            self.target.output,
            self.output,
            part=part,
            pre_install_wheels=limit.pre_install(),
            compress=table.compress,
            scratch=scratch,
        )

    def _build_with_pex(self, project_wheel: Path | None, loose_sources: Path | None, limit: MemberLimit) -> None:
        """Let pex build the binary from the dependency PEX and the project's part."""
        with contextlib.ExitStack() as stack:
            pex = stack.enter_context(
                tool.provide(self.provisioner, self.target.settings.pex_version, interpreter=self.installed.interpreter)
            )
            packer = Packer(provisioner=self.provisioner, pex=pex)
            with self.clock.step("dependencies"):
                table, dependencies = self._pack_dependencies(packer, limit)
            inputs = cli.PexInputs(
                repository=dependencies.repository,
                pins=dependencies.pins,
                wheels=stack.enter_context(_plain_copies((project_wheel,) if project_wheel else ())),
                sources=loose_sources,
                executable=self.target.project.root / table.executable if table.executable else None,
                python_path=self.installed.interpreter.executable,
                platforms=platform.write(platforms_of(self.installed), self.directory / "platforms"),
            )
            if self._reuses_compressed(table) and pex_file.size(dependencies.repository) < _MAX_STORED:
                stored = self.directory / "stored" / self.output.name
                stored.parent.mkdir()
                with self.clock.step("pex"):
                    self._run_pex(msgspec.structs.replace(table, compress=False, check="none"), stored, pex, inputs)
                with self.clock.step("compress"):
                    repository = dependencies.repository
                    if recompress.reuse_compressed(stored, self.output, repository=repository, scratch=stored.parent):
                        return
            with self.clock.step("pex"):
                self._run_pex(table, self.output, pex, inputs)

    def _pack_dependencies(self, packer: Packer, limit: MemberLimit) -> tuple[Binary, Dependencies]:
        """Return the table with `pre_install_wheels` decided, and the dependency PEX for it."""
        if pre_install := limit.pre_install():
            dependencies = self._dependencies(packer, pre_install=True)
            pre_install = limit.pre_install(dependencies.repository)
        if not pre_install:
            if self.target.table.pre_install_wheels is None:
                self.provisioner.shell.say(
                    f"pex: {self.target.name} stores its distributions as wheels (pre-install-wheels = false), because "
                    f"a PEX file holds {MOST:,} files and directories, and installed they are {limit.number():,}"
                )
            dependencies = self._dependencies(packer, pre_install=False)
        return msgspec.structs.replace(self.target.table, pre_install_wheels=pre_install), dependencies

    def _dependencies(self, packer: Packer, *, pre_install: bool) -> Dependencies:
        table = msgspec.structs.replace(self.target.table, pre_install_wheels=pre_install)
        wheel_format = cli.WheelFormat(
            pre_install_wheels=pre_install,
            # pex compresses installed distributions again for the binary, but copies wheels as they are.
            compress=table.compress and (not pre_install or self._reuses_compressed(table)),
        )
        return packer.provide(self.installed, wheel_format=wheel_format, hold=(self.lock_descriptor,))

    def _reuses_compressed(self, table: Binary) -> bool:
        return not self.from_scratch and _can_reuse_compressed(table)

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
        outcome = shell.run(argv, what=f"pex: {name}", env=pex.environ, cwd=self.directory, hold=hold)
        if outcome.status != 0 or not output.exists():
            raise cli.failure(outcome, of=name)


_MAX_STORED: Final = 1 << 30
"""Bytes of packed dependencies. With more, an uncompressed PEX may be a ZIP64 archive, which `recompress` cannot read.
"""


def _can_reuse_compressed(table: Binary) -> bool:
    """Whether `recompress` can copy the compressed distributions from the dependency PEX to the binary."""
    return table.layout == "zipapp" and table.compress and bool(table.pre_install_wheels) and not table.pex_args


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
    if target.project.package_mode or not files.digests:
        return None
    for name in files.digests:
        source, copy = target.project.root / name, into / name
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
