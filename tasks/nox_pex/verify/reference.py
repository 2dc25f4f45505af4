"""The reference for a binary: Poetry's plan, its second install, and a second build, found out without the binary."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property

from msgspec import Struct
from packaging.utils import NormalizedName

from nox_pex.distributions.environment import Environment
from nox_pex.pex import disagreements
from nox_pex.pex.disagreements import Disagreement
from nox_pex.pex.target import Contents, Target
from nox_pex.poetry import lock
from nox_pex.poetry.install import Installer
from nox_pex.poetry.installed import Installed
from nox_pex.verify import expected_files, parts, scies
from nox_pex.verify.archive import Pex
from nox_pex.verify.background import Background
from nox_pex.verify.expected_files import ExpectedFiles
from nox_pex.verify.parts import Parts
from nox_pex.verify.scies import OpenScie


class Reference(Struct, frozen=True, kw_only=True, dict=True):
    """The reference for the binary of `target`, found out without the binary, each part once.

    `deep` makes Poetry fetch every locked file again. `environment` is that of the build, None if there is none.
    `background` runs the parts, and must end before `stack`, which removes the copies on disk. A part that fails raises
    the same `NoxPexError` for each gate that needs it. Only one thread may use a reference.
    """

    target: Target
    installer: Installer
    deep: bool
    stack: ExitStack
    background: Background
    environment: Environment | None = None

    @cached_property
    def parts(self) -> Parts:
        """The parts that take long. They are started when this is first read."""
        return parts.start(
            self.target,
            self.installer,
            environment=self.environment,
            deep=self.deep,
            stack=self.stack,
            background=self.background,
        )

    @property
    def planned(self) -> Mapping[NormalizedName, str]:
        """The names and versions that Poetry would install into an empty environment. Raises `NoxPexError`."""
        return self.planned_by_platform[parts.THIS_MACHINE]

    @property
    def planned_by_platform(self) -> Mapping[str, Mapping[NormalizedName, str]]:
        """The same for each platform of the binary, by its name. Raises `NoxPexError`."""
        return self.parts.plans.result()

    @property
    def installed(self) -> Contents:
        """The install that Poetry made again for `verify`. Raises `NoxPexError`."""
        return self.parts.rebuild.result().installed

    @cached_property
    def expected(self) -> Mapping[str, ExpectedFiles]:
        """The files that each distribution must have. Raises `NoxPexError`."""
        if isinstance(self.installed, Installed):
            return expected_files.expected_from_environment(self.installed)
        return expected_files.expected_from_wheels(self.installed, lock.read(self.target.project.lock))

    @cached_property
    def disagreements(self) -> tuple[Disagreement, ...]:
        """Those of Poetry and pex about the distributions. Raises `NoxPexError`."""
        found = disagreements.find(self.installed, lock.read(self.target.project.lock), project=None)
        return tuple(found.without(self.target.table.exclude))

    @cached_property
    def by_content(self) -> frozenset[str]:
        """The names of the distributions that the lock takes from a path, a URL or Git: their versions may move."""
        return frozenset(package.name for package in lock.read(self.target.project.lock).packages if package.is_direct)

    @property
    def second(self) -> Pex:
        """The binary, built a second time. Raises `NoxPexError`."""
        return self.parts.second.result()

    @cached_property
    def scies(self) -> tuple[OpenScie, ...] | None:
        """The scies that were built with the binary; None if it has none."""
        return scies.open_scies(self.target)
