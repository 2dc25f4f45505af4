"""The parts of a reference that take long. All of them are started at once, and each waits for its inputs only.

- Poetry and pex are installed again, and the project is copied, at the same time.
- Poetry installs for the copy (`rebuild`), as soon as there are Poetry and the copy.
- Meanwhile pex warms up, as soon as there are pex and the copy: Poetry uses one processor most of the time.
- pex builds the binary a second time, as soon as there is the install, and pex is warm.
- Poetry has said what it would install: its report of the install into an empty environment. Only if there is none,
  because the install failed or this Poetry reports nothing, it is asked in a dry run (`closure.plan`).
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent import futures
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import NormalizedName

from nox_pex.distributions.environment import Environment
from nox_pex.distributions.interpreter import Interpreter
from nox_pex.pex.target import Target
from nox_pex.platforms.fetch import WheelFetcher
from nox_pex.poetry.install import Installer
from nox_pex.system import files, locks
from nox_pex.system.messages import prefixed
from nox_pex.tools import pinned
from nox_pex.verify.archive import Pex, open_pex
from nox_pex.verify.background import Background
from nox_pex.verify.gates import closure
from nox_pex.verify.rebuild import ProjectCopy, Rebuild, copied_project

Plans: TypeAlias = "Mapping[str, Mapping[NormalizedName, str]]"
"""The names and versions that Poetry would install, by the name of the platform."""

THIS_MACHINE: Final = ""
"""The name of the platform in `Plans` if the binary is for this one."""

_PREFIX: Final = "nox-pex-verify-"


class Parts(Struct, frozen=True, kw_only=True):
    """The parts of a reference, each with its result or its `NoxPexError`.

    `rebuild` is the copy of the project with what Poetry installed for it, `second` the second build of the binary,
    `plans` what Poetry would install.
    """

    rebuild: Future[Rebuild]
    second: Future[Pex]
    plans: Future[Plans]


def start(
    target: Target,
    installer: Installer,
    *,
    environment: Environment | None,
    deep: bool,
    stack: ExitStack,
    background: Background,
) -> Parts:
    """Start all parts for the binary of `target`. The arguments are those of `Reference`."""
    provisioner = installer.provisioner
    stoppable = replace(provisioner, shell=replace(provisioner.shell, stop=background.stop))
    installer = replace(installer, provisioner=stoppable)
    tools, plan = _saying(installer, "tools"), _saying(installer, "plan")
    poetry = background.start(_install_poetry, tools)
    pex = background.start(_install_pex, tools, target)
    copy = background.start(_copy, target, installer, environment, deep=deep, stack=stack)
    rebuild = background.start(_install, copy, poetry)
    warm = background.start(_warm_up, copy, pex, rebuild)
    second = background.start(_build, rebuild, warm, stack=stack)
    return Parts(rebuild=rebuild, second=second, plans=background.start(_plan, target, plan, poetry, rebuild))


def _saying(installer: Installer, label: str) -> Installer:
    """Return `installer` with `label` before each line, because several parts show lines at the same time."""
    provisioner = installer.provisioner
    shell = replace(provisioner.shell, say=prefixed(installer.shell.say, f"verify: {label}: "))
    return replace(installer, provisioner=replace(provisioner, shell=shell))


def _install_poetry(installer: Installer) -> None:
    pinned.provide_poetry(installer.provisioner, installer.poetry_version)


def _install_pex(installer: Installer, target: Target) -> Interpreter:
    """Install pex and the project's build backend, on the Python of an environment like that of the second build.

    Return that Python.
    """
    provisioner = installer.provisioner
    with locks.scratch(_PREFIX) as scratch:
        environment = Environment(path=scratch / "environment")
        provisioner.create(environment.path, python=installer.base.find(), seed=False)
        interpreter = environment.interpreter()
    pinned.install_pex(provisioner, target.settings.pex_version, interpreter=interpreter)
    if target.project.package_mode:
        pinned.provide_backend(provisioner, target.project.build_requires, interpreter=interpreter)
    return interpreter


def _copy(
    target: Target, installer: Installer, environment: Environment | None, *, deep: bool, stack: ExitStack
) -> ProjectCopy:
    size = _installed_bytes(target, environment)
    return stack.enter_context(copied_project(target, installer, cold=deep, size=size))


def _installed_bytes(target: Target, environment: Environment | None) -> int | None:
    """Return the bytes that are installed for the first build, if they are on this machine."""
    if environment is None or target.platforms or not environment.path.is_dir():
        return None
    return files.size(environment.path)


def _install(copy: Future[ProjectCopy], poetry: Future[None]) -> Rebuild:
    poetry.result()
    return copy.result().install()


def _warm_up(copy: Future[ProjectCopy], pex: Future[Interpreter], rebuild: Future[Rebuild]) -> None:
    interpreter = pex.result()
    if not rebuild.done():  # otherwise the build would only wait
        copy.result().warm_up(interpreter)


def _build(rebuild: Future[Rebuild], warm: Future[None], *, stack: ExitStack) -> Pex:
    prepared = rebuild.result()
    warm.result()
    return stack.enter_context(open_pex(prepared.build()))


def _plan(target: Target, installer: Installer, poetry: Future[None], rebuild: Future[Rebuild]) -> Plans:
    poetry.result()
    futures.wait([rebuild])
    if target.platforms:
        with locks.scratch(_PREFIX) as scratch:
            planned = WheelFetcher(installer=installer).plan(target.selection, target.platforms, scratch=scratch)
        return {platform: {p.name: p.version for p in packages} for platform, packages in planned.items()}
    if rebuild.exception() is None and (reported := rebuild.result().planned):
        return {THIS_MACHINE: reported}
    planned_here = closure.plan(
        target.selection,
        project=target.project,
        python=installer.base.find(),
        provisioner=installer.provisioner,
        poetry_version=target.settings.poetry_version,
    )
    return {THIS_MACHINE: planned_here}
