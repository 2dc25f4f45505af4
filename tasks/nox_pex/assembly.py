"""How a binary comes about: the project's part, the dependencies, and pex, or the last binary with a new part."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import msgspec

from nox_pex import compress, graft, pex, record, tools, wheel
from nox_pex.command import Clock
from nox_pex.config import Binary
from nox_pex.dependencies import Packer
from nox_pex.errors import NoxPexError
from nox_pex.platforms import description
from nox_pex.target import Taken, Target
from nox_pex.tools import Provisioner


@dataclass(frozen=True, kw_only=True)
class Built:
    """A finished binary that is not in its place yet, with the version and the files of the project that are in it.

    `distributions` are name and version of each that is in it; of one that differs by target, all versions.
    """

    path: Path
    version: str | None
    shipped: tuple[str, ...]
    distributions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Assembler:
    """Makes binaries. `plain` has pex do all of it, and takes nothing over that was packed before."""

    provisioner: Provisioner
    plain: bool

    def assemble(self, target: Target, taken: Taken, *, workshop: Path, clock: Clock, held: int, edited: bool) -> Built:
        """Build the binary in `workshop`. `edited` says that it differs from the one in place by its sources alone."""
        for interpreter in target.interpreters:
            pex.check_constraints(target.binary, interpreter, key=target.key)
        with clock.step("wheel"):
            own = self._own_wheel(target, workshop)
        _check_entry(target, taken, own)
        loose = _copy_sources(target, taken, workshop / "sources")
        output = workshop / target.output.name
        if edited:
            with clock.step("graft"):
                edited = _graft(target, taken, own, loose=loose, workshop=workshop)
        if not edited:
            self._pack(target, own, loose, workshop=workshop, clock=clock, held=held)
        packed = pex.packed(output)
        distributions = [(str(d.name), d.version) for d in target.installed.distributions if d.name in packed]
        if own is None:
            shipped, version = tuple(taken.digests), target.project.version
        else:
            shipped, version = wheel.wheel_files(own), wheel.wheel_version(own)
            distributions.append((target.project.name, version))
        return Built(path=output, version=version, shipped=shipped, distributions=tuple(sorted(distributions)))

    def _pack(
        self, target: Target, own: Path | None, loose: Path | None, *, workshop: Path, clock: Clock, held: int
    ) -> None:
        """Let pex build the binary, from the dependency PEX and the project's own part."""
        binary, output = target.binary, workshop / target.output.name
        taken_over = not self.plain and _takes_over(binary)
        packing = pex.Packing(
            pre_install_wheels=binary.pre_install_wheels,
            # What pex packs again for the binary is not worth compressing; wheels go into it as they are.
            compress=binary.compress and (taken_over or not binary.pre_install_wheels),
        )
        packer = Packer(
            provisioner=self.provisioner,
            python=tools.provide_pex(self.provisioner, target.settings.pex_version, interpreter=target.interpreter),
            version=target.settings.pex_version or tools.PEX,
        )
        with contextlib.ExitStack() as stack:
            with clock.step("dependencies"):
                dependencies = packer.provide(target.installed, packing=packing, hold=(held,))
            ingredients = pex.Ingredients(
                repository=dependencies.repository,
                pins=dependencies.pins,
                wheels=stack.enter_context(_in_ascii((own,) if own else ())),
                sources=loose,
                executable=target.project.root / binary.executable if binary.executable else None,
                python_path=target.installed.environment.python.parent,
                platforms=description.written(target.platforms, workshop / "platforms"),
            )

            def run(shape: Binary, into: Path) -> None:
                words = pex.argv(
                    shape,
                    python=packer.python,
                    output=into,
                    ingredients=ingredients,
                    interpreters=target.interpreters,
                    pex_root=self.provisioner.caches.pex_root / packer.version,
                )
                environ = pex.environ(self.provisioner.shell.environ)
                outcome = self.provisioner.shell.run(
                    words, what=f"pex: {target.name}", env=environ, cwd=workshop, hold=(held,)
                )
                if outcome.status != 0 or not into.exists():
                    raise pex.failure(outcome, of=target.name)

            if taken_over and record.size(dependencies.repository) < _LARGE:
                with clock.step("pex"):
                    stored = workshop / "stored" / output.name
                    stored.parent.mkdir()
                    run(msgspec.structs.replace(binary, compress=False, check="none"), stored)
                with clock.step("compress"):
                    if compress.compressed(stored, output, repository=dependencies.repository, aside=stored.parent):
                        return
            with clock.step("pex"):
                run(binary, output)

    def _own_wheel(self, target: Target, workshop: Path) -> Path | None:
        if not target.project.package_mode:
            return None
        self.provisioner.shell.say(f"pex: building the wheel of {target.project.name}")
        into = workshop / "own"
        into.mkdir()
        own = wheel.build_wheel(target.project, into=into, interpreter=target.interpreter, provisioner=self.provisioner)
        _check_wheel(target, own)
        if target.platforms and not wheel.is_pure(own):
            names = " and ".join(platform.name for platform in target.platforms)
            problem = (
                f"{target.project.root} itself compiles: its wheel that is built here, {own.name}, is not for {names}"
            )
            remedy = "build on such a machine, or keep what compiles in a package of its own"
            raise NoxPexError("no-wheel", problem, remedy)
        return own


@contextlib.contextmanager
def _in_ascii(wheels: tuple[Path, ...]) -> Iterator[tuple[Path, ...]]:
    """The wheels, or copies of them: pex makes URLs of their paths, in which it takes no other letters."""
    if all(str(path).isascii() for path in wheels):
        yield wheels
        return
    with tempfile.TemporaryDirectory(prefix="nox-pex-") as directory:
        yield tuple(Path(shutil.copy(path, directory)) for path in wheels)


def _copy_sources(target: Target, taken: Taken, into: Path) -> Path | None:
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


def _takes_over(binary: Binary) -> bool:
    """Whether the distributions can be taken over from the dependency PEX as they lie there, compressed."""
    return binary.layout == "zipapp" and binary.compress and binary.pre_install_wheels and not binary.pex_args


def _graft(target: Target, taken: Taken, own: Path | None, *, loose: Path | None, workshop: Path) -> bool:
    """Try to build the binary from the one in place; True where that was done."""
    binary = target.binary
    by_pex = binary.layout != "zipapp" or binary.compile or binary.executable or binary.validate_entry_point
    if by_pex or binary.pex_args:
        return False
    part: graft.Loose | graft.Wheel
    if own is not None:
        part = graft.Wheel(path=own)
    elif loose is not None:
        part = graft.Loose(root=loose, names=tuple(taken.digests))
    else:
        return False
    (aside := workshop / "graft").mkdir()
    return graft.graft(target.output, workshop / target.output.name, part=part, compress=binary.compress, aside=aside)


def _check_entry(target: Target, taken: Taken, own: Path | None) -> None:
    """Raise `NoxPexError` `entry-missing` where nothing in the binary provides what it is to run."""
    binary = target.binary
    if binary.script is not None:
        scripts = set(target.installed.scripts())
        if own is not None:
            scripts |= set(wheel.wheel_entry_points(own))
        if binary.script not in scripts:
            near = get_close_matches(binary.script, scripts, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(scripts)) or 'none'}"
            problem = f"{target.key}.script is {binary.script!r}, and no distribution in the binary has such a script"
            raise NoxPexError("entry-missing", problem, remedy)
    if binary.entry_point is not None:
        module, _, attribute = binary.entry_point.partition(":")
        own_files = wheel.wheel_files(own) if own is not None else tuple(taken.digests)
        says = f"{target.key}.entry-point is {binary.entry_point!r}, and"
        if not _provides(target, own_files, module):
            remedy = "correct it" if own is not None else "correct it, or take the module in with `sources.include`"
            raise NoxPexError("entry-missing", f"{says} nothing in the binary has a module {module}", remedy)
        if not attribute and not _runs(target, own_files, module):
            remedy = f'add that module, or name a function, as in entry-point = "{module}:main"'
            raise NoxPexError("entry-missing", f"{says} {module} is a package without a __main__ module", remedy)


def _provides(target: Target, own_files: tuple[str, ...], module: str) -> bool:
    path = module.replace(".", "/")
    return any(file.startswith((f"{path}.", f"{path}/")) for file in own_files) or target.installed.has_module(module)


def _runs(target: Target, own_files: tuple[str, ...], module: str) -> bool:
    """Whether `python -m module` finds something to run: a module, or in a package its `__main__` (runpy)."""
    path = module.replace(".", "/")
    return any(
        file.startswith((f"{path}.", f"{path}/__main__.")) for file in own_files
    ) or target.installed.has_program(module)
