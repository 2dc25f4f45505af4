"""The dependency PEX: everything that is installed, packed once, so that a build after an edit only copies it.

Before an environment is packed, every file in it is checked against its RECORD. pex finds files in its cache by name,
so a damaged file would get into every later binary.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from nox_pex.distributions import pex_file
from nox_pex.distributions.environment import Distribution
from nox_pex.distributions.record import body_digest, record_rows
from nox_pex.errors import NoxPexError
from nox_pex.pex import cli, staged_environment
from nox_pex.pex.target import Contents
from nox_pex.pex.tool import Pex, works_in
from nox_pex.platforms import platform
from nox_pex.platforms.wheelhouse import Wheelhouse
from nox_pex.poetry import requirements
from nox_pex.poetry.installed import Installed
from nox_pex.system import files, locks, plain_paths, recipe
from nox_pex.tools import cache
from nox_pex.tools.provision import Provisioner


class Dependencies(Struct, frozen=True, kw_only=True):
    """The source of a binary's distributions.

    `repository` is the dependency PEX (a directory), `pins` a file with the `name==version` of each distribution in it.
    """

    repository: Path
    pins: Path


class Packer(Struct, frozen=True, kw_only=True):
    """Builds dependency PEXes and caches them for all projects. `pex` packs them."""

    provisioner: Provisioner
    pex: Pex

    def provide(self, installed: Contents, *, wheel_format: cli.WheelFormat, hold: Sequence[int]) -> Dependencies:
        """Return the dependency PEX of what is installed: the cached one, or a new one.

        It is not evicted from the cache until this process ends. `hold` are descriptors of locks, which pex inherits.
        Raises `NoxPexError`: `integrity` if the environment is damaged, `build-failed` if pex, or the build backend of
        a path dependency, fails.
        """
        home = self.provisioner.caches.dependencies / self._key(installed, wheel_format=wheel_format)
        if home.is_dir():
            cache.mark_used(home)
        if not _is_intact(home):
            lock, say = home.with_name(f"{home.name}.lock"), self.provisioner.shell.say
            with locks.locked(lock, waiting=lambda: say("pex: waiting for another run that packs dependencies")):
                if not _is_intact(home):
                    self._pack(installed, home, wheel_format=wheel_format, hold=hold)
                cache.mark_used(home)
        return Dependencies(repository=home / "dependencies.pex", pins=home / "pins.txt")

    def _pack(self, installed: Contents, home: Path, *, wheel_format: cli.WheelFormat, hold: Sequence[int]) -> None:
        _check_undamaged(installed)
        with (
            tempfile.TemporaryDirectory(prefix=".packing.", dir=home.parent) as directory,
            locks.try_lock(Path(directory), shared=True),
            _staging_directory(Path(directory)) as staging,
        ):
            scratch = Path(directory)
            new = scratch / home.name
            new.mkdir()
            if isinstance(installed, Installed):
                argv = self._environment_argv(installed, new, wheel_format=wheel_format, scratch=staging)
            else:
                argv = self._wheels_argv(installed, new, wheel_format=wheel_format, scratch=scratch)
            shell = self.provisioner.shell
            outcome = shell.run(argv, what="pex: dependencies", env=self.pex.environ, cwd=new, hold=hold)
            if outcome.status != 0 or not (new / "dependencies.pex").exists():
                raise cli.failure(outcome, of="the dependencies")
            files.write_json(new / "manifest.json", _digests(new))
            files.move_into_place(new, home)

    def _environment_argv(
        self, installed: Installed, new: Path, *, wheel_format: cli.WheelFormat, scratch: Path
    ) -> list[str]:
        """Pex's command line for the dependency PEX of an environment, to be written to the directory `new`."""
        wheels = staged_environment.editable_wheels(installed, self.provisioner, into=scratch / "wheels")
        _write_pins(requirements.pins(installed.distributions), new)
        return cli.repository_argv(
            python=self.pex.python,
            output=new / "dependencies.pex",
            environment=staged_environment.packable_environment(installed, into=scratch / "staged", wheels=wheels),
            pins=new / "pins.txt",
            wheel_format=wheel_format,
            pex_root=self.pex.root,
        )

    def _wheels_argv(
        self, wheelhouse: Wheelhouse, new: Path, *, wheel_format: cli.WheelFormat, scratch: Path
    ) -> list[str]:
        """Pex's command line for the dependency PEX of a wheelhouse, to be written to the directory `new`."""
        _write_pins(requirements.pins(wheelhouse.distributions, wheelhouse.marker), new)
        return cli.wheels_argv(
            python=self.pex.python,
            output=new / "dependencies.pex",
            wheels=[wheelhouse.path(wheel) for wheel in wheelhouse.wheels],
            pins=new / "pins.txt",
            overrides=requirements.pins(wheelhouse.in_several_versions, wheelhouse.marker),
            platforms=platform.write(wheelhouse.platforms, scratch / "platforms"),
            wheel_format=wheel_format,
            pex_root=self.pex.root,
        )

    def _key(self, installed: Contents, *, wheel_format: cli.WheelFormat) -> str:
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
        ]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]


@contextlib.contextmanager
def _staging_directory(scratch: Path) -> Iterator[Path]:
    """Yield `scratch`, or a temporary directory if pex cannot read an environment in `scratch`."""
    if works_in(scratch):
        yield scratch
        return
    with plain_paths.plain_directory() as directory:
        yield directory


def _content_digest(distribution: Distribution) -> str:
    """A digest of an installed distribution that is the same in every environment.

    It covers the RECORD, apart from the digests of scripts, which begin with the path of their environment; the rest of
    each script; and which files are executable, because pex packs that too.
    """
    directory, hasher = distribution.directory, hashlib.sha256()
    for path, digest, _ in record_rows((directory / "RECORD").read_text("utf-8", "surrogateescape")):
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
        place, damaged = installed.environment.path, next(installed.environment.damaged(), None)
    else:
        wheel = installed.first_damaged_wheel()
        place, damaged = installed.home, wheel.file if wheel is not None else None
    if damaged:
        problem = f"the install in {place} is damaged: {damaged}"
        raise NoxPexError("integrity", problem, "run `nox -s install -- --force`")


def _write_pins(pins: Iterable[str], directory: Path) -> None:
    (directory / "pins.txt").write_text("".join(f"{pin}\n" for pin in pins), "utf-8")


def _is_intact(home: Path) -> bool:
    """Whether `home` has a dependency PEX, byte for byte as it was packed."""
    manifest = files.read_json(home / "manifest.json")
    return bool(manifest) and manifest == _digests(home)


def _digests(home: Path) -> dict[str, str]:
    return {"digest": pex_file.digest(home / "dependencies.pex"), "pins": files.digest(home / "pins.txt")}
