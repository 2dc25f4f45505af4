"""Poetry installs, from the lock, exactly what ships, into one environment for each set of groups and extras.

The environment that Poetry itself installed is the source of truth for all that follows: exports lose packages.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from nox_pex import files, lock, sources, tools
from nox_pex.command import Outcome, Shell, tool_environ
from nox_pex.config import Binary, Settings
from nox_pex.environment import Distribution, Environment, entry_points, is_compiled_here, snapshot
from nox_pex.errors import NoxPexError
from nox_pex.inputs import Inputs, changes
from nox_pex.project import MAIN, Project
from nox_pex.tools import UTF_8, Poetry, Provisioner, network_failure

if TYPE_CHECKING:
    from nox_pex.kept import Kept

_STATE: Final = "nox-pex.json"
"""Beside `pyvenv.cfg`: what was installed and from what. Its absence says that an install was not finished."""


class Selection(Struct, frozen=True, order=True):
    """A set of dependency groups and extras, normalized and sorted: what one environment is for."""

    groups: tuple[str, ...]
    extras: tuple[str, ...]

    @property
    def key(self) -> str:
        """A short name for directories."""
        return hashlib.sha256(repr((self.groups, self.extras)).encode()).hexdigest()[:12]

    def __str__(self) -> str:
        extras = f", extras {', '.join(self.extras)}" if self.extras else ""
        return f"group{'s' if len(self.groups) > 1 else ''} {', '.join(self.groups)}{extras}"


class Installed(Struct, frozen=True, kw_only=True):
    """A finished install: the environment, what is in it, and the seconds that Poetry took when it last worked.

    `path_digests` is the SHA-256 of the content of each path dependency, by name. `id` is another one each time that
    something was installed.
    """

    selection: Selection
    environment: Environment
    distributions: tuple[Distribution, ...]
    path_digests: Mapping[str, str]
    seconds: float
    id: str = ""

    def marker(self, name: str, version: str) -> str:  # noqa: ARG002 (as for other platforms)
        """The environment marker under which a distribution is installed: none, since all of it is for one Python."""
        return ""

    @property
    def is_direct(self) -> bool:
        """Whether something in it came from a path, a URL or Git."""
        return any(distribution.direct for distribution in self.distributions)

    def scripts(self) -> frozenset[str]:
        """The names of the console scripts in it."""
        return frozenset(name for distribution in self.distributions for name in entry_points(distribution))

    def has_module(self, module: str) -> bool:
        """Whether the module or package of this dotted name is in it."""
        path = module.replace(".", "/")
        return any((root / path).is_dir() for root in self.environment.site_packages) or self._has_file(path)

    def has_program(self, module: str) -> bool:
        """Whether the module of this dotted name, or a package of that name with a `__main__`, is in it."""
        path = module.replace(".", "/")
        return self._has_file(path) or self._has_file(f"{path}/__main__")

    def _has_file(self, path: str) -> bool:
        """Whether there is a module of this path, of whatever kind."""
        name = Path(path).name
        return any(
            file.is_file() for root in self.environment.site_packages for file in (root / path).parent.glob(f"{name}.*")
        )


def finished(wanted: Selection, environment: Environment) -> Installed | None:
    """What is in `environment` after an earlier `Installer.install` of `wanted`; None where there was none."""
    state = files.read_json(environment.path / _STATE)
    if state.get("selection") != wanted.key:
        return None
    return _installed(wanted, environment, state, environment.distributions())


def _installed(
    wanted: Selection, environment: Environment, state: Mapping[str, Any], found: tuple[Distribution, ...]
) -> Installed:
    return Installed(
        selection=wanted,
        environment=environment,
        distributions=found,
        path_digests=state["inputs"]["paths"],
        id=state.get("id", ""),
        seconds=state["seconds"],
    )


def selection(settings: Settings, binary: Binary, project: Project) -> Selection:
    """What `binary` needs installed.

    Raises `NoxPexError` `poetry-missing-group` or `config` where the project has no such group or extra.
    """
    groups = binary.groups if binary.groups is not None else settings.groups
    extras = binary.extras if binary.extras is not None else settings.extras
    wanted = Selection(
        groups=tuple(sorted({canonicalize_name(group) for group in groups})),
        extras=tuple(sorted({canonicalize_name(extra) for extra in extras})),
    )
    for code, kind, names, known in (
        ("poetry-missing-group", "group", wanted.groups, project.groups),
        ("config", "extra", wanted.extras, project.extras),
    ):
        for name in names:
            if name not in known:
                from difflib import get_close_matches  # noqa: PLC0415 (for an error alone)

                near = get_close_matches(name, known, n=1)
                remedy = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(known)) or 'none'}"
                raise NoxPexError(code, f"{project.file} has no {kind} {name!r}, which the settings ask for", remedy)
    return wanted


def sync_argv(
    poetry: Poetry, wanted: Selection, project: Project, *, program: Sequence[str] = ("-m", "poetry")
) -> list[str]:
    """Poetry's command line: install exactly `wanted`, remove all else, and leave the project itself out.

    `program` is what its Python runs. Isolated (`-I`), since Python would take a `build.py` in the project's directory
    for the package `build`.
    """
    command = ["install", "--sync"] if poetry.version.startswith("1.") else ["sync"]
    argv = [str(poetry.python), "-I", *program, *command, "--no-root"]
    # A project that depends on nothing has no group `main` for Poetry.
    if groups := [group for group in wanted.groups if group != MAIN or project.has_main]:
        argv += ["--only", ",".join(groups)]
    elif others := sorted(project.groups - {MAIN}):
        argv += ["--without", ",".join(others)]
    for extra in wanted.extras:
        argv += ["--extras", extra]
    return [*argv, "--no-interaction", "--no-ansi"]


def poetry_environ(
    environ: Mapping[str, str], *, poetry: Poetry, environment: Environment, nowhere: Path, project: Path
) -> dict[str, str]:
    """The environment variables under which Poetry installs into `environment` and nowhere else.

    Poetry prefers an environment that `poetry env use` chose, and one in the project, to `VIRTUAL_ENV`; with
    `virtualenvs.create` off it may even take the base interpreter. So each of these is set, and `nowhere` is an empty
    directory in which it would have to make any other environment.
    """
    from nox_pex import index  # noqa: PLC0415 (not needed where nothing changed)

    base = tool_environ(environ)
    return {
        **base,
        **index.poetry_environ(base, prefix=Path(sys.prefix), project=project, default=poetry.default_index),
        "VIRTUAL_ENV": str(environment.path),
        "POETRY_VIRTUALENVS_PATH": str(nowhere),
        "POETRY_VIRTUALENVS_IN_PROJECT": "false",
        "POETRY_VIRTUALENVS_CREATE": "true",
        # The plugin would write the version into pyproject.toml while Poetry installs, for which nobody asks for it.
        "POETRY_DYNAMIC_VERSIONING_COMMANDS": "",
        **UTF_8,
    }


class Base(Struct, frozen=True, kw_only=True):
    """The Python that environments are made for: its name (`3.12`, or a path), and how it is found.

    `find` gives the interpreter, and is only called where an environment has to be made; it raises where there is none.
    """

    name: str
    find: Callable[[], Path]


class Installer(Struct, frozen=True, kw_only=True):
    """Keeps environments as the lock says.

    `base` is the Python that they are for. `force` installs even where nothing changed.
    """

    project: Project
    base: Base
    shell: Shell
    provisioner: Provisioner
    poetry_version: str | None
    force: bool

    def install(self, wanted: Selection, environment: Environment) -> Installed:
        """Make `environment` hold exactly `wanted`; it is made where it is not there yet. Gives what is in it then.

        Does nothing where its inputs, and what is installed, are as they were when Poetry last installed it.
        Raises `NoxPexError` with the code of whatever Poetry met.
        """
        with files.writing(f"the environment {environment.path}"):
            waiting = f"waiting for another run that installs into {environment.path}"
            lock_file = environment.path.with_name(f".{environment.path.name}.lock")
            with files.locked(lock_file, waiting=lambda: self.shell.say(waiting)) as held:
                return self._install(wanted, environment, held=held)

    def _install(self, wanted: Selection, environment: Environment, *, held: int) -> Installed:
        if fresh := not environment.usable:
            self.provisioner.create(environment.path, python=self.base.find(), seed=False)
        state = files.read_json(environment.path / _STATE)
        lock_digest = lock.digest(self.project.lock)
        paths = self.path_dependencies(state, lock_digest)
        inputs: Inputs = {**self.inputs(wanted, lock_digest, paths), "python": self._python(environment)}
        before: Inputs = state.get("inputs", {})
        found = environment.distributions()
        as_left = state.get("distributions") == snapshot(found)
        if as_left and before == inputs and not self.force:
            self.shell.say(f"install: unchanged, {counted(found)} ({wanted})")
            return _installed(wanted, environment, state, found)

        damaged = self.force and next(environment.damaged(), None) is not None
        if not fresh and (not as_left or before.get("python") != inputs["python"] or damaged):
            # Nothing in it can be trusted, and Poetry, which looks at names and versions only, would not notice.
            why = "for another Python" if as_left and not damaged else "it is not as Poetry left it"
            self.shell.say(f"install: making the environment anew: {why if state else 'an install was not finished'}")
            inputs, before, fresh = self._anew(environment, inputs), {}, True
        if before:
            self.shell.say(f"install: {', '.join(changes(before, inputs)) or 'forced'}")
        (environment.path / _STATE).unlink(missing_ok=True)
        started = time.monotonic()
        if not self.force and not fresh and self._kept(inputs).is_there():
            inputs = self._anew(environment, inputs)  # of what may be another Python by now
        kept = self._kept(inputs)
        if not self.force and self._taken_over(kept, environment):
            how = "as Poetry installed them from this lock before, "
        else:
            for distribution in environment.distributions():
                # A path dependency with other content under the same version is the same one to Poetry.
                if before.get("paths", {}).get(distribution.name) != inputs["paths"].get(distribution.name):
                    environment.remove(distribution)
            self._sync(wanted, environment, held=held)
            self._settle(wanted, environment, held=held)
            kept.put(environment, lock.read(self.project.lock), shell=self.shell)
            how = ""
        seconds, found = time.monotonic() - started, environment.distributions()
        state = {
            "selection": wanted.key,
            "id": uuid.uuid4().hex,
            "inputs": inputs,
            "path-dependencies": {"lock": lock_digest, "paths": paths},
            "distributions": snapshot(found),
            "seconds": round(seconds, 3),
        }
        files.write_json(environment.path / _STATE, state)
        if compiled := [f"{each.name} {each.version}" for each in found if is_compiled_here(each)]:
            self.shell.say(f"install: compiled on this machine, for want of a wheel: {', '.join(compiled)}")
        self.shell.say(f"install: {counted(found)} {how}in {seconds:.1f} s ({wanted})")
        return _installed(wanted, environment, state, found)

    def _kept(self, inputs: Inputs) -> Kept:
        """Where what these inputs give is kept for all checkouts."""
        from nox_pex import kept  # noqa: PLC0415 (not needed where nothing changed)

        return kept.of(
            inputs,
            home=self.provisioner.caches.environments,
            environ=tool_environ(self.shell.environ),
            prefix=Path(sys.prefix),
            project=self.project.root,
        )

    def _taken_over(self, kept: Kept, environment: Environment) -> bool:
        """Whether `environment`, if it is new, is now as Poetry left another one from the same inputs."""
        if not kept.is_there():
            return False
        if kept.take(environment):
            return True
        self.provisioner.create(environment.path, python=self.base.find(), seed=False)
        return False

    def _anew(self, environment: Environment, inputs: Inputs) -> Inputs:
        """Make `environment` anew and empty; gives `inputs` with the Python that it has then."""
        self.provisioner.create(environment.path, python=self.base.find(), seed=False)
        return {**inputs, "python": self._python(environment)}

    def _python(self, environment: Environment) -> Mapping[str, str]:
        return {"python": environment.interpreter().identity, "asked for": self.base.name}

    def inputs(self, wanted: Selection, lock_digest: str, paths: Mapping[str, str]) -> Inputs:
        """All that decides what is installed, but for the Python, which is known when the environment is there."""
        return {
            "lock": {"poetry.lock": lock_digest},
            "settings": {
                "groups": ",".join(wanted.groups),
                "extras": ",".join(wanted.extras),
                "dependencies in pyproject.toml": self.project.dependency_digest(),
                "poetry.toml": files.digest(self.project.root / "poetry.toml"),
            },
            "tools": {"poetry": self.poetry_version or tools.POETRY},
            "paths": {name: _tree_digest((self.project.root / path).resolve()) for name, path in paths.items()},
        }

    def path_dependencies(self, state: Mapping[str, Any], lock_digest: str) -> Mapping[str, str]:
        """What the lock takes in by path: the distribution's name to its path from the project's root."""
        remembered = state.get("path-dependencies", {})
        if remembered.get("lock") == lock_digest:
            paths: Mapping[str, str] = remembered["paths"]
            return paths
        locked = lock.read(self.project.lock)
        return {p.name: p.source.url for p in locked.packages if p.source and p.source.type in _BY_PATH}

    def _settle(self, wanted: Selection, environment: Environment, *, held: int) -> None:
        """Install what has a file in common with something else again, in Poetry's order instead of by chance."""
        from nox_pex import overlaps  # noqa: PLC0415 (not needed where nothing changed)

        if torn := overlaps.torn(environment):
            names = ", ".join(distribution.name for distribution in torn)
            self.shell.say(f"install: again, one after the other, for files that they have or had in common: {names}")
            for distribution in torn:
                environment.remove(distribution)
            self._sync(wanted, environment, held=held, in_turn=True)
            for line in overlaps.settle(environment):
                self.shell.say(f"install: {line}")

    def _sync(self, wanted: Selection, environment: Environment, *, held: int, in_turn: bool = False) -> Outcome:
        poetry = tools.provide_poetry(self.provisioner, self.poetry_version)
        if not in_turn:
            self.shell.say(f"install: Poetry {poetry.version} installs from the lock ({wanted})")
        with _emptied(environment.path.with_name(f".{environment.path.name}.poetry")) as aside:
            nowhere = aside / "environments"
            nowhere.mkdir()
            environ = poetry_environ(
                self.shell.environ, poetry=poetry, environment=environment, nowhere=nowhere, project=self.project.root
            )
            if in_turn:
                environ["POETRY_INSTALLER_PARALLEL"] = "false"
            argv = sync_argv(poetry, wanted, self.project)
            run = partial(self.shell.run, argv, what="install: Poetry", cwd=self.project.root, hold=(held,))
            outcome = run(env=environ)
            if outcome.status != 0 and failure(outcome, self.project).code == "hash-mismatch":
                # A damaged download stays in Poetry's cache, whatever it is told: only the index itself can say so.
                self.shell.say("install: a file has another hash than the lock says; asking the index for it again")
                outcome = run(env={**environ, "POETRY_CACHE_DIR": str(aside / "cache")})
            elsewhere = sorted(path.name for path in nowhere.iterdir() if path.is_dir())
        if outcome.status != 0:
            raise failure(outcome, self.project)
        missing = sorted(_installed_by(outcome) - {d.name for d in environment.distributions()})
        if elsewhere or missing:
            what = f"made an environment of its own, {elsewhere[0]}," if elsewhere else f"put {missing[0]} elsewhere"
            problem = f"Poetry {what} instead of using {environment.path}"
            raise NoxPexError("install-failed", problem, "run it again with --verbose, and report it", log=outcome.tail)
        return outcome


@contextlib.contextmanager
def _emptied(directory: Path) -> Iterator[Path]:
    """An empty directory while the block runs; whatever a killed run left there goes first. The lock is held."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


_BY_PATH: Final = ("directory", "file")
_OPERATION: Final = re.compile(r"^\s*- (?:Installing|Updating|Downgrading) (?P<name>[A-Za-z0-9][A-Za-z0-9._-]*) ")


def after_plugins(output: str) -> list[str]:
    """The lines of Poetry's output on the lock: before them it may have installed plugins that the project requires."""
    return output.rpartition("Installing dependencies from lock file")[2].splitlines()


def _installed_by(outcome: Outcome) -> set[str]:
    """What Poetry says that it installed from the lock, by normalized name."""
    matches = (_OPERATION.match(line) for line in after_plugins(outcome.output) if "Skipped" not in line)
    return {canonicalize_name(match["name"]) for match in matches if match}


def counted(distributions: Sized) -> str:
    """`1 distribution`, `14 distributions`."""
    return f"{len(distributions)} distribution{'' if len(distributions) == 1 else 's'}"


def _tree_digest(path: Path) -> str:
    """A digest of a path dependency: of the file, or of all files that its build backend could read."""
    if not path.is_dir():
        return files.digest(path)
    listed = sources.project_files(path, output_dir=Path("dist"), extra=())
    return hashlib.sha256(repr(sorted(sources.digests(path, listed).items())).encode()).hexdigest()


def failure(outcome: Outcome, project: Project) -> NoxPexError:
    """What went wrong, from Poetry's own words, with the code and the remedy for it."""
    part = re.search(r"^\s*Cannot install (?P<name>[A-Za-z0-9][A-Za-z0-9._-]*?)\.?$", outcome.output, re.MULTILINE)
    what = (
        f"Poetry could not install {part['name']} of {project.lock}"
        if part
        else f"Poetry could not install {project.lock}"
    )
    network = network_failure(what, outcome)
    if network is not None and network.code == "index-auth":
        return network  # Poetry goes on without that index, and then does not find what only it has
    for pattern, code, problem, remedy in _FAILURES:
        if match := re.search(pattern, outcome.output, re.MULTILINE):
            details = {key: value.strip() for key, value in match.groupdict().items() if value}
            details["fitting"] = _fitting(details.get("wanted", ""))
            details["python"] = _allowed_python(details.get("wanted", ""))
            return NoxPexError(
                code, problem.format(project=project.root, **details), remedy.format(**details), log=outcome.tail
            )
    if network is None and (match := re.search(_NOT_BUILT, outcome.output)):
        problem = (
            f"{match['package']}, which {project.lock} has, has no wheel for this Python, and cannot be built here"
        )
        remedy = "lock a version that has one, take another Python, or mend what its build says above"
        return NoxPexError("no-wheel", problem, remedy, log=_before(match, outcome))
    return network or NoxPexError(
        "install-failed", f"{what} (exit status {outcome.status})", "read Poetry's last lines above", log=outcome.tail
    )


_NOT_BUILT: Final = re.compile(r"one of the following issues with\s+(?P<package>\S+ \([^)]+\))")
"""What Poetry says below the output of a build backend that failed for an sdist."""


def _before(match: re.Match[str], outcome: Outcome) -> tuple[str, ...]:
    """The last lines of what a build said, up to where Poetry speaks of it."""
    return msgspec.structs.replace(outcome, output=outcome.output[: match.start()]).tail


def _allowed_python(wanted: str) -> str:
    """A minor version of Python that `wanted` allows, the newest that everybody has; `…` where none is known."""
    with contextlib.suppress(InvalidSpecifier):
        allowed = SpecifierSet(wanted if re.match(r"\s*[<>=!~]", wanted) else f"=={wanted}")
        patches = ((minor, patch) for minor in (13, 12, 11, 10, 9, 8, 14) for patch in range(30))
        return next((f"3.{minor}" for minor, patch in patches if allowed.contains(f"3.{minor}.{patch}")), "…")
    return "…"


def _fitting(wanted: str) -> str:
    """A version that the specifiers `wanted` both name and allow; `…` where they name none."""
    try:
        specifiers = SpecifierSet(wanted)
    except InvalidSpecifier:
        return "…"
    named = sorted((specifier.version.removesuffix(".*") for specifier in specifiers), key=Version)
    return next((version for version in named if specifiers.contains(version)), "…")


_FAILURES: Final = (
    (
        r"Unable to find installation candidates for (?P<package>[^\n]+)(?s:.+?)[1-9]\d* wheel\(s\) were skipped",
        "no-wheel",
        "no file that {project}/poetry.lock has of {package} can be installed on this Python and platform",
        "run `poetry lock` after choosing a version that has a wheel for it, or run the session on another Python",
    ),
    (
        r"Unable to find installation candidates for (?P<package>.+)",
        "index-missing",
        "the package index has no file of {package} that {project}/poetry.lock knows",
        "check which index is asked (`pip config list`, [[tool.poetry.source]]), or run `poetry lock`",
    ),
    (
        r"pyproject\.toml changed significantly since poetry\.lock was last generated",
        "lock-stale",
        "{project}/poetry.lock is older than the dependencies in pyproject.toml",
        "run `poetry lock` there and commit the file",
    ),
    (
        r"The lock file is not compatible|Invalid lock file|Unable to read the lock file",
        "lock-unreadable",
        "Poetry cannot read {project}/poetry.lock",
        "run `poetry lock` there, or set tool.nox-pex.poetry-version to the Poetry that wrote it",
    ),
    (
        r"This project requires Poetry (?P<wanted>.+?), but you are using Poetry (?P<used>\S+)",
        "poetry-version",
        "{project} requires Poetry {wanted}, and nox-pex uses {used}",
        'set tool.nox-pex.poetry-version to a version that fits, as in poetry-version = "{fitting}"',
    ),
    (
        r"Current Python version \((?P<used>[^)]+)\) is not allowed by the project \((?P<wanted>[^)]+)\)",
        "python-mismatch",
        "{project} allows Python {wanted}, and the session runs on {used}",
        'name one that it allows, as in register(python="{python}"), or run Nox with --force-python',
    ),
    (
        r"Group\(s\) not found: (?P<groups>.+)",
        "poetry-missing-group",
        "{project} has no dependency group {groups}",
        "correct `groups` in [tool.nox-pex]",
    ),
    (
        r"Hash for (?P<package>(?P<name>\S+).*?) from archive (?P<archive>\S+) not found in known hashes",
        "hash-mismatch",
        "{archive}, which stands for {package}, is not the file that {project}/poetry.lock says",
        "find out why before anything else; if the new file is the right one, run `poetry update --lock {name}`",
    ),
    (
        r"Downloaded distributions for (?P<package>(?P<name>\S+).*?) did not match any known checksums",
        "hash-mismatch",
        "what the index serves for {package} is none of the files that {project}/poetry.lock says",
        "find out why before anything else; if the new files are the right ones, run `poetry update --lock {name}`",
    ),
)
