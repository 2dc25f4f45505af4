"""Fetch the wheels that ship on other platforms.

Poetry says which packages those are, and the lock names their files and hashes. Nothing can be installed for a platform
other than this one, so the result is a directory of wheels in the project's state. They are hard links to files in the
user's cache, which names them by their hashes.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from nox_pex.distributions.wheel import name_and_version
from nox_pex.errors import NoxPexError
from nox_pex.platforms import choose_wheels
from nox_pex.platforms.choose_wheels import Choice, MissingWheel, PlannedPackage
from nox_pex.platforms.platform import Platform
from nox_pex.platforms.wheel_cache import WheelCache, digest_of
from nox_pex.platforms.wheelhouse import (
    STATE_FILE,
    Wheel,
    WheelhouseState,
    environment_in,
    load_finished,
    platform_digests,
    read_state,
    wheels_in,
)
from nox_pex.poetry import lock
from nox_pex.poetry.cli import poetry_environ, sync_argv
from nox_pex.poetry.failures import failure
from nox_pex.poetry.install import Installer
from nox_pex.poetry.install_state import PathDependencies
from nox_pex.poetry.selection import Selection
from nox_pex.project import build_wheel, pyproject
from nox_pex.project.pyproject import Project
from nox_pex.system import files, locks, os_errors, recipe
from nox_pex.system.command import Outcome
from nox_pex.system.fingerprint import Inputs, changes
from nox_pex.system.messages import changed, unchanged
from nox_pex.system.wording import counted
from nox_pex.tools import pinned
from nox_pex.tools.provision import Provisioner

_POETRY_SCRIPT: Final = Path(__file__).with_name("poetry_script.py")


class WheelFetcher(Struct, frozen=True, kw_only=True):
    """Keeps wheelhouses in sync with the lock. `installer` is the one for the same project on this platform."""

    installer: Installer

    @property
    def _project(self) -> Project:
        return self.installer.project

    @property
    def _provisioner(self) -> Provisioner:
        return self.installer.provisioner

    def fetch(self, wanted: Selection, platforms: Sequence[Platform], home: Path) -> None:
        """Make the directory `home` contain exactly the wheels of `wanted` for `platforms`.

        Does nothing if the inputs have not changed and the wheels are complete. Raises `NoxPexError` `no-wheel`, before
        anything is fetched, with every package that has no wheel, or the code of Poetry's error.
        """
        say = self._provisioner.shell.say
        with os_errors.writing(f"the wheels in {home}", place=home):
            waiting = f"waiting until the wheels in {home} are fetched"
            lock_file = home.with_name(f".{home.name}.lock")
            with locks.locked(lock_file, waiting=lambda: say(waiting)) as lock_fd:
                self._fetch(wanted, platforms, home, lock_fd=lock_fd)

    def plan(
        self, wanted: Selection, platforms: Sequence[Platform], *, scratch: Path
    ) -> Mapping[str, Sequence[PlannedPackage]]:
        """The packages of `wanted` that Poetry would install on each target. `scratch` is a temporary directory."""
        return self._run_poetry(wanted, platforms, fetch=(), scratch=scratch, hold=())

    def _fetch(self, wanted: Selection, platforms: Sequence[Platform], home: Path, *, lock_fd: int) -> None:
        say, installer, environment = self._provisioner.shell.say, self.installer, environment_in(home)
        names = ", ".join(platform.name for platform in platforms)
        if not environment.usable:
            self._provisioner.create(environment.path, python=installer.base.find(), seed=False)
        state = read_state(home)
        lock_digest = lock.digest(self._project.lock)
        remembered = state.path_dependencies if state is not None else None
        paths = installer.path_dependencies(remembered, lock_digest)
        inputs = {
            **installer.inputs(wanted, lock_digest, paths),
            "platforms": platform_digests(platforms),
            "python": {"python": environment.interpreter().identity, "asked for": installer.base.name},
            "recipe": {"the code of nox-pex": recipe.digest()},
        }
        before: Inputs = state.inputs if state is not None else {}
        wheelhouse = load_finished(wanted, platforms, home)
        if wheelhouse is not None and before == inputs and not installer.force:
            say(unchanged(f"install: unchanged, {counted(wheelhouse.wheels, 'wheel')} for {names} ({wanted})"))
            return
        if before:
            say(changed(f"install: {', '.join(changes(before, inputs)) or 'forced'}"))
        if before.get("python") != inputs["python"]:
            self._provisioner.create(environment.path, python=installer.base.find(), seed=False)
            python = {"python": environment.interpreter().identity, "asked for": installer.base.name}
            inputs = {**inputs, "python": python}
        (home / STATE_FILE).unlink(missing_ok=True)
        for abandoned in home.glob(".fetch.*"):
            files.remove(abandoned)
        started = time.monotonic()
        with files.temporary_directory(prefix=".fetch.", parent=home) as scratch:
            wheels = self._wheels(wanted, platforms, home, scratch=scratch, lock_fd=lock_fd)
            files.move_into_place(scratch / "wheels", wheels_in(home))
        state = WheelhouseState(
            selection=wanted.key,
            inputs={kind: dict(items) for kind, items in inputs.items()},
            path_dependencies=PathDependencies(lock=lock_digest, paths=dict(paths)),
            wheels=wheels,
            seconds=round(time.monotonic() - started, 3),
        )
        files.write_json(home / STATE_FILE, msgspec.to_builtins(state))
        say(f"install: {counted(wheels, 'wheel')} for {names} in {state.seconds:.1f} s ({wanted})")

    def _wheels(
        self, wanted: Selection, platforms: Sequence[Platform], home: Path, *, scratch: Path, lock_fd: int
    ) -> tuple[Wheel, ...]:
        """Return all wheels, linked into the directory `scratch/wheels`."""
        packages = self._run_poetry(wanted, platforms, fetch=(), scratch=scratch, hold=(lock_fd,))
        for package in choose_wheels.unhashed(packages):
            problem = f"{self._project.lock} has no hash for {package.name} {package.version}"
            raise NoxPexError("hash-missing", problem, "run `poetry lock --regenerate` with a current Poetry")
        choices, missing = choose_wheels.choose(packages, platforms)
        builder = _SourceBuilder(self.installer, home, into=scratch / "built")
        self._refuse_missing([*missing, *builder.build(_of_source("directory", choices))])
        cache = WheelCache(self._provisioner.caches)
        to_fetch = [c for c in choices if c.package.source == "git" or not self._provide_locally(c, cache)]
        if to_fetch:
            self._run_poetry(wanted, platforms, fetch=to_fetch, scratch=scratch, hold=(lock_fd,))
        self._refuse_missing(builder.build(_of_source("git", choices), fetched=scratch / "fetched"))
        for choice in to_fetch:
            if choice.file is not None:
                cache.store(scratch / "fetched" / choice.file, choice.hash)
        into = scratch / "wheels"
        into.mkdir()
        wheels = (_linked(choice, into, built=builder.built, cache=cache) for choice in choices)
        return tuple(sorted(wheels, key=lambda wheel: wheel.file))

    def _refuse_missing(self, missing: Iterable[MissingWheel]) -> None:
        """Raise `NoxPexError` `no-wheel` if anything is missing."""
        if found := tuple(missing):
            raise choose_wheels.no_wheel(found, lock=self._project.lock)

    def _provide_locally(self, choice: Choice, cache: WheelCache) -> bool:
        """Copy the file of `choice` into the cache if the lock names its path; return whether no download is needed.

        Raises `NoxPexError` `hash-mismatch` if that file has another hash than the lock says.
        """
        if choice.file is None or cache.has(choice.hash, choice.file):
            return True
        if choice.package.source != "file":
            return False
        source = self._project.root / str(choice.package.url)
        if digest_of(source, like=choice.hash) != choice.hash:
            problem = f"{source} of {choice.package.name} has another hash than the lock says"
            remedy = f"if the new file is the right one, run `poetry update --lock {choice.package.name}`"
            raise NoxPexError("hash-mismatch", problem, remedy)
        cache.store(source, choice.hash, copy=True)
        return True

    def _run_poetry(
        self,
        wanted: Selection,
        platforms: Sequence[Platform],
        *,
        fetch: Sequence[Choice],
        scratch: Path,
        hold: Sequence[int],
    ) -> Mapping[str, tuple[PlannedPackage, ...]]:
        """Return the packages that Poetry would install, by name of the target, and `fetch` some of them.

        The files go into `scratch/fetched`. `hold` are descriptors of locks that Poetry inherits.
        """
        shell, project = self._provisioner.shell, self._project
        poetry = pinned.provide_poetry(self._provisioner, self.installer.poetry_version)
        (environments := scratch / "environments").mkdir(exist_ok=True)
        (into := scratch / "fetched").mkdir(exist_ok=True)
        request, answer = scratch / "request.json", scratch / "answer.json"
        files.write_json(request, _request(platforms, fetch, into=into, answer=answer))
        action = f"fetches {counted(fetch, 'file')}" if fetch else "reads the lock"
        shell.say(f"install: Poetry {poetry.version} {action} for {', '.join(p.name for p in platforms)} ({wanted})")
        environ = poetry_environ(
            shell.environ,
            environment=environment_in(scratch),
            environments=environments,
            project=project.root,
        )
        argv = sync_argv(poetry, wanted, project, script=(str(_POETRY_SCRIPT), str(request)))
        outcome = shell.run(argv, what="install: Poetry", env=environ, cwd=project.root, hold=hold)
        if outcome.status != 0 or not answer.exists():
            raise _failure(outcome, project)
        answers: list[Any] = json.loads(answer.read_text("utf-8"))
        return {
            platform.name: choose_wheels.parse(packages) for platform, packages in zip(platforms, answers, strict=True)
        }


def _failure(outcome: Outcome, project: Project) -> NoxPexError:
    """The error that Poetry's output reports. The Python in it is that of a target."""
    error = failure(outcome, project)
    if error.code != "python-mismatch":
        return error
    problem = error.problem.replace("the session runs on", "a target has")
    remedy = "choose a target that the project allows, or widen its `requires-python`"
    return NoxPexError(error.code, problem, remedy, log=error.log)


class _SourceBuilder:
    """Builds the wheels of packages that are sources, below the directory `into`.

    `built` are the wheels so far, by `PlannedPackage.key`.
    """

    def __init__(self, installer: Installer, home: Path, *, into: Path) -> None:
        self._installer = installer
        self._interpreter = environment_in(home).interpreter()
        self._into = into
        self.built: dict[tuple[str, str], Path] = {}

    def build(self, choices: Iterable[Choice], *, fetched: Path | None = None) -> tuple[MissingWheel, ...]:
        """Build the wheels of `choices`. Returns an entry for each target that cannot use one because it is not pure.

        The sources are in the directory `fetched`, or, if that is None, in the directory that the lock names.
        """
        return tuple(missing for choice in choices for missing in self._build(choice, fetched=fetched))

    def _build(self, choice: Choice, *, fetched: Path | None) -> Iterable[MissingWheel]:
        package = choice.package
        source = fetched / package.name if fetched is not None else self._installer.project.root / str(package.url)
        (into := self._into / f"{package.name}-{package.version}").mkdir(parents=True, exist_ok=True)
        wheel = build_wheel.build_wheel(
            pyproject.read_source((source / (package.subdirectory or "")).resolve()),
            into=into,
            interpreter=self._interpreter,
            provisioner=self._installer.provisioner,
        )
        self.built[package.key] = wheel
        return choose_wheels.impure(choice, wheel)


def _of_source(source: str, choices: Iterable[Choice]) -> list[Choice]:
    """The choices whose packages come from `source`, as Poetry calls it."""
    return [choice for choice in choices if choice.package.source == source]


def _linked(choice: Choice, into: Path, *, built: Mapping[tuple[str, str], Path], cache: WheelCache) -> Wheel:
    """Link the wheel of `choice`, from `built` or from `cache`, into the directory `into`, and describe it."""
    package = choice.package
    source = built[package.key] if choice.file is None else cache.path(choice.hash, choice.file)
    path = into / source.name
    try:
        path.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, path)
    return Wheel(
        name=package.name,
        # The version of what comes from a path may have moved since the lock.
        version=package.version if choice.file is not None else name_and_version(path)[1],
        file=path.name,
        sha256=files.digest(path),
        size=path.stat().st_size,
        targets=choice.targets,
        direct=package.source not in (None, "legacy"),
        built=choice.file is None,
    )


def _request(
    platforms: Sequence[Platform], fetch: Sequence[Choice], *, into: Path, answer: Path
) -> Mapping[str, object]:
    """The input of `poetry_script.py`, which describes it."""
    return {
        "targets": [platform.as_json() for platform in platforms],
        "fetch": [
            {"name": c.package.name, "version": c.package.version, "file": c.file, "hash": c.hash} for c in fetch
        ],
        "into": str(into),
        "answer": str(answer),
    }
