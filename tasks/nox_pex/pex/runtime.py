"""Pex's own part of a binary: its bootstrap, the launcher and PEX-INFO for the settings, made by pex and kept.

pex builds a small PEX with the settings of the binary, a probe distribution and a probe source. Its runtime serves all
binaries with these settings, if `compose` gives exactly the bytes of that PEX from the same parts: then it knows this
pex, and the zlib of this process compresses as that of pex's Python does. Otherwise pex builds the binaries itself.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from nox_pex.distributions import probe_wheel, wheel_layout
from nox_pex.distributions.installed_wheel import UnsupportedDistributionError
from nox_pex.distributions.interpreter import Interpreter
from nox_pex.pex import cli, compose, packed_wheels, tool, zip_members
from nox_pex.pex.compose import LooseSources, Parts, Runtime
from nox_pex.pex.disagreements import Disagreements
from nox_pex.pex.packed_wheels import DamagedFileError
from nox_pex.pex.target import Contents, Target, platforms_of
from nox_pex.pex.tool import Pex
from nox_pex.pex.zip_members import UnsupportedArchiveError
from nox_pex.platforms import platform
from nox_pex.platforms.platform import Platform
from nox_pex.poetry import requirements
from nox_pex.poetry.installed import Installed
from nox_pex.settings.model import Binary
from nox_pex.system import files, locks, recipe
from nox_pex.tools.provision import Provisioner

_PEX: Final = "runtime.pex"


_MANIFEST: Final = "manifest.json"


_SOURCES: Final = {"nox_pex_probe_source/__init__.py": "", "nox_pex_probe_source/.hidden": "probe\n"}
"""The loose sources of the probe, by path."""


class _Manifest(Struct, frozen=True, kw_only=True, rename="kebab"):
    """The facts about the runtime with the key `key`: the digest of its file, and whether nox-pex composes it."""

    key: str
    sha256: str
    is_proven: bool


class RuntimeRequest(Struct, frozen=True, kw_only=True):
    """Everything that decides the runtime of a binary.

    `binary` is its table, `file_name` the name of its file. `interpreter` builds it, and `interpreters` are the Pythons
    that it is for. `overrides` and `excludes` are requirements that pex notes in it.
    """

    binary: Binary
    file_name: str
    interpreter: Interpreter
    interpreters: Sequence[Interpreter]
    platforms: Sequence[Platform]
    overrides: Sequence[str]
    excludes: Sequence[str]

    @classmethod
    def of(
        cls, target: Target, contents: Contents, *, disagreements: Disagreements, pre_install: bool
    ) -> RuntimeRequest:
        """Return the request for the binary `target` of `contents`, which `pre_install` stores as installed."""
        # Without a pin, a distribution that requires any version gets the newest one in addition to the pinned one.
        several = () if isinstance(contents, Installed) else contents.in_several_versions
        return cls(
            binary=msgspec.structs.replace(target.table, pre_install_wheels=pre_install),
            file_name=target.output.name,
            interpreter=contents.interpreter,
            interpreters=contents.interpreters,
            platforms=platforms_of(contents),
            overrides=(*disagreements.overrides, *requirements.pins(several, contents.marker)),
            excludes=disagreements.excludes,
        )

    @property
    def table(self) -> Binary:
        """The table without the keys that only decide other parts of the binary."""
        return msgspec.structs.replace(
            self.binary, script=None, entry_point=_MODULE, inject_args=(), inject_env={}, check="none"
        )

    def argv(self, *, python: Path, directory: Path, pex_root: Path) -> list[str]:
        """Return pex's command line for a PEX with this runtime and the probe, in `directory`."""
        inputs = cli.PexInputs(
            distributions=cli.wheel_options(
                directory / probe_wheel.FILE_NAME,
                requirement=_REQUIREMENT,
                overrides=self.overrides,
                excludes=self.excludes,
            ),
            sources=directory / "sources",
            python_path=self.interpreter.executable,
            entry_point=_MODULE,
            platforms=platform.paths(self.platforms, directory / "platforms"),
        )
        return cli.pex_argv(
            self.table,
            python=python,
            output=directory / self.file_name,
            inputs=inputs,
            interpreters=self.interpreters,
            pex_root=pex_root,
        )

    def key(self, pex_version: str) -> str:
        """Return a digest of everything that decides the bytes of the runtime, and of what the proof depends on."""
        decisive = [
            self.argv(python=Path("python"), directory=Path("directory"), pex_root=Path("root")),
            [each.digest for each in self.platforms],
            self.interpreter.identity,
            pex_version,
            packed_wheels.zlib_identity(),
            recipe.digest(),
        ]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:32]


_MODULE: Final = "nox_pex_probe"


_REQUIREMENT: Final = f"{probe_wheel.NAME}=={probe_wheel.VERSION}"


def provide_for(
    target: Target,
    contents: Contents,
    provisioner: Provisioner,
    *,
    disagreements: Disagreements,
    pre_install: bool,
    hold: Sequence[int],
) -> Runtime | None:
    """Return the runtime for the binary `target` of `contents`. Only a new one needs pex, which is installed then.

    The other arguments are as for `RuntimeRequest.of` and `provide`.
    """
    provided = tool.provide(provisioner, target.settings.pex_version, interpreter=contents.interpreter)
    with contextlib.ExitStack() as stack:
        return provide(
            RuntimeRequest.of(target, contents, disagreements=disagreements, pre_install=pre_install),
            provisioner,
            pex_version=target.pex_version,
            provide_pex=functools.partial(stack.enter_context, provided),
            hold=hold,
        )


def provide(
    request: RuntimeRequest,
    provisioner: Provisioner,
    *,
    pex_version: str,
    provide_pex: Callable[[], Pex],
    hold: Sequence[int],
) -> Runtime | None:
    """Return the runtime for `request`: the one that is kept, or one that pex makes now.

    Return None if there is none, or if nox-pex cannot compose binaries with it. `hold` are descriptors of locks, which
    pex inherits.
    """
    home = provisioner.caches.runtimes / request.key(pex_version)
    manifest = _intact(home)
    if manifest is None:
        _make(request, home, provisioner, pex=provide_pex(), hold=hold)
        manifest = _intact(home)
    if manifest is None or not manifest.is_proven:
        return None
    return Runtime(archive=zip_members.read(home / _PEX))


def _intact(home: Path) -> _Manifest | None:
    try:
        manifest = msgspec.convert(files.read_json(home / _MANIFEST), _Manifest)
    except msgspec.ValidationError:
        return None
    if manifest.key != home.name or not manifest.sha256 or manifest.sha256 != files.digest(home / _PEX):
        return None
    with contextlib.suppress(OSError):  # a read-only cache is not evicted
        os.utime(home)
    return manifest


def _make(request: RuntimeRequest, home: Path, provisioner: Provisioner, *, pex: Pex, hold: Sequence[int]) -> None:
    with (
        files.temporary_directory(prefix=".making.", parent=home.parent) as scratch,
        locks.try_lock(scratch, shared=True),
        tool.working_directory(scratch) as directory,
    ):
        probe_wheel.write(directory / probe_wheel.FILE_NAME)
        for name, text in _SOURCES.items():
            path = directory / "sources" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            path.chmod(0o644)
        platform.write(request.platforms, directory / "platforms")
        argv = request.argv(python=pex.python, directory=directory, pex_root=pex.root)
        outcome = provisioner.shell.run(argv, what="pex: runtime", env=pex.environ, cwd=directory, hold=hold)
        built = directory / request.file_name
        if outcome.status != 0 or not built.exists():
            return  # an older pex does not know an option; if pex refuses a setting, its build of the binary says so
        manifest = _Manifest(
            key=home.name, sha256=files.digest(built), is_proven=_is_proven(request, built, scratch=scratch)
        )
        new = scratch / home.name
        new.mkdir(0o700)
        shutil.move(built, new / _PEX)
        files.write_json(new / _MANIFEST, msgspec.to_builtins(manifest))
        files.move_into_place(new, home)


def _is_proven(request: RuntimeRequest, built: Path, *, scratch: Path) -> bool:
    """Whether nox-pex composes the file `built` from its runtime, the probe distribution and the probe sources."""
    proof = scratch / "proof"
    (proof / "unpacked").mkdir(parents=True)
    compress = request.table.compress
    try:
        probe, runtime = built.parent / probe_wheel.FILE_NAME, Runtime(archive=zip_members.read(built))
        if request.table.pre_install_wheels:
            wheel = wheel_layout.from_wheel(probe, proof / "unpacked")
            packed = packed_wheels.pack(wheel, proof / "wheel.zip", compress=compress)
        else:
            fingerprint = runtime.info["distributions"][probe.name]
            packed = packed_wheels.store(probe, proof, fingerprint=fingerprint)
        parts = Parts(
            runtime=runtime,
            wheels=[packed],
            sources=LooseSources(root=built.parent / "sources", names=tuple(_SOURCES)),
            info={"requirements": [_REQUIREMENT]},
        )
        compose.compose(parts, proof / "composed.pex", compress=compress, scratch=proof)
    except (UnsupportedDistributionError, UnsupportedArchiveError, DamagedFileError, KeyError, ValueError):
        return False
    return files.digest(proof / "composed.pex") == files.digest(built)
