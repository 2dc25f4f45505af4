"""Install what ships from the lock with Poetry, into one environment for each set of groups and extras.

Later steps read that environment and not an export of the lock, because exports lose packages.
"""

from __future__ import annotations

import hashlib
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from nox_pex.distributions.environment import Environment, is_compiled_here, snapshot
from nox_pex.distributions.interpreter import BasePython
from nox_pex.errors import NoxPexError
from nox_pex.poetry import install_state, lock, origins
from nox_pex.poetry.install_state import InstallState, PathDependencies
from nox_pex.poetry.installed import Installed, from_state
from nox_pex.poetry.lock import Lock
from nox_pex.poetry.selection import Selection
from nox_pex.project import pyproject, sources
from nox_pex.project.pyproject import Project
from nox_pex.system import files, locks, os_errors
from nox_pex.system.command import Shell
from nox_pex.system.environ import tool_environ
from nox_pex.system.fingerprint import Inputs, changes
from nox_pex.system.lazy import lazy
from nox_pex.system.messages import changed, unchanged
from nox_pex.system.wording import counted
from nox_pex.tools import pinned
from nox_pex.tools.provision import Provisioner

if TYPE_CHECKING:
    from nox_pex.distributions import inventory
    from nox_pex.poetry import collisions, install_cache, sync
    from nox_pex.poetry.install_cache import CachedInstall
    from nox_pex.poetry.sync import Sync
    from nox_pex.project import build_backend
else:
    build_backend = lazy("nox_pex.project.build_backend")  # only needed for a directory as a dependency
    inventory = lazy("nox_pex.distributions.inventory")  # these are not needed if nothing changed
    collisions = lazy("nox_pex.poetry.collisions")
    install_cache = lazy("nox_pex.poetry.install_cache")
    sync = lazy("nox_pex.poetry.sync")


def _do_nothing(_environment: Environment) -> AbstractContextManager[None]:
    return nullcontext()


class Installer(Struct, frozen=True, kw_only=True):
    """Keeps the environments of `project` in sync with its lock.

    `base` is the Python that the environments use. `poetry_version` replaces the pinned Poetry if it is not None.
    `force` installs even if nothing changed. If not `cached`, the install cache is not used at all. `meanwhile` is
    entered while an environment is filled, and yields a function to call for each distribution that Poetry completes,
    by its name and version in the lock.
    """

    project: Project
    base: BasePython
    provisioner: Provisioner
    poetry_version: str | None
    force: bool
    cached: bool = True
    meanwhile: Callable[[Environment], AbstractContextManager[Callable[[str, str], None] | None]] = _do_nothing

    @property
    def shell(self) -> Shell:
        """Runs tools and prints lines for the user."""
        return self.provisioner.shell

    def install(self, wanted: Selection, environment: Environment) -> Installed:
        """Install exactly `wanted` into `environment`, which is created if necessary, and return the result.

        Does nothing if neither the inputs nor the installed distributions have changed since the last install.
        Raises `NoxPexError`: the code of Poetry's error, `no-lock`, `lock-unreadable`, `disk-full`, or `tool-install`
        if Poetry cannot be installed.
        """
        with os_errors.writing(f"the environment {environment.path}", place=environment.path):
            waiting = f"waiting until the install into {environment.path} is finished"
            lock_file = environment.path.with_name(f".{environment.path.name}.lock")
            with locks.locked(lock_file, waiting=lambda: self.shell.say(waiting)) as lock_fd:
                return self._install(wanted, environment, lock_fd=lock_fd)

    def _install(self, wanted: Selection, environment: Environment, *, lock_fd: int) -> Installed:
        lock_digest = lock.digest(self.project.lock)  # without a lock, no environment is created
        if new := not environment.usable:
            self._create(environment)
        state = install_state.read(environment)
        remembered = state.path_dependencies if state is not None else None
        paths = self.path_dependencies(remembered, lock_digest)
        inputs: Inputs = {**self.inputs(wanted, lock_digest, paths), "python": self._python(environment)}
        before: Inputs = state.inputs if state is not None else {}
        found = environment.distributions()
        untouched = (
            state is not None and state.distributions == snapshot(found) and state.top == environment.top_names()
        )
        if state is not None and untouched and before == inputs and not self.force:
            self.shell.say(unchanged(f"install: unchanged, {counted(found, 'distribution')} ({wanted})"))
            return from_state(wanted, environment, state, found)
        if not new and (reason := self._distrust_reason(environment, state, inputs, untouched=untouched)) is not None:
            self.shell.say(changed(f"install: creating the environment again: {reason}"))
            inputs, before, new = self._recreate(environment, inputs), {}, True
        if before:
            self.shell.say(changed(f"install: {', '.join(changes(before, inputs)) or 'forced'}"))
        install_state.remove(environment)
        started = time.monotonic()
        files_before = state.files if state is not None else {}
        _remove_changed(environment, lock.read(self.project.lock), inputs, before=before, files=files_before)
        inputs, restored = self._fill(wanted, environment, inputs, new=new, lock_fd=lock_fd)
        seconds, found = time.monotonic() - started, environment.distributions()
        renamed = {str(name): str(known) for name, known in lock.read(self.project.lock).renamed(found).items()}
        state = InstallState(
            selection=wanted.key,
            id=uuid.uuid4().hex,
            inputs={kind: dict(items) for kind, items in inputs.items()},
            path_dependencies=PathDependencies(lock=lock_digest, paths=dict(paths), renamed=renamed),
            distributions=snapshot(found),
            top=environment.top_names(),
            seconds=round(seconds, 3),
            files=lock.read(self.project.lock).file_digests(),
        )
        install_state.write(environment, state)
        if compiled := [f"{each.name} {each.version}" for each in found if is_compiled_here(each)]:
            self.shell.say(f"install: compiled on this machine, because there is no wheel: {', '.join(compiled)}")
        how = "restored from the install cache " if restored else ""
        self.shell.say(f"install: {counted(found, 'distribution')} {how}in {seconds:.1f} s ({wanted})")
        return from_state(wanted, environment, state, found)

    def _distrust_reason(
        self, environment: Environment, state: InstallState | None, inputs: Inputs, *, untouched: bool
    ) -> str | None:
        """The reason why `environment` cannot be trusted; None if Poetry may update it.

        Poetry compares names and versions only, so it would not notice a changed file. It installs a distribution whose
        METADATA is not UTF-8, but cannot read it again.
        """
        if state is None:
            return "the last install did not finish, or another version of nox-pex made it"
        if state.inputs.get("python") != inputs["python"]:
            return "it is for another Python"
        if not untouched or (self.force and next(inventory.damaged(environment), None) is not None):
            return "it was changed after Poetry installed it"
        if (unreadable := next(environment.without_utf_8(), None)) is not None:
            return f"Poetry cannot read the metadata of {unreadable}, which is not UTF-8"
        return None

    def _fill(
        self, wanted: Selection, environment: Environment, inputs: Inputs, *, new: bool, lock_fd: int
    ) -> tuple[Inputs, bool]:
        """Restore `environment` from the install cache, or make Poetry install into it.

        Returns the inputs, whose Python may differ if the environment was created again, and whether it was restored.
        """
        cached = self._cached(inputs)
        if self.cached and not self.force and not new and cached.exists():
            inputs = self._recreate(environment, inputs)
            cached = self._cached(inputs)
        if self.cached and not self.force and self._restore(cached, environment):
            return inputs, True
        locked = lock.read(self.project.lock)
        poetry = sync.Sync(project=self.project, provisioner=self.provisioner, poetry_version=self.poetry_version)
        with self.meanwhile(environment) as installed:
            try:
                poetry.run(wanted, environment, lock_fd=lock_fd, installed=installed)
            except NoxPexError:
                inventory.check_places(environment)  # Poetry cannot use a broken environment, and gives no reason
                raise
            inventory.check_places(environment)
            self._reinstall_colliding(poetry, wanted, environment, lock_fd=lock_fd)
            environment.make_scripts_executable()
            if self.cached:
                cached.store(environment, locked, shell=self.shell)
        return inputs, False

    def _cached(self, inputs: Inputs) -> CachedInstall:
        """The place in the install cache for these inputs."""
        return install_cache.locate(
            inputs,
            home=self.provisioner.caches.environments,
            environ=tool_environ(self.shell.environ),
            prefix=Path(sys.prefix),
            project=self.project.root,
        )

    def _restore(self, cached: CachedInstall, environment: Environment) -> bool:
        """Restore the new `environment` from the cache; return False if Poetry has to install the rest of it.

        An empty environment then has what a cached install of another lock has in common with this one.
        """
        if cached.exists():
            if cached.restore(environment):
                return True
            self._create(environment)
        if environment.distributions():
            return False
        common = cached.begin(environment, lock.read(self.project.lock))
        if common is None:
            self._create(environment)
        elif common:
            what = "distribution is" if common == 1 else "distributions are"
            self.shell.say(f"install: {common} {what} the same in a lock that is in the install cache")
        return False

    def _create(self, environment: Environment) -> None:
        install_state.remove(environment)
        origins.clear(environment)
        files.remove(sync.scratch_of(environment))  # of a Poetry that was killed
        self.provisioner.create(environment.path, python=self.base.find(), seed=False)

    def _recreate(self, environment: Environment, inputs: Inputs) -> Inputs:
        """Create `environment` again, empty. Returns `inputs` with its Python."""
        self._create(environment)
        return {**inputs, "python": self._python(environment)}

    def _python(self, environment: Environment) -> Mapping[str, str]:
        return {"python": environment.interpreter().identity, "asked for": self.base.name}

    def inputs(self, wanted: Selection, lock_digest: str, paths: Mapping[str, str]) -> Inputs:
        """Return the inputs that decide what is installed, without the Python of the environment.

        `paths` are the path dependencies, as from `path_dependencies`.
        """
        return {
            "lock": {"poetry.lock": lock_digest},
            "settings": {
                "groups": ",".join(wanted.groups),
                "extras": ",".join(wanted.extras),
                "dependencies in pyproject.toml": self.project.dependency_digest(),
                "poetry.toml": files.digest(self.project.root / "poetry.toml"),
            },
            "tools": {"poetry": self.poetry_version or pinned.POETRY},
            "paths": {name: _tree_digest((self.project.root / path).resolve()) for name, path in paths.items()},
        }

    def path_dependencies(self, remembered: PathDependencies | None, lock_digest: str) -> Mapping[str, str]:
        """Return the path dependencies in the lock: name of the distribution to its path from the project's root.

        They are those that an earlier install `remembered`, if its lock had the digest `lock_digest`.
        """
        if remembered is not None and remembered.lock == lock_digest:
            return remembered.paths
        locked = lock.read(self.project.lock)
        return {p.name: p.source.url for p in locked.packages if p.source and p.source.type in lock.BY_PATH}

    def _reinstall_colliding(self, poetry: Sync, wanted: Selection, environment: Environment, *, lock_fd: int) -> None:
        """Install the distributions that share a file again, one at a time in Poetry's order."""
        colliding = collisions.colliding(environment)
        if not colliding:
            return
        names = ", ".join(distribution.name for distribution in colliding)
        self.shell.say(f"install: reinstalling one at a time, because they install the same files: {names}")
        for distribution in colliding:
            environment.remove(distribution)
        poetry.run(wanted, environment, lock_fd=lock_fd, one_at_a_time=True)
        for line in collisions.record_winners(environment):
            self.shell.say(f"install: {line}")


def _remove_changed(
    environment: Environment, locked: Lock, inputs: Inputs, *, before: Inputs, files: Mapping[str, str]
) -> None:
    """Remove the distributions that Poetry would not install again, although what is locked of them has changed.

    Poetry compares names and versions only: not the content of a path, nor the hashes of the files in `locked`. It
    never removes pip, so that is removed here, and installed again if it is locked.
    `before` and `files` are from the last install.
    """
    found = environment.distributions()
    renamed, now = locked.renamed(found), locked.file_digests()
    for distribution in found:
        name = distribution.name
        changed = before.get("paths", {}).get(name) != inputs["paths"].get(name)
        published_again = files.get(name, now.get(name)) != now.get(name) and locked.find(name, distribution.version)
        if changed or name in renamed or published_again or name == install_cache.KEPT_BY_POETRY:
            environment.remove(distribution)


def _tree_digest(path: Path) -> str:
    """The SHA-256 of a path dependency: of the file, or of all files that its build backend could read."""
    if not path.is_dir():
        return files.digest(path)
    listed = sources.project_files(path, output_dir=Path("dist"), extra=())
    digests = build_backend.file_digests(pyproject.read_source(path), listed)
    return hashlib.sha256(repr(sorted(digests.items())).encode()).hexdigest()
