"""The dependency PEX: all that is installed, packed once, so that a build after an edit takes it as it is.

It is also what makes a build independent of pex's reading of an environment: only here is the environment opened, every
file in it checked against its RECORD first, since pex keys its cache by names and would hand a damaged file on.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nox_pex.build import pex_cli, staged_environment
from nox_pex.distributions import pex_file
from nox_pex.distributions.environment import Distribution
from nox_pex.distributions.record import body_digest, record_rows
from nox_pex.errors import NoxPexError
from nox_pex.platforms import platform
from nox_pex.platforms.wheelhouse import Wheelhouse
from nox_pex.poetry import requirements
from nox_pex.poetry.installed import Installed
from nox_pex.system import files, locks, recipe
from nox_pex.tools import cache
from nox_pex.tools.provision import Provisioner


@dataclass(frozen=True, kw_only=True)
class Dependencies:
    """What a binary's distributions are taken from.

    `repository` is the dependency PEX (a directory), `pins` a file with the `name==version` of each distribution in it.
    """

    repository: Path
    pins: Path


@dataclass(frozen=True, kw_only=True)
class Packer:
    """Makes dependency PEXes, and keeps them for all projects. `python` runs pex, whose version is `version`."""

    provisioner: Provisioner
    python: Path
    version: str

    def provide(
        self, installed: Installed | Wheelhouse, *, wheel_format: pex_cli.WheelFormat, hold: Sequence[int]
    ) -> Dependencies:
        """The dependency PEX of what is installed: the one at hand, or a new one. It stays until this process ends.

        Raises `NoxPexError` `integrity` where the environment is damaged, `build-failed` where pex, or the build
        backend of a path dependency, fails.
        """
        home = self.provisioner.caches.dependencies / self._key(installed, wheel_format=wheel_format)
        if home.is_dir():
            cache.mark_used(home)
        if not _whole(home):
            lock, say = home.with_name(f"{home.name}.lock"), self.provisioner.shell.say
            with locks.locked(lock, waiting=lambda: say("pex: waiting for another run that packs dependencies")):
                if not _whole(home):
                    self._pack(installed, home, wheel_format=wheel_format, hold=hold)
                cache.mark_used(home)
        return Dependencies(repository=home / "dependencies.pex", pins=home / "pins.txt")

    def _pack(
        self, installed: Installed | Wheelhouse, home: Path, *, wheel_format: pex_cli.WheelFormat, hold: Sequence[int]
    ) -> None:
        _check_whole(installed)
        with (
            tempfile.TemporaryDirectory(prefix=".packing.", dir=home.parent) as directory,
            locks.try_lock_directory(Path(directory), shared=True),
        ):
            new = Path(directory) / home.name
            new.mkdir()
            if isinstance(installed, Installed):
                words = self._from_environment(installed, new, wheel_format=wheel_format, aside=Path(directory))
            else:
                words = self._from_wheels(installed, new, wheel_format=wheel_format, aside=Path(directory))
            shell = self.provisioner.shell
            outcome = shell.run(words, what="pex: dependencies", env=pex_cli.environ(shell.environ), cwd=new, hold=hold)
            if outcome.status != 0 or not (new / "dependencies.pex").exists():
                raise pex_cli.failure(outcome, of="the dependencies")
            files.write_json(new / "manifest.json", _digests(new))
            files.move_into_place(new, home)

    def _from_environment(
        self, installed: Installed, new: Path, *, wheel_format: pex_cli.WheelFormat, aside: Path
    ) -> list[str]:
        """Pex's command line for the dependency PEX in `new`; `aside` is an empty directory."""
        edited = staged_environment.editable_wheels(installed, self.provisioner, into=aside / "wheels")
        _write_pins(requirements.pins(installed.distributions), new)
        return pex_cli.repository_argv(
            python=self.python,
            output=new / "dependencies.pex",
            environment=staged_environment.environment(installed, into=aside / "stage", wheels=edited),
            pins=new / "pins.txt",
            wheel_format=wheel_format,
            pex_root=self.provisioner.caches.pex_root / self.version,
        )

    def _from_wheels(
        self, gathered: Wheelhouse, new: Path, *, wheel_format: pex_cli.WheelFormat, aside: Path
    ) -> list[str]:
        """The same for the wheels of other platforms."""
        _write_pins(requirements.pins(gathered.distributions, gathered.marker), new)
        return pex_cli.wheels_argv(
            python=self.python,
            output=new / "dependencies.pex",
            wheels=[gathered.path(wheel) for wheel in gathered.wheels],
            pins=new / "pins.txt",
            overrides=requirements.pins(gathered.in_several_versions, gathered.marker),
            platforms=platform.write(gathered.platforms, aside / "platforms"),
            wheel_format=wheel_format,
            pex_root=self.provisioner.caches.pex_root / self.version,
        )

    def _key(self, installed: Installed | Wheelhouse, *, wheel_format: pex_cli.WheelFormat) -> str:
        here = isinstance(installed, Installed)
        decisive = [
            [[d.name, d.version, _content(d) if here else d.record] for d in installed.distributions],
            sorted(installed.path_digests.items()),
            # What is built from a path has in it what nobody may have noted, so it is packed for this install alone.
            installed.id if isinstance(installed, Installed) and installed.is_direct else "",
            installed.environment.interpreter().identity,
            self.version,
            [wheel_format.pre_install_wheels, wheel_format.compress],
            recipe.digest(),
            [] if isinstance(installed, Installed) else [platform.digest for platform in installed.platforms],
        ]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]


def _content(distribution: Distribution) -> str:
    """A digest of what is installed of a distribution, the same in whatever environment that is done.

    So it is its RECORD, but for scripts, which begin with the path of their environment; and what may be executed,
    which pex packs with it.
    """
    directory, hasher = distribution.directory, hashlib.sha256()
    for path, digest, _ in record_rows((directory / "RECORD").read_text("utf-8", "surrogateescape")):
        file = os.path.join(directory.parent, path)  # noqa: PTH118  # for ten thousand files
        try:
            mode = os.stat(file).st_mode & 0o111  # noqa: PTH116  # likewise
            content = body_digest(Path(file).read_bytes()).hex() if path.startswith("../") else digest
        except OSError:
            mode, content = 0, ""  # such an environment is refused when it is packed
        hasher.update(json.dumps([path, content, mode]).encode())
    return hasher.hexdigest()


def _check_whole(installed: Installed | Wheelhouse) -> None:
    """Raise `NoxPexError` `integrity` where something is not as it was when it was installed, or fetched."""
    if isinstance(installed, Installed):
        place, damaged = installed.environment.path, next(installed.environment.damaged(), None)
    else:
        wheel = installed.damaged()
        place, damaged = installed.home, wheel.file if wheel is not None else None
    if damaged:
        problem = f"what Poetry installed in {place} is damaged: {damaged}"
        raise NoxPexError("integrity", problem, "run `nox -s install -- --force`")


def _write_pins(pins: Iterable[str], directory: Path) -> None:
    (directory / "pins.txt").write_text("".join(f"{pin}\n" for pin in pins), "utf-8")


def _whole(home: Path) -> bool:
    """Whether a dependency PEX is there, byte for byte as it was packed."""
    noted = files.read_json(home / "manifest.json")
    return bool(noted) and noted == _digests(home)


def _digests(home: Path) -> dict[str, str]:
    return {"digest": pex_file.digest(home / "dependencies.pex"), "pins": files.digest(home / "pins.txt")}
