"""The reference for a binary: Poetry's plan, its second install, and a second build, found out without the binary.

The parts are found out at the same time, each in a thread that begins when its inputs are there:

- Poetry and pex are installed again, at the same time.
- Poetry installs into a copy of the project (`rebuild`), as soon as Poetry is installed.
- pex builds the binary a second time, as soon as both are there. Meanwhile, Poetry says what it would install. That
  needs one processor for a second, and pex uses one only.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent import futures
from concurrent.futures import Future
from contextlib import ExitStack
from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import NormalizedName

from nox_pex.distributions.environment import Environment
from nox_pex.pex import disagreements
from nox_pex.pex.disagreements import Disagreement
from nox_pex.pex.target import Contents, Target
from nox_pex.platforms.fetch import WheelFetcher
from nox_pex.poetry import lock
from nox_pex.poetry.install import Installer
from nox_pex.poetry.installed import Installed
from nox_pex.system import locks
from nox_pex.tools import pinned
from nox_pex.verify import expected_files, scies
from nox_pex.verify.archive import Pex, open_pex
from nox_pex.verify.background import Background
from nox_pex.verify.expected_files import ExpectedFiles
from nox_pex.verify.gates import closure
from nox_pex.verify.rebuild import Rebuild, prepare_rebuild
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

    def begin(self) -> None:
        """Start to find out all parts. Otherwise each one is started when a gate first needs it."""
        _ = self._second, self._plans if self.target.platforms else self._plan

    @property
    def planned(self) -> Mapping[NormalizedName, str]:
        """The names and versions that Poetry would install into an empty environment. Raises `NoxPexError`."""
        return self._plan.result()

    @property
    def planned_by_platform(self) -> Mapping[str, Mapping[NormalizedName, str]]:
        """The same for each platform of the binary, by its name. Raises `NoxPexError`."""
        return self._plans.result()

    @property
    def installed(self) -> Contents:
        """The install that Poetry made again for `verify`. Raises `NoxPexError`."""
        return self._rebuild.result().installed

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
        return self._second.result()

    @cached_property
    def scies(self) -> tuple[OpenScie, ...] | None:
        """The scies that were built with the binary; None if it has none."""
        return scies.open_scies(self.target)

    # Each part gets the parts that it waits for as arguments, so that they are started before it.

    @cached_property
    def _poetry(self) -> Future[None]:
        return self.background.start(_install_poetry, self._saying("tools"))

    @cached_property
    def _pex(self) -> Future[None]:
        return self.background.start(_install_pex, self._saying("tools"), self.target)

    @cached_property
    def _rebuild(self) -> Future[Rebuild]:
        return self.background.start(self._prepare, self._poetry)

    @cached_property
    def _second(self) -> Future[Pex]:
        return self.background.start(self._build, self._rebuild, self._pex)

    @cached_property
    def _plan(self) -> Future[Mapping[NormalizedName, str]]:
        return self.background.start(_plan, self._saying("plan"), self.target, self._poetry, self._rebuild)

    @cached_property
    def _plans(self) -> Future[Mapping[str, Mapping[NormalizedName, str]]]:
        return self.background.start(_plans, self._saying("plan"), self.target, self._poetry, self._rebuild)

    def _prepare(self, poetry: Future[None]) -> Rebuild:
        poetry.result()
        installer = self._stoppable
        return self.stack.enter_context(prepare_rebuild(self.target, installer, cold=self.deep))

    def _build(self, rebuild: Future[Rebuild], pex: Future[None]) -> Pex:
        prepared = rebuild.result()
        pex.result()
        return self.stack.enter_context(open_pex(prepared.build()))

    @property
    def _stoppable(self) -> Installer:
        """The installer, whose tools end with `background`."""
        provisioner = self.installer.provisioner
        shell = replace(provisioner.shell, stop=self.background.stop)
        return replace(self.installer, provisioner=replace(provisioner, shell=shell))

    def _saying(self, label: str) -> Installer:
        """The same, with `label` before each line: several parts show lines at the same time."""
        installer = self._stoppable
        provisioner, say = installer.provisioner, installer.shell.say
        shell = replace(provisioner.shell, say=lambda line: say(f"verify: {label}: {line}"))
        return replace(installer, provisioner=replace(provisioner, shell=shell))


def _install_poetry(installer: Installer) -> None:
    pinned.provide_poetry(installer.provisioner, installer.poetry_version)


def _install_pex(installer: Installer, target: Target) -> None:
    """Install pex and the project's build backend, on the Python of an environment like that of the second build."""
    provisioner = installer.provisioner
    with locks.scratch("nox-pex-verify-") as scratch:
        environment = Environment(path=scratch / "environment")
        provisioner.create(environment.path, python=installer.base.find(), seed=False)
        interpreter = environment.interpreter()
    pinned.install_pex(provisioner, target.settings.pex_version, interpreter=interpreter)
    if target.project.package_mode:
        pinned.provide_backend(provisioner, target.project.build_requires, interpreter=interpreter)


def _plan(
    installer: Installer, target: Target, poetry: Future[None], rebuild: Future[Rebuild]
) -> Mapping[NormalizedName, str]:
    poetry.result()
    futures.wait([rebuild])  # the install has both processors, and even if it fails there is a plan
    return closure.plan(
        target.selection,
        project=target.project,
        python=installer.base.find(),
        provisioner=installer.provisioner,
        poetry_version=target.settings.poetry_version,
    )


def _plans(
    installer: Installer, target: Target, poetry: Future[None], rebuild: Future[Rebuild]
) -> Mapping[str, Mapping[NormalizedName, str]]:
    poetry.result()
    futures.wait([rebuild])
    with locks.scratch("nox-pex-verify-") as scratch:
        fetcher = WheelFetcher(installer=installer)
        planned = fetcher.plan(target.selection, target.platforms, scratch=scratch)
    return {platform: {p.name: p.version for p in packages} for platform, packages in planned.items()}
