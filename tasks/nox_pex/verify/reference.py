"""The reference for a binary: Poetry's plan, its second install, and a second build, found out without the binary."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from typing import TypeVar

from msgspec import Struct
from packaging.utils import NormalizedName

from nox_pex.distributions.environment import Environment
from nox_pex.errors import NoxPexError
from nox_pex.pex import disagreements
from nox_pex.pex.disagreements import Disagreement
from nox_pex.pex.target import Contents, Target
from nox_pex.platforms.fetch import WheelFetcher
from nox_pex.poetry import lock
from nox_pex.poetry.install import Installer
from nox_pex.poetry.installed import Installed
from nox_pex.system import locks
from nox_pex.verify import expected_files, scies
from nox_pex.verify.archive import Pex, open_pex
from nox_pex.verify.expected_files import ExpectedFiles
from nox_pex.verify.gates import closure
from nox_pex.verify.rebuild import Rebuild, prepare_rebuild
from nox_pex.verify.scies import OpenScie

_Found = TypeVar("_Found")


class Reference(Struct, frozen=True, kw_only=True, dict=True):
    """The reference for the binary of `target`, found out without the binary, each part once and only if it is needed.

    `deep` makes Poetry fetch every locked file again. `environment` is that of the build, None if there is none.
    `stack` removes the copies on disk.
    """

    target: Target
    installer: Installer
    deep: bool
    stack: ExitStack
    environment: Environment | None = None

    @cached_property
    def planned(self) -> Mapping[NormalizedName, str]:
        """The names and versions that Poetry would install into an empty environment. Raises `NoxPexError`."""
        return closure.plan(
            self.target.selection,
            project=self.target.project,
            python=self.installer.base.find(),
            provisioner=self.installer.provisioner,
            poetry_version=self.target.settings.poetry_version,
        )

    @cached_property
    def planned_by_platform(self) -> Mapping[str, Mapping[NormalizedName, str]]:
        """The same for each platform of the binary, by its name. Raises `NoxPexError`."""
        with locks.scratch("nox-pex-verify-") as scratch:
            fetcher = WheelFetcher(installer=self.installer)
            planned = fetcher.plan(self.target.selection, self.target.platforms, scratch=scratch)
        return {platform: {p.name: p.version for p in packages} for platform, packages in planned.items()}

    @property
    def installed(self) -> Contents:
        """The install that Poetry made again for `verify`. Raises `NoxPexError`."""
        return self._raised_again(self._rebuild).installed

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
        return self._raised_again(self._second)

    @cached_property
    def scies(self) -> tuple[OpenScie, ...] | None:
        """The scies that were built with the binary; None if it has none."""
        return scies.open_scies(self.target)

    @cached_property
    def _rebuild(self) -> Rebuild | NoxPexError:
        try:
            return self.stack.enter_context(prepare_rebuild(self.target, self.installer, cold=self.deep))
        except NoxPexError as error:
            return error

    @cached_property
    def _second(self) -> Pex | NoxPexError:
        try:
            return self.stack.enter_context(open_pex(self._raised_again(self._rebuild).build()))
        except NoxPexError as error:
            return error

    @staticmethod
    def _raised_again(found: _Found | NoxPexError) -> _Found:
        """Return `found`, or raise it for each gate that needs it."""
        if isinstance(found, NoxPexError):
            raise found
        return found
