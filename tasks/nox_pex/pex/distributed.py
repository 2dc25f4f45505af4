"""The distributions of a binary, as they are laid out in it: installed by Poetry, fetched for others, or editable."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from msgspec import Struct

from nox_pex.distributions import dist_info, wheel, wheel_layout
from nox_pex.distributions.environment import Distribution
from nox_pex.distributions.installed_wheel import InstalledWheel
from nox_pex.errors import NoxPexError
from nox_pex.pex import staged_environment
from nox_pex.pex.disagreements import target_pythons
from nox_pex.platforms.wheelhouse import Wheel, Wheelhouse
from nox_pex.poetry.installed import Installed
from nox_pex.system import files
from nox_pex.tools.provision import Provisioner


class Distributed(Protocol):
    """A distribution to lay out. What has the same `note` has the same packed form; empty if that is not certain."""

    @property
    def note(self) -> str:
        """A name for what it is made from."""

    def lay_out(self) -> InstalledWheel:
        """Return its layout in a PEX."""


class InstalledDistribution(Struct, frozen=True, kw_only=True):
    """A distribution that Poetry installed. `is_noted` is whether its RECORD decides its packed form."""

    contents: Installed
    distribution: Distribution
    is_noted: bool

    @property
    def note(self) -> str:
        """A name for what is installed; empty if its RECORD does not decide its packed form."""
        return _note(self.contents, self.distribution) if self.is_noted else ""

    def lay_out(self) -> InstalledWheel:
        """Lay it out, with metadata that pex accepts. Raises `UnsupportedDistributionError`, `OSError`."""
        directory = self.distribution.directory
        info = dist_info.packable(
            dist_info.read_directory(directory),
            direct=self.distribution.direct,
            pythons=target_pythons(self.contents),
            libraries=self.contents.libraries(),
        )
        return wheel_layout.from_environment(directory, root=self.contents.environment.path, texts=info.contents)


class FetchedWheel(Struct, frozen=True, kw_only=True):
    """A wheel that was fetched for other platforms; it is unpacked into the new `directory`.

    `is_noted` is whether its content decides its packed form.
    """

    contents: Wheelhouse
    wheel: Wheel
    directory: Path
    is_noted: bool

    @property
    def note(self) -> str:
        """A name for the wheel; empty if its content does not decide its packed form."""
        return f"{self.wheel.file} {self.wheel.sha256}" if self.is_noted else ""

    def lay_out(self) -> InstalledWheel:
        """Lay it out, with metadata that pex accepts.

        Raises `UnsupportedDistributionError`, `OSError`, and `NoxPexError` `integrity` if its content has changed.
        """
        path = self.contents.path(self.wheel)
        if files.digest(path) != self.wheel.sha256:
            problem = f"the install in {self.contents.home} is damaged: {self.wheel.file}"
            raise NoxPexError("integrity", problem, "run `nox -s install -- --force`")
        info = dist_info.packable(
            wheel.read_dist_info(path),
            direct=self.wheel.direct,
            pythons=self.contents.target_pythons(self.wheel),
            libraries=self.contents.libraries(),
        )
        self.directory.mkdir()
        packable = wheel.with_dist_info(path, info.contents, output=self.directory / self.wheel.file)
        return wheel_layout.from_wheel(packable, self.directory / "unpacked")


class EditableInstall(Struct, frozen=True, kw_only=True):
    """An editable install, which has no files to pack. Its wheel is built and installed in the new `directory`."""

    contents: Installed
    distribution: Distribution
    provisioner: Provisioner
    directory: Path

    @property
    def note(self) -> str:
        """A name for the sources, and for the install that found them."""
        return _note(self.contents, self.distribution)

    def lay_out(self) -> InstalledWheel:
        """Lay it out as if Poetry had installed its wheel.

        Raises `UnsupportedDistributionError`, `OSError`, and `NoxPexError` `build-failed` if its build backend fails.
        """
        site_packages = self.directory / "lib" / "python" / "site-packages"
        site_packages.mkdir(parents=True)
        wheels = staged_environment.editable_wheels(
            [self.distribution], self.contents, self.provisioner, into=self.directory / "built"
        )
        built = wheels[self.distribution.name]
        wheel.unpack(built, site_packages=site_packages, prefix=self.directory)
        directory = site_packages / wheel.dist_info_directory(built)
        return wheel_layout.from_environment(directory, root=self.directory, texts=dist_info.read_directory(directory))


def _note(contents: Installed, distribution: Distribution) -> str:
    """A name for what an install put there of a distribution: its RECORD does not say which files are executable."""
    return f"{distribution.name} {distribution.version} {distribution.record} {contents.id}" if contents.id else ""
