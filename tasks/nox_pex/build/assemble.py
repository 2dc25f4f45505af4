"""How a binary comes about: the project's part, the dependencies, and pex, or the last binary with a new part."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from nox_pex.build import incremental, pex_cli, recompress
from nox_pex.build.dependencies import Packer
from nox_pex.build.entry_point import check_entry
from nox_pex.build.inputs import ProjectFiles
from nox_pex.build.target import Contents, Target, platforms_of
from nox_pex.distributions import pex_file, wheel
from nox_pex.errors import NoxPexError
from nox_pex.platforms import platform
from nox_pex.project import build_wheel
from nox_pex.settings.model import Binary
from nox_pex.system.command import Clock
from nox_pex.tools import pinned
from nox_pex.tools.provision import Provisioner


class BuiltPex(Struct, frozen=True, kw_only=True):
    """A finished binary that is not in its place yet, with the version and the files of the project that are in it.

    `distributions` are name and version of each that is in it; of one that differs by target, all versions.
    """

    path: Path
    version: str | None
    shipped: tuple[str, ...]
    distributions: tuple[tuple[str, str], ...]


class Assembler(Struct, frozen=True, kw_only=True):
    """One build of a binary.

    `target` is built from `installed` and the project's own `files`, in `directory`, which is temporary. `held` is the
    descriptor of the lock on the binary, which each tool inherits. `from_scratch` has pex do all of the work, so that
    nothing is reused that was packed before.
    """

    target: Target
    installed: Contents
    files: ProjectFiles
    directory: Path
    provisioner: Provisioner
    clock: Clock
    held: int
    from_scratch: bool

    @property
    def output(self) -> Path:
        """The finished file, in `directory`."""
        return self.directory / self.target.output.name

    def assemble(self, *, sources_only: bool) -> BuiltPex:
        """Build the binary in `directory`.

        `sources_only` says that it differs from the one in place by the project's sources alone. Raises `NoxPexError`.
        """
        target = self.target
        for interpreter in self.installed.interpreters:
            pex_cli.check_constraints(target.table, interpreter, key=target.key)
        with self.clock.step("wheel"):
            own = self._own_wheel()
        check_entry(target, self.installed, self.files, own)
        loose = _copy_sources(target, self.files, self.directory / "sources")
        rebuilt = False
        if sources_only:
            with self.clock.step("incremental"):
                rebuilt = self._rebuild_project_part(own, loose)
        if not rebuilt:
            self._build_whole(own, loose)
        packed = pex_file.packed(self.output)
        distributions = [(str(d.name), d.version) for d in self.installed.distributions if d.name in packed]
        if own is None:
            shipped, version = tuple(self.files.digests), target.project.version
        else:
            shipped, version = wheel.wheel_files(own), wheel.wheel_version(own)
            distributions.append((target.project.name, version))
        return BuiltPex(path=self.output, version=version, shipped=shipped, distributions=tuple(sorted(distributions)))

    def _build_whole(self, own: Path | None, loose: Path | None) -> None:
        """Let pex build the binary, from the dependency PEX and the project's own part."""
        table = self.target.table
        reused = not self.from_scratch and _can_reuse(table)
        wheel_format = pex_cli.WheelFormat(
            pre_install_wheels=table.pre_install_wheels,
            # What pex packs again for the binary is not worth compressing; wheels go into it as they are.
            compress=table.compress and (reused or not table.pre_install_wheels),
        )
        packer = self._packer()
        with contextlib.ExitStack() as stack:
            with self.clock.step("dependencies"):
                dependencies = packer.provide(self.installed, wheel_format=wheel_format, hold=(self.held,))
            inputs = pex_cli.PexInputs(
                repository=dependencies.repository,
                pins=dependencies.pins,
                wheels=stack.enter_context(_in_ascii((own,) if own else ())),
                sources=loose,
                executable=self.target.project.root / table.executable if table.executable else None,
                python_path=self.installed.environment.python.parent,
                platforms=platform.written(platforms_of(self.installed), self.directory / "platforms"),
            )
            if reused and pex_file.size(dependencies.repository) < _LARGE:
                stored = self.directory / "stored" / self.output.name
                stored.parent.mkdir()
                with self.clock.step("pex"):
                    self._run_pex(msgspec.structs.replace(table, compress=False, check="none"), stored, packer, inputs)
                with self.clock.step("compress"):
                    repository = dependencies.repository
                    if recompress.reuse_compressed(stored, self.output, repository=repository, scratch=stored.parent):
                        return
            with self.clock.step("pex"):
                self._run_pex(table, self.output, packer, inputs)

    def _packer(self) -> Packer:
        version = self.target.settings.pex_version
        python = pinned.provide_pex(self.provisioner, version, interpreter=self.installed.interpreter)
        return Packer(provisioner=self.provisioner, python=python, version=version or pinned.PEX)

    def _run_pex(self, table: Binary, output: Path, packer: Packer, inputs: pex_cli.PexInputs) -> None:
        """Run pex once, as `table` has it, and leave the result in `output`. Raises `NoxPexError` `build-failed`."""
        shell, name = self.provisioner.shell, self.target.name
        argv = pex_cli.argv(
            table,
            python=packer.python,
            output=output,
            inputs=inputs,
            interpreters=self.installed.interpreters,
            pex_root=self.provisioner.caches.pex_root / packer.version,
        )
        environ = pex_cli.environ(shell.environ)
        outcome = shell.run(argv, what=f"pex: {name}", env=environ, cwd=self.directory, hold=(self.held,))
        if outcome.status != 0 or not output.exists():
            raise pex_cli.failure(outcome, of=name)

    def _own_wheel(self) -> Path | None:
        """The project's wheel, made by its build backend; None if the project is no package."""
        project, platforms = self.target.project, platforms_of(self.installed)
        if not project.package_mode:
            return None
        self.provisioner.shell.say(f"pex: building the wheel of {project.name}")
        into = self.directory / "own"
        into.mkdir()
        own = build_wheel.build_wheel(
            project, into=into, interpreter=self.installed.interpreter, provisioner=self.provisioner
        )
        _check_wheel(self.target, own)
        if platforms and not wheel.is_pure(own):
            names = " and ".join(each.name for each in platforms)
            problem = f"{project.root} itself compiles: its wheel that is built here, {own.name}, is not for {names}"
            remedy = "build on such a machine, or keep what compiles in a package of its own"
            raise NoxPexError("no-wheel", problem, remedy)
        return own

    def _rebuild_project_part(self, own: Path | None, loose: Path | None) -> bool:
        """Try to copy the binary in place with a new project part; False if it has to be built by pex."""
        table, part = self.target.table, self._part(own, loose)
        by_pex = table.layout != "zipapp" or table.compile or table.executable or table.validate_entry_point
        if part is None or by_pex or table.pex_args:
            return False
        (scratch := self.directory / "incremental").mkdir()
        return incremental.rebuild_project_part(
            self.target.output, self.output, part=part, compress=table.compress, scratch=scratch
        )

    def _part(self, own: Path | None, loose: Path | None) -> incremental.LoosePart | incremental.WheelPart | None:
        if own is not None:
            return incremental.WheelPart(path=own)
        return None if loose is None else incremental.LoosePart(root=loose, names=tuple(self.files.digests))


@contextlib.contextmanager
def _in_ascii(wheels: tuple[Path, ...]) -> Iterator[tuple[Path, ...]]:
    """The wheels, or copies of them: pex makes URLs of their paths, in which it takes no other letters."""
    if all(str(path).isascii() for path in wheels):
        yield wheels
        return
    with tempfile.TemporaryDirectory(prefix="nox-pex-") as directory:
        yield tuple(Path(shutil.copy(path, directory)) for path in wheels)


def _copy_sources(target: Target, taken: ProjectFiles, into: Path) -> Path | None:
    """The loose sources under one directory, with the same modes whatever the user's umask; None for a package."""
    if target.project.package_mode or not taken.digests:
        return None
    for name in taken.digests:
        source, copy = target.project.root / name, into / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        copy.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)
    return into


_NEVER: Final = re.compile(
    r"(^|/)(\.env(?!\.(example|sample|template|dist)$)(\.[^/]*)?|\.git/.*|\.venv/.*|\.netrc|\.pypirc|pyvenv\.cfg"
    r"|id_(rsa|dsa|ecdsa|ed25519)|[^/]*\.pex)$"
)
"""What no wheel of a project is to hold. Its build backend takes in all that lies in a package and that Git does not
ignore, which in a checkout without Git is everything."""


def _check_wheel(target: Target, own: Path) -> None:
    """Raise `NoxPexError` `leak` where the build backend took in what must not leave the machine."""
    for name in wheel.wheel_files(own):
        if _NEVER.search(name):
            problem = f"the build backend of {target.project.root} puts {name} into the wheel"
            remedy = f'remove the file, or leave it out, as with exclude = ["{name}"] under [tool.poetry]'
            raise NoxPexError("leak", problem, remedy)


_LARGE: Final = 1 << 30
"""Bytes of packed dependencies from which on an uncompressed PEX would be a ZIP64 archive, which is not read here."""


def _can_reuse(table: Binary) -> bool:
    """Whether the distributions can be taken over from the dependency PEX as they lie there, compressed."""
    return table.layout == "zipapp" and table.compress and table.pre_install_wheels and not table.pex_args
