"""The dependency PEX: everything that is installed, packed once, for the binaries that pex itself builds.

Before an environment is packed, every file in it is checked against its RECORD. pex finds wheels in its cache by their
RECORD, which says nothing about permissions, and which a build backend may write without digests. So it packs with an
empty cache, or with one that only this build has used, which packs one environment.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from nox_pex.distributions import dist_info, inventory, pex_file, wheel
from nox_pex.distributions.environment import Distribution
from nox_pex.distributions.record import body_digest, record_rows
from nox_pex.errors import NoxPexError
from nox_pex.pex import cli, staged_environment, tool
from nox_pex.pex.disagreements import Disagreements
from nox_pex.pex.target import Contents
from nox_pex.pex.tool import Pex
from nox_pex.platforms import platform
from nox_pex.platforms.wheelhouse import Wheelhouse
from nox_pex.poetry import requirements
from nox_pex.poetry.installed import Installed
from nox_pex.system import files, locks, recipe
from nox_pex.tools import cache
from nox_pex.tools.provision import Provisioner


class Dependencies(Struct, frozen=True, kw_only=True):
    """The source of a binary's distributions.

    `repository` is the dependency PEX (a directory), `pins` a file with the `name==version` of each distribution in it.
    """

    repository: Path
    pins: Path


class Packer(Struct, frozen=True, kw_only=True):
    """Builds dependency PEXes and caches them for all projects.

    `pex` packs them, with an empty PEX_ROOT. With `own_root`, it uses that of `pex`, which began empty for this build.
    """

    provisioner: Provisioner
    pex: Pex
    own_root: bool = False

    def provide(
        self,
        installed: Contents,
        *,
        disagreements: Disagreements,
        wheel_format: cli.WheelFormat,
        hold: Sequence[int],
    ) -> Dependencies:
        """Return the dependency PEX of what is installed: the cached one, or a new one.

        `disagreements` are those about the binary, with its project: pex takes overrides from the dependency PEX alone.
        The dependency PEX is not evicted from the cache until this process ends. `hold` are descriptors of locks, which
        pex inherits.
        Raises `NoxPexError`: `integrity` if the environment is damaged, `build-failed` if pex, or the build backend of
        a path dependency, fails.
        """
        key = self._key(installed, disagreements, wheel_format=wheel_format)
        home = self.provisioner.caches.dependencies / key
        if home.is_dir():
            cache.mark_used(home)
        if not _is_intact(home):
            lock, say = home.with_name(f"{home.name}.lock"), self.provisioner.shell.say
            with locks.locked(lock, waiting=lambda: say("pex: waiting until the dependencies are packed")):
                if not _is_intact(home):
                    self._pack(installed, home, disagreements, wheel_format=wheel_format, hold=hold)
                cache.mark_used(home)
        return Dependencies(repository=home / "dependencies.pex", pins=home / "pins.txt")

    def _pack(
        self,
        installed: Contents,
        home: Path,
        disagreements: Disagreements,
        *,
        wheel_format: cli.WheelFormat,
        hold: Sequence[int],
    ) -> None:
        _check_undamaged(installed)
        with (
            files.temporary_directory(prefix=".packing.", parent=home.parent) as scratch,
            locks.try_lock(scratch, shared=True),
            tool.working_directory(scratch) as staging,
        ):
            new = scratch / home.name
            new.mkdir(0o700)  # nobody else may write to a directory of the cache, whatever the umask
            options = cli.RepositoryOptions(
                output=new / "dependencies.pex",
                pins=new / "pins.txt",
                overrides=disagreements.overrides,
                excludes=disagreements.excludes,
                wheel_format=wheel_format,
                pex_root=self.pex.root if self.own_root else staging / "pex-root",
            )
            if isinstance(installed, Installed):
                argv = self._environment_argv(installed, options, rewritten=disagreements.rewritten, scratch=staging)
            else:
                argv = self._wheels_argv(installed, options, scratch=scratch)
            shell = self.provisioner.shell
            outcome = shell.run(argv, what="pex: dependencies", env=self.pex.environ, cwd=new, hold=hold)
            if outcome.status != 0 or not (new / "dependencies.pex").exists():
                raise cli.failure(outcome, of="the dependencies")
            files.write_json(new / "manifest.json", _digests(new))
            files.move_into_place(new, home)

    def _environment_argv(
        self, installed: Installed, options: cli.RepositoryOptions, *, rewritten: Collection[str], scratch: Path
    ) -> list[str]:
        """Pex's command line for the dependency PEX of an environment. `rewritten` are names of distributions."""
        wheels = staged_environment.editable_wheels(
            installed.distributions, installed, self.provisioner, into=scratch / "wheels"
        )
        _write_pins(requirements.pins(installed.distributions), options.pins)
        environment = staged_environment.packable_environment(
            installed, into=scratch / "staged", wheels=wheels, rewritten=rewritten
        )
        return cli.repository_argv(options, python=self.pex.python, environment=environment)

    def _wheels_argv(self, wheelhouse: Wheelhouse, options: cli.RepositoryOptions, *, scratch: Path) -> list[str]:
        """Pex's command line for the dependency PEX of a wheelhouse."""
        _write_pins(requirements.pins(wheelhouse.distributions, wheelhouse.marker), options.pins)
        # Without a pin, a distribution that requires any version gets the newest one in addition to the pinned one.
        several = requirements.pins(wheelhouse.in_several_versions, wheelhouse.marker)
        return cli.wheels_argv(
            msgspec.structs.replace(options, overrides=tuple(dict.fromkeys([*options.overrides, *several]))),
            python=self.pex.python,
            wheels=list(_packable_wheels(wheelhouse, into=scratch / "wheels")),
            platforms=platform.write(wheelhouse.platforms, scratch / "platforms"),
        )

    def _key(self, installed: Contents, disagreements: Disagreements, *, wheel_format: cli.WheelFormat) -> str:
        """A name for the dependency PEX, made from everything that decides its bytes."""
        from_environment = isinstance(installed, Installed)
        decisive = [
            [
                [d.name, d.version, _content_digest(d) if from_environment else d.record]
                for d in installed.distributions
            ],
            sorted(installed.path_digests.items()),
            # What a backend builds from a path may contain more than its digest covers: one PEX for each such install.
            installed.id if isinstance(installed, Installed) and installed.is_direct else "",
            installed.environment.interpreter().identity,
            self.pex.version,
            [wheel_format.pre_install_wheels, wheel_format.compress],
            recipe.digest(),
            [] if isinstance(installed, Installed) else [platform.digest for platform in installed.platforms],
            [disagreements.overrides, disagreements.excludes],
        ]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]


def _content_digest(distribution: Distribution) -> str:
    """A digest of an installed distribution that is the same in every environment.

    It covers the RECORD, apart from the digests of scripts, which begin with the path of their environment; the rest of
    each script; and which files are executable, because pex packs that too.
    """
    directory, hasher = distribution.directory, hashlib.sha256()
    try:
        rows = tuple(record_rows((directory / "RECORD").read_text("utf-8", "surrogateescape")))
    except (OSError, ValueError):
        return ""  # `_check_undamaged` refuses such an environment
    for path, digest, _ in rows:
        file = os.path.join(directory.parent, path)  # noqa: PTH118  # ten times as fast, for ten thousand files
        try:
            mode = os.stat(file).st_mode & 0o111  # noqa: PTH116  # needs no Path for each of ten thousand files
            content = body_digest(Path(file).read_bytes()).hex() if path.startswith("../") else digest
        except OSError:
            mode, content = 0, ""  # `_check_undamaged` refuses such an environment
        hasher.update(json.dumps([path, content, mode]).encode())
    return hasher.hexdigest()


def _check_undamaged(installed: Contents) -> None:
    """Raise `NoxPexError` `integrity` if a file is not as it was when it was installed or fetched."""
    if isinstance(installed, Installed):
        place, damaged = installed.environment.path, next(inventory.damaged(installed.environment), None)
    else:
        first = installed.first_damaged_wheel()
        place, damaged = installed.home, first.file if first is not None else None
    if damaged:
        problem = f"the install in {place} is damaged: {damaged}"
        raise NoxPexError("integrity", problem, "run `nox -s install -- --force`")


def _packable_wheels(wheelhouse: Wheelhouse, *, into: Path) -> Iterator[Path]:
    """Yield the wheels of a wheelhouse, each as pex accepts it: a copy in `into` if its metadata is rewritten."""
    into.mkdir()
    libraries = wheelhouse.libraries()
    for each in wheelhouse.wheels:
        path = wheelhouse.path(each)
        info = dist_info.packable(
            wheel.read_dist_info(path),
            direct=each.direct,
            pythons=wheelhouse.target_pythons(each),
            libraries=libraries,
        )
        yield wheel.with_dist_info(path, info.contents, output=into / each.file)


def _write_pins(pins: Iterable[str], file: Path) -> None:
    file.write_text("".join(f"{pin}\n" for pin in pins), "utf-8")


def _is_intact(home: Path) -> bool:
    """Whether `home` has a dependency PEX, byte for byte as it was packed."""
    manifest = files.read_json(home / "manifest.json")
    return bool(manifest.get("digest")) and manifest == _digests(home)


def _digests(home: Path) -> dict[str, str]:
    return {"digest": pex_file.digest(home / "dependencies.pex"), "pins": files.digest(home / "pins.txt")}
