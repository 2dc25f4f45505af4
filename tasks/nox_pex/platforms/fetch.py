"""Gathers what ships on other platforms: Poetry says what that is, the lock has the wheels, their hashes are checked.

Nothing can be installed for a platform that is not here, so the wheels themselves are what is kept: in the user's cache
by their hash, and as links to them in the project's state.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.platforms import choose_wheels
from nox_pex.platforms.choose_wheels import Choice, MissingWheel, PlannedPackage
from nox_pex.platforms.platform import Platform
from nox_pex.platforms.wheelhouse import STATE, Wheel, environment_in, finished, platform_digests, wheels_in
from nox_pex.poetry import lock
from nox_pex.poetry.cli import poetry_environ, sync_argv
from nox_pex.poetry.failures import failure
from nox_pex.poetry.install import Installer
from nox_pex.poetry.selection import Selection
from nox_pex.project import build_wheel, pyproject
from nox_pex.project.pyproject import Project
from nox_pex.system import files, locks, recipe
from nox_pex.system.command import Outcome
from nox_pex.system.fingerprint import Inputs, changes
from nox_pex.system.wording import counted
from nox_pex.tools import cache, pinned
from nox_pex.tools.cache import Caches
from nox_pex.tools.provision import Provisioner

_POETRY_SCRIPT: Final = Path(__file__).with_name("poetry_script.py")


class WheelFetcher(Struct, frozen=True, kw_only=True):
    """Keeps the wheels for other platforms as the lock says. `installer` is how its project is installed here."""

    installer: Installer

    @property
    def _project(self) -> Project:
        return self.installer.project

    @property
    def _provisioner(self) -> Provisioner:
        return self.installer.provisioner

    def fetch(self, wanted: Selection, platforms: Sequence[Platform], home: Path) -> None:
        """Let the directory `home` hold exactly the wheels of `wanted` for `platforms`.

        Does nothing where its inputs are as they were, and the wheels are there.
        Raises `NoxPexError`: `no-wheel` with every package that has none, before anything is fetched; else the code of
        whatever Poetry met.
        """
        say = self._provisioner.shell.say
        with files.writing(f"the wheels in {home}"):
            waiting = f"waiting for another run that fetches wheels into {home}"
            lock_file = home.with_name(f".{home.name}.lock")
            with locks.locked(lock_file, waiting=lambda: say(waiting)) as held:
                self._fetch(wanted, platforms, home, held=held)

    def plan(
        self, wanted: Selection, platforms: Sequence[Platform], *, aside: Path
    ) -> Mapping[str, Sequence[PlannedPackage]]:
        """What Poetry would install of `wanted` on each target, by its name; `aside` is a directory to work in."""
        return self._asked(wanted, platforms, fetch=(), aside=aside, held=())

    def _fetch(self, wanted: Selection, platforms: Sequence[Platform], home: Path, *, held: int) -> None:
        say, installer, environment = self._provisioner.shell.say, self.installer, environment_in(home)
        names = ", ".join(platform.name for platform in platforms)
        if not environment.usable:
            self._provisioner.create(environment.path, python=installer.base.find(), seed=False)
        state = files.read_json(home / STATE)
        locked = lock.digest(self._project.lock)
        paths = installer.path_dependencies(state, locked)
        inputs = {
            **installer.inputs(wanted, locked, paths),
            "platforms": platform_digests(platforms),
            "python": {"python": environment.interpreter().identity, "asked for": installer.base.name},
            "recipe": {"the code of nox-pex": recipe.digest()},
        }
        before: Inputs = state.get("inputs", {})
        done = finished(wanted, platforms, home)
        if done is not None and before == inputs and not installer.force:
            say(f"install: unchanged, {counted(done.wheels, 'wheel')} for {names} ({wanted})")
            return
        if before:
            say(f"install: {', '.join(changes(before, inputs)) or 'forced'}")
        if before.get("python") != inputs["python"]:
            self._provisioner.create(environment.path, python=installer.base.find(), seed=False)
            python = {"python": environment.interpreter().identity, "asked for": installer.base.name}
            inputs = {**inputs, "python": python}
        (home / STATE).unlink(missing_ok=True)
        for left in home.glob(".gathering.*"):
            shutil.rmtree(left, ignore_errors=True)
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=".gathering.", dir=home) as directory:
            aside = Path(directory)
            wheels = self._wheels(wanted, platforms, home, aside=aside, held=held)
            files.move_into_place(aside / "wheels", wheels_in(home))
        state = {
            "selection": wanted.key,
            "inputs": inputs,
            "path-dependencies": {"lock": locked, "paths": paths},
            "wheels": [msgspec.to_builtins(wheel) for wheel in wheels],
            "seconds": round(time.monotonic() - started, 3),
        }
        files.write_json(home / STATE, state)
        say(f"install: {counted(wheels, 'wheel')} for {names} in {state['seconds']:.1f} s ({wanted})")

    def _wheels(
        self, wanted: Selection, platforms: Sequence[Platform], home: Path, *, aside: Path, held: int
    ) -> tuple[Wheel, ...]:
        """All wheels, linked into the directory `aside/wheels`."""
        packages = self._asked(wanted, platforms, fetch=(), aside=aside, held=(held,))
        for package in choose_wheels.unhashed(packages):
            problem = f"{self._project.lock} has no hash for {package.name} {package.version}"
            raise NoxPexError("hash-missing", problem, "run `poetry lock --regenerate` with a current Poetry")
        choices, missing = choose_wheels.choose(packages, platforms)
        built = _Workshop(self, home, into=aside / "built")
        lacking = [*missing, *(each for c in choices if c.package.source == "directory" for each in built.build(c))]
        if lacking:
            raise choose_wheels.no_wheel(lacking, lock=self._project.lock)
        cache = _Cache(self._provisioner.caches)
        wanting = [choice for choice in choices if choice.package.source == "git" or not self._at_hand(choice, cache)]
        if wanting:
            self._asked(wanted, platforms, fetch=wanting, aside=aside, held=(held,))
        if lacking := [each for c in choices if c.package.source == "git" for each in built.build(c, aside=aside)]:
            raise choose_wheels.no_wheel(lacking, lock=self._project.lock)
        for choice in wanting:
            if choice.file is not None:
                cache.put(aside / "fetched" / choice.file, choice.hash)
        (aside / "wheels").mkdir()
        made = []
        for choice in choices:
            source = built.path(choice) if choice.file is None else cache.path(choice.hash, choice.file)
            _link(source, path := aside / "wheels" / source.name)
            package = choice.package
            made.append(
                Wheel(
                    name=package.name,
                    version=package.version,
                    file=path.name,
                    sha256=files.digest(path),
                    size=path.stat().st_size,
                    targets=choice.targets,
                    direct=package.source not in (None, "legacy"),
                    built=choice.file is None,
                )
            )
        return tuple(sorted(made, key=lambda wheel: wheel.file))

    def _at_hand(self, choice: Choice, cache: _Cache) -> bool:
        """Whether the file of `choice` is in the cache; a file that the lock takes in by path is put there."""
        if choice.file is None or cache.has(choice.hash, choice.file):
            return True
        if choice.package.source != "file":
            return False
        source = self._project.root / str(choice.package.url)
        if _digest(source, choice.hash) != choice.hash:
            problem = f"{source}, which stands for {choice.package.name}, is not the file that the lock says"
            remedy = f"if the new file is the right one, run `poetry update --lock {choice.package.name}`"
            raise NoxPexError("hash-mismatch", problem, remedy)
        cache.put(source, choice.hash, copy=True)
        return True

    def _asked(
        self,
        wanted: Selection,
        platforms: Sequence[Platform],
        *,
        fetch: Sequence[Choice],
        aside: Path,
        held: Sequence[int],
    ) -> Mapping[str, tuple[PlannedPackage, ...]]:
        """Let Poetry say what it would install, and `fetch` some of it into `aside/fetched`."""
        shell, source = self._provisioner.shell, self._project
        poetry = pinned.provide_poetry(self._provisioner, self.installer.poetry_version)
        (nowhere := aside / "environments").mkdir(exist_ok=True)
        (into := aside / "fetched").mkdir(exist_ok=True)
        request, answer = aside / "request.json", aside / "answer.json"
        files.write_json(request, _request(platforms, fetch, into=into, answer=answer))
        doing = f"fetches {_files(fetch)}" if fetch else "reads the lock"
        shell.say(f"install: Poetry {poetry.version} {doing} for {', '.join(p.name for p in platforms)} ({wanted})")
        environ = poetry_environ(
            shell.environ, poetry=poetry, environment=environment_in(aside), environments=nowhere, project=source.root
        )
        argv = sync_argv(poetry, wanted, source, program=(str(_POETRY_SCRIPT), str(request)))
        outcome = shell.run(argv, what="install: Poetry", env=environ, cwd=source.root, hold=held)
        if outcome.status != 0 or not answer.exists():
            raise _failure(outcome, source)
        answers: list[Any] = json.loads(answer.read_text("utf-8"))
        return {platform.name: choose_wheels.parse(one) for platform, one in zip(platforms, answers, strict=True)}


def _failure(outcome: Outcome, source: Project) -> NoxPexError:
    """What went wrong, from Poetry's words: of its environment, which is a target here."""
    error = failure(outcome, source)
    if error.code != "python-mismatch":
        return error
    problem = error.problem.replace("the session runs on", "a target has")
    return NoxPexError(error.code, problem, "take a target that it allows, or widen what it allows", log=error.log)


class _Workshop:
    """Builds wheels of the packages that are sources, in the directory `into`, each once."""

    def __init__(self, gatherer: WheelFetcher, home: Path, *, into: Path) -> None:
        self._gatherer = gatherer
        self._interpreter = environment_in(home).interpreter()
        self._into = into
        self._built: dict[tuple[str, str], Path] = {}

    def build(self, choice: Choice, *, aside: Path | None = None) -> Iterator[MissingWheel]:
        """Build the wheel of `choice`, whose sources lie in `aside/fetched` (None: where the lock says)."""
        package, root = choice.package, self._gatherer.installer.project.root
        source = aside / "fetched" / package.name if aside is not None else root / str(package.url)
        (into := self._into / f"{package.name}-{package.version}").mkdir(parents=True, exist_ok=True)
        self._built[package.key] = made = build_wheel.build_wheel(
            pyproject.read_source((source / (package.subdirectory or "")).resolve()),
            into=into,
            interpreter=self._interpreter,
            provisioner=self._gatherer.installer.provisioner,
        )
        yield from choose_wheels.impure(choice, made)

    def path(self, choice: Choice) -> Path:
        """The wheel that was built for `choice`."""
        return self._built[choice.package.key]


class _Cache:
    """The user's wheels, each in a directory that its hash names. What it holds, it holds whole."""

    def __init__(self, shared: Caches) -> None:
        self._root = shared.wheels
        self._root.mkdir(parents=True, exist_ok=True)
        cache.mark_used(self._root)

    def path(self, expected: str, file: str) -> Path:
        """Where the wheel `file` with this hash (`sha256:…`) lies, whether it does or not."""
        algorithm, _, digest = expected.partition(":")
        return self._root / algorithm / digest / file

    def has(self, expected: str, file: str) -> bool:
        """Whether it is there, with the content that its hash stands for."""
        path = self.path(expected, file)
        if not path.exists():
            return False
        if _digest(path, expected) != expected:
            path.unlink(missing_ok=True)
            return False
        return True

    def put(self, path: Path, expected: str, *, copy: bool = False) -> None:
        """Take over the file `path`, whose hash was checked: by moving it, or as a `copy`."""
        target = self.path(expected, path.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new.", dir=target.parent) as aside:
            new = Path(aside) / path.name
            (shutil.copyfile if copy else shutil.move)(path, new)
            new.chmod(0o644)
            new.replace(target)


def _request(
    platforms: Sequence[Platform], fetch: Sequence[Choice], *, into: Path, answer: Path
) -> Mapping[str, object]:
    return {
        "targets": [platform.as_json() for platform in platforms],
        "fetch": [
            {"name": c.package.name, "version": c.package.version, "file": c.file, "hash": c.hash} for c in fetch
        ],
        "into": str(into),
        "answer": str(answer),
    }


def _digest(path: Path, like: str) -> str:
    """The hash of a file in the form and by the algorithm of `like` (`sha256:…`); empty where there is no such file."""
    algorithm = like.partition(":")[0]
    if algorithm == "sha256":
        return f"sha256:{files.digest(path)}"
    try:
        return f"{algorithm}:{hashlib.new(algorithm, path.read_bytes()).hexdigest()}"
    except OSError:
        return ""


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def _files(choices: Sequence[Choice]) -> str:
    return f"{len(choices)} file{'' if len(choices) == 1 else 's'}"
