"""From a finished install to a binary: decide whether anything changed, build aside, move it into place whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec

import nox_pex
from nox_pex import compress, files, graft, lock, pex, record, sources, tools, wheel
from nox_pex.command import Clock, Shell, tool_environ
from nox_pex.config import Binary, Settings
from nox_pex.dependencies import Packer
from nox_pex.environment import Interpreter, entry_points
from nox_pex.errors import NoxPexError
from nox_pex.inputs import Inputs, digests
from nox_pex.install import Installed, counted
from nox_pex.project import Project
from nox_pex.tools import Provisioner

_NO_INPUT: Final = ("smoke", "budget", "groups", "extras")
"""Keys of a binary's table that do not change its bytes: what is checked later, and what is seen as installed."""

_RECIPE: Final = (
    "build.py",
    "compress.py",
    "dependencies.py",
    "graft.py",
    "metadata.py",
    "pex.py",
    "sources.py",
    "splice.py",
    "stage.py",
    "wheel.py",
)
"""Our own files that decide the bytes: an input like any other."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A binary to build: where its files go, what it is made from.

    `name` is as in the settings, `stem` what its files are called (`service`, `service-py3.12`), `state` a private
    directory where an earlier run's inputs are remembered.
    """

    name: str
    stem: str
    binary: Binary
    settings: Settings
    project: Project
    installed: Installed
    state: Path

    @property
    def output(self) -> Path:
        """The binary itself."""
        return self.directory / f"{self.stem}.pex"

    @property
    def record(self) -> Path:
        """Its build record."""
        return self.directory / f"{self.stem}.pex.json"

    @property
    def directory(self) -> Path:
        """`output-dir`, absolute."""
        return self.project.root / self.settings.output_dir

    @property
    def key(self) -> str:
        """The table that it comes from, for errors."""
        return f"tool.nox-pex.binary.{self.name}"

    @cached_property
    def interpreter(self) -> Interpreter:
        """The Python that it is for."""
        return self.installed.environment.interpreter()


@dataclass(frozen=True, kw_only=True)
class Taken:
    """The project's own part: each file that is an input, with its digest, and (of loose sources) what was left out."""

    digests: Mapping[str, str]
    left_out: tuple[sources.LeftOut, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Built:
    """A finished binary that is not in its place yet, with the version and the files of the project that are in it."""

    path: Path
    version: str | None
    shipped: tuple[str, ...]
    distributions: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Builder:
    """Builds targets.

    `force` builds even where nothing changed. `plain` has pex do all of it, and takes nothing over that was packed
    before: slower, the same bytes, and so what a binary can be judged by.
    """

    shell: Shell
    provisioner: Provisioner
    force: bool
    plain: bool = False

    def build(self, target: Target) -> None:
        """Let the binary of `target` be what its inputs say, and its record with it.

        Raises `NoxPexError`; the binary that was there before is then untouched.
        """
        with files.writing(f"{target.output}"):
            target.directory.mkdir(parents=True, exist_ok=True)
            waiting = f"pex: waiting for another run that builds {target.output}"
            with files.locked(target.state / f"{target.stem}.lock", waiting=lambda: self.shell.say(waiting)) as held:
                self._build(target, held=held)

    def _build(self, target: Target, *, held: int) -> None:
        taken = _take_sources(target)
        inputs = _inputs(target, taken, version=self._version_inputs(target))
        memory = target.state / f"{target.stem}.inputs.json"
        change = record.change(
            target.output, files.read_json(target.record), remembered=files.read_json(memory), inputs=inputs
        )
        if change is None and not self.force:
            self.shell.say(f"pex: {target.name} unchanged, {_megabytes(target.output)} ({_shown(target)})")
            return
        why = ", ".join(change.words) if change is not None else "forced"
        self.shell.say(f"pex: {'re' if target.output.exists() else ''}building {target.name}: {why}")
        self._tell_left_out(target, taken)
        clock = Clock()
        clock.seconds["install"] = round(target.installed.seconds, 3)
        with _workshop(target) as workshop:
            edited = change is not None and change.kinds == {"sources"} and not self.force
            built = self._make(target, taken, workshop=workshop, clock=clock, held=held, edited=edited)
            inputs = {**inputs, "sources": {**inputs["sources"], **_generated(target, taken)}}
            entry = _record(target, taken, inputs, built=built, clock=clock, git=self._git(target))
            files.move_into_place(built.path, target.output)
        # From here to the next two lines the record does not fit the binary; a run that finds it so builds again.
        files.write_json(memory, inputs)
        files.write_json(target.record, entry)
        self.shell.say(
            f"pex: {target.name} built in {sum(s for step, s in clock.seconds.items() if step != 'install'):.1f} s, "
            f"{_megabytes(target.output)}, {counted(entry['distributions'])} ({_shown(target)})"
        )

    def _make(self, target: Target, taken: Taken, *, workshop: Path, clock: Clock, held: int, edited: bool) -> Built:
        """Build the binary in `workshop`. `edited` says that it differs from the one in place by its sources alone."""
        pex.check_constraints(target.binary, target.interpreter, key=target.key)
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
        distributions: dict[str, str] = {d.name: d.version for d in target.installed.distributions if d.name in packed}
        if own is None:
            shipped, version = tuple(taken.digests), target.project.version
        else:
            shipped, version = wheel.wheel_files(own), wheel.wheel_version(own)
            distributions[target.project.name] = version
        return Built(path=output, version=version, shipped=shipped, distributions=distributions)

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
            home=target.state / "dependencies",
            python=tools.provide_pex(self.provisioner, target.settings.pex_version, interpreter=target.interpreter),
            version=target.settings.pex_version or tools.PEX,
        )
        with contextlib.ExitStack() as stack:
            with clock.step("dependencies"):
                dependencies = stack.enter_context(packer.provided(target.installed, packing=packing, hold=(held,)))
            ingredients = pex.Ingredients(
                repository=dependencies.repository,
                pins=dependencies.pins,
                wheels=stack.enter_context(_in_ascii((own,) if own else ())),
                sources=loose,
                executable=target.project.root / binary.executable if binary.executable else None,
                python_path=target.installed.environment.python.parent,
            )

            def run(shape: Binary, into: Path) -> None:
                words = pex.argv(
                    shape,
                    python=packer.python,
                    output=into,
                    ingredients=ingredients,
                    interpreter=target.interpreter,
                    pex_root=self.provisioner.caches.pex_root,
                )
                environ = pex.environ(self.shell.environ)
                outcome = self.shell.run(words, what=f"pex: {target.name}", env=environ, cwd=workshop, hold=(held,))
                if outcome.status != 0 or not into.exists():
                    raise pex.failure(outcome, of=target.name)

            if taken_over:
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
        self.shell.say(f"pex: building the wheel of {target.project.name}")
        into = workshop / "own"
        into.mkdir()
        own = wheel.build_wheel(target.project, into=into, interpreter=target.interpreter, provisioner=self.provisioner)
        _check_wheel(target, own)
        return own

    def _tell_left_out(self, target: Target, taken: Taken) -> None:
        if target.project.package_mode:
            return
        self.shell.say(f"pex: sources: {_listed(taken.digests)}")
        for left in taken.left_out:
            self.shell.say(f"pex: left out: {left}")

    def _version_inputs(self, target: Target) -> Mapping[str, str]:
        """What a build backend makes the version from that is no file: Git's name for the commit, and variables."""
        if not target.project.version_from_git:
            return {}
        env = tool_environ(self.shell.environ)
        described = ""
        with contextlib.suppress(OSError):
            for words in (["log", "-1", "--format=%H %D"], ["describe", "--tags", "--long", "--always", "--dirty"]):
                described += self.shell.run(["git", *words], what="git", env=env, cwd=target.project.root).output
        given = sorted((name, value) for name, value in env.items() if name.startswith(_VERSION_VARIABLES))
        return {"the version from Git": hashlib.sha256(repr((described, given)).encode()).hexdigest()}

    def _git(self, target: Target) -> Mapping[str, Any] | None:
        """The commit that the project is at, and whether anything in it is not committed; None outside Git."""
        with contextlib.suppress(OSError):
            env = tool_environ(self.shell.environ)
            root = target.project.root
            head = self.shell.run(["git", "rev-parse", "HEAD"], what="git", env=env, cwd=root)
            if head.status == 0:
                status = self.shell.run(["git", "status", "--porcelain", "--", "."], what="git", env=env, cwd=root)
                return {"commit": head.output.strip(), "dirty": bool(status.output.strip())}
        return None


_VERSION_VARIABLES: Final = ("POETRY_DYNAMIC_VERSIONING_", "SETUPTOOLS_SCM_", "DUNAMAI_", "VERSIONEER_")
"""Prefixes of the variables by which a user tells such a backend the version."""

_SHOWN: Final = 6
"""Sources that are named one by one."""


def _take_sources(target: Target) -> Taken:
    project, output_dir = target.project, target.settings.output_dir
    if project.package_mode:
        listed = sources.project_files(project.root, output_dir=output_dir, extra=project.includes)
        return Taken(digests=sources.digests(project.root, listed))
    chosen = target.binary.sources
    selection = sources.select(
        project.root, include=chosen.include, exclude=chosen.exclude, output_dir=output_dir, key=f"{target.key}.sources"
    )
    return Taken(digests=sources.digests(project.root, selection.taken), left_out=selection.left_out)


def _generated(target: Target, taken: Taken) -> Mapping[str, str]:
    """The digests of files that a build script has just made or made anew in the project's directory.

    They are inputs, but what they were before that is of no interest. Only what Git ignores: a file that someone
    edited while the build ran has to count as changed.
    """
    if not target.project.package_mode:
        return {}
    after = _take_sources(target).digests
    differing = {name for name, digest in after.items() if taken.digests.get(name) != digest}
    return {name: after[name] for name in sources.ignored(target.project.root, differing)} if differing else {}


def _inputs(target: Target, taken: Taken, *, version: Mapping[str, str]) -> Inputs:
    """All that decides the bytes of the binary, by kind and item; `version` is what else decides its version."""
    executable = target.binary.executable
    return {
        "lock": {"poetry.lock": lock.digest(target.project.lock)},
        "settings": _setting_digests(target.binary),
        "sources": {
            **taken.digests,
            **version,
            **({executable: _executable_digest(target, executable)} if executable is not None else {}),
        },
        # The RECORD of what is installed for editing does not change with its sources.
        "distributions": {
            d.name: f"{d.version} {d.record} {target.installed.path_digests.get(d.name, '')}"
            for d in target.installed.distributions
        },
        "tools": {
            "poetry": target.settings.poetry_version or tools.POETRY,
            "pex": target.settings.pex_version or tools.PEX,
            "nox-pex": nox_pex.__version__,
        },
        "recipe": {"the code of nox-pex": _recipe()},
        "python": {"python": target.interpreter.identity, "platform": sysconfig.get_platform()},
    }


def _setting_digests(binary: Binary) -> dict[str, str]:
    """A digest for each key: not the value, since `inject-env` may hold what must not be written anywhere."""
    table = msgspec.to_builtins(binary)
    return {
        key: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
        for key, value in table.items()
        if key not in _NO_INPUT
    }


def _executable_digest(target: Target, executable: str) -> str:
    file = target.project.root / executable
    if not file.is_file():
        problem = f"{target.key}.executable names {executable}, and there is no such file in {target.project.root}"
        raise NoxPexError("source-missing", problem, "correct the path; it is taken from the project's directory")
    return record.digest(file)


def _recipe() -> str:
    """A digest of our own code that decides the bytes, so that a newer nox-pex builds again where it must."""
    hasher = hashlib.sha256()
    for name in _RECIPE:
        hasher.update(Path(__file__).with_name(name).read_bytes())
    return hasher.hexdigest()[:16]


@contextlib.contextmanager
def _workshop(target: Target) -> Iterator[Path]:
    """A temporary directory beside the binary, so that the finished one is moved, not copied, into its place.

    It is locked while it is used, and goes when it is left; those of builds that were killed are swept first.
    """
    prefix = f".{target.stem}.pex."
    for left in target.directory.glob(f"{prefix}*"):
        with files.claimed(left) as free:
            if free:
                shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=target.directory) as path, files.claimed(Path(path)):
        yield Path(path)


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
        scripts = {name for d in target.installed.distributions for name in entry_points(d)}
        if own is not None:
            scripts |= set(wheel.wheel_entry_points(own))
        if binary.script not in scripts:
            near = get_close_matches(binary.script, scripts, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(scripts)) or 'none'}"
            problem = f"{target.key}.script is {binary.script!r}, and no distribution in the binary has such a script"
            raise NoxPexError("entry-missing", problem, remedy)
    if binary.entry_point is not None:
        module = binary.entry_point.partition(":")[0]
        own_files = wheel.wheel_files(own) if own is not None else tuple(taken.digests)
        if not _provides(target, own_files, module):
            problem = (
                f"{target.key}.entry-point is {binary.entry_point!r}, and nothing in the binary has a module {module}"
            )
            raise NoxPexError("entry-missing", problem, "correct it, or take the module in with `sources.include`")


def _provides(target: Target, own_files: tuple[str, ...], module: str) -> bool:
    path = module.replace(".", "/")
    if any(file.startswith((f"{path}.", f"{path}/")) for file in own_files):
        return True
    roots = target.installed.environment.site_packages
    return any((root / path).is_dir() or any((root / path).parent.glob(f"{Path(path).name}.*")) for root in roots)


def _record(
    target: Target, taken: Taken, inputs: Inputs, *, built: Built, clock: Clock, git: Mapping[str, Any] | None
) -> dict[str, Any]:
    return {
        "name": target.name,
        "version": built.version,
        "sha256": record.digest(built.path),
        "size": record.size(built.path),
        "inputs": digests(inputs),
        "lock-hash": inputs["lock"]["poetry.lock"],
        "python": f"{target.interpreter.implementation} {target.interpreter.version}",
        "platform": sysconfig.get_platform(),
        "tools": dict(inputs["tools"]),
        "git": git,
        "sources": {"taken": sorted(built.shipped), "left-out": [left.path for left in taken.left_out]},
        "distributions": [{"name": name, "version": version} for name, version in sorted(built.distributions.items())],
        "seconds": clock.seconds,
    }


def _listed(names: Mapping[str, str]) -> str:
    shown = sorted(names)[:_SHOWN]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(shown)}{more}" if shown else "none"


def _megabytes(binary: Path) -> str:
    return f"{record.size(binary) / 1e6:.1f} MB"


def _shown(target: Target) -> Path:
    return target.settings.output_dir / target.output.name
