"""The steps for one project, whatever the front: what Nox's sessions and Invoke's tasks call."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

import nox_pex
from nox_pex import config, files, lock, project, tools
from nox_pex.build import Builder
from nox_pex.command import Shell
from nox_pex.config import Settings
from nox_pex.environment import Environment
from nox_pex.errors import NoxPexError
from nox_pex.inputs import digests
from nox_pex.install import Base, Installed, Installer, Selection, finished, selection
from nox_pex.project import Project
from nox_pex.secrets import Secrets
from nox_pex.smoke.settings import Smoke
from nox_pex.target import Target
from nox_pex.words import Words, chosen

if TYPE_CHECKING:
    from nox_pex.platforms.description import Platform
    from nox_pex.platforms.gathered import Gathered
    from nox_pex.smoke.plan import Options
    from nox_pex.smoke.report import Report

_T = TypeVar("_T")


class Pipeline(Struct, frozen=True, kw_only=True, dict=True):
    """One project's way from the lock to a proven binary.

    `root` is the project's directory, `state` a directory of its own that survives from run to run, `base` the
    Python that it is for. `suffix` is put behind the name of every file (`-py3.12`). `say` shows one line to the user,
    and `emit` puts one on the standard output just as it is, for a CI system to read. `parallel` is whether other
    pipelines run beside this one, so that it leaves them their processors.
    """

    root: Path
    state: Path
    base: Base
    words: Words
    environ: Mapping[str, str]
    say: Callable[[str], None]
    emit: Callable[[str], None]
    verbose: bool = False
    parallel: bool = False
    suffix: str = ""
    _finished: dict[Selection, Installed] = {}

    @cached_property
    def project(self) -> Project:
        """The project; raises `NoxPexError` `config`."""
        return project.read(self.root)

    @cached_property
    def settings(self) -> Settings:
        """Its settings; raises `NoxPexError` `config` or `entry-missing`."""
        return config.parse(
            self.project.document,
            file=str(self.project.file),
            project_name=self.project.name,
            scripts=self.project.scripts,
        )

    @cached_property
    def secrets(self) -> Secrets:
        """What must not be shown or written."""
        return Secrets.of(self.environ, self.settings.secrets)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The binaries that are meant; raises `NoxPexError` `usage`."""
        return chosen(self.words, self.settings.binary)

    @cached_property
    def provisioner(self) -> tools.Provisioner:
        """Makes environments and installs into them."""
        shell = Shell(environ=self.environ, secrets=self.secrets, say=self.say, verbose=self.verbose)
        return tools.Provisioner(shell=shell, caches=tools.Caches.of(self.environ), uv=tools.find_uv(self.environ))

    @property
    def home(self) -> Path:
        """The environment of the first set of groups and extras; those of other sets are within it."""
        return self.state / "install"

    def install(self) -> None:
        """Install each distinct set of groups and extras; for other platforms, gather the wheels of it."""
        installer = Installer(
            project=self.project,
            base=self.base,
            shell=self.provisioner.shell,
            provisioner=self.provisioner,
            poetry_version=self.settings.poetry_version,
            force=self.words.force,
        )
        self._finished.clear()
        here = [name for name in self.names if not self.settings.binary[name].complete_platforms]
        for wanted in dict.fromkeys(self._selection(name) for name in here):
            self._finished[wanted] = installer.install(wanted, self._homes[wanted])
        if elsewhere := {self._gathering(name): name for name in self.names if name not in here}:
            from nox_pex.platforms.gather import Gatherer  # noqa: PLC0415 (for such binaries alone)

            for home, name in elsewhere.items():
                Gatherer(installer=installer).gather(self._selection(name), self._platforms(name), home)

    def freeze(self) -> None:
        """Write the frozen requirements of each binary."""
        self._each(self._freeze)

    def provide_pex(self) -> None:
        """Install the pex that would build each binary."""
        for name in self.names:
            interpreter = self._installed(name).environment.interpreter()
            tools.provide_pex(self.provisioner, self.settings.pex_version, interpreter=interpreter)

    def pex(self) -> None:
        """Build each binary, several side by side."""
        jobs = self.words.jobs or (1 if self.parallel else _processors())
        at_once, shell = min(len(self.names), jobs), self.provisioner.shell
        builder = Builder(provisioner=self.provisioner, force=self.words.force)

        def build(name: str) -> None:
            own = builder
            if at_once > 1:
                named = replace(shell, say=lambda line: self.say(f"{name} | {line}"))
                own = replace(builder, provisioner=replace(self.provisioner, shell=named))
            own.build(self._target(name))

        self._each(build, at_once=at_once)

    def smoke(self) -> None:
        """Launch each binary and check what it answers; write what was seen.

        Raises `NoxPexError` with the first failure, after all binaries have been tried.
        """
        from nox_pex.smoke import plan, report, run  # noqa: PLC0415 (an HTTP client and more, for this step alone)

        self._check_handed_in()
        options = self._options()

        def smoke(name: str) -> None:
            binary = self.settings.binary[name]
            if not config.is_declared(self.project.document, name):
                plan.judge(binary.smoke or Smoke(), name=name, undeclared=binary.script)
            result, junit = self._file(name, "smoke.json"), self._file(name, "smoke.xml")
            for left in (result, junit):
                left.unlink(missing_ok=True)  # an older result beside a test that breaks off would lie
            path = self.words.binary or self._file(name, "pex")
            python, cannot = self._runs_with(name, path)
            environ = _with_interpreter(self.environ, python) if python is not None else self.environ
            done = run.run(
                path,
                name=name,
                smoke=binary.smoke or Smoke(),
                budget=binary.budget,
                project=self.root,
                environ=environ,
                secrets=self.secrets,
                options=options,
                say=self.say,
                cannot=cannot,
            )
            files.write_text(result, report.json_text(done))
            files.write_text(junit, report.junit_text(done))
            self._show(done)

        self._each(smoke)

    def verify(self) -> None:
        """Judge each binary at the gates of `nox_pex.verify`; write what was found.

        Raises `NoxPexError` with the first failure, after all gates of all binaries.
        """
        from nox_pex.verify import report, run  # noqa: PLC0415 (for this step alone)

        self._check_handed_in()

        def verify(name: str) -> None:
            result = self._file(name, "verify.json")
            result.unlink(missing_ok=True)  # an older result beside a run that breaks off would lie
            done = run.run(
                run.Subject(
                    name=name,
                    stem=f"{name}{self.suffix}",
                    path=self.words.binary or self._file(name, "pex"),
                    project=self.project,
                    settings=self.settings,
                    wanted=self._selection(name),
                    base=self.base,
                    provisioner=self.provisioner,
                    installed=None if self.words.binary else self._installed(name),
                    platforms=self._platforms(name),
                    deep=self.words.deep,
                    state=self.state,
                )
            )
            files.write_text(result, report.json_text(done))
            for line in report.table(done):
                self.say(line)
            if done.failure is not None:
                raise done.failure

        self._each(verify)

    def image(self) -> None:
        """Build the image of each binary that has one in the settings, and check its container; write what was seen.

        Raises `NoxPexError` with the first failure, after all of them have been tried.
        """
        from nox_pex.image import run  # noqa: PLC0415 (for this step alone)
        from nox_pex.smoke import report  # noqa: PLC0415 (likewise)

        self._check_handed_in()
        run.judge_wanted(self.names, self.settings, named=self.words.names, file=str(self.project.file))
        options = self._options()

        def image(name: str) -> None:
            binary = self.settings.binary[name]
            if binary.image is None:
                self.say(f"image: {name} has none in the settings")
                return
            result, junit = self._file(name, "image.json"), self._file(name, "image.xml")
            for left in (result, junit):
                left.unlink(missing_ok=True)  # an older result beside a run that breaks off would lie
            job = run.Job(
                name=name,
                stem=f"{name}{self.suffix}",
                image=binary.image,
                binary=self.words.binary or self._file(name, "pex"),
                record={} if self.words.instead else files.read_json(self._file(name, "pex.json")),
                direct=binary.sh_boot and binary.layout == "zipapp",
                project=self.project,
                output=self.root / self.settings.output_dir,
                state=self.state,
                from_source=self.words.from_source,
                provisioner=self.provisioner,
            )
            done = run.run(job, smoke=binary.smoke or Smoke(), environ=self.environ, options=options, say=self.say)
            files.write_json(result, done.as_json)
            files.write_text(junit, report.junit_text(done.report))
            self._show(done.report)

        self._each(image)

    def platform(self) -> None:
        """Put on the standard output what this Python is, or that of a container image, as `complete-platforms` has it.

        Raises `NoxPexError` where it cannot say, or the engine has no such image.
        """
        from nox_pex.platforms import describe  # noqa: PLC0415 (for this step alone)

        shell, image = self.provisioner.shell, self.words.image
        if image is None:
            found = describe.of_python(self.base.find(), shell)
        else:
            from nox_pex.image import base, engine  # noqa: PLC0415 (likewise)
            from nox_pex.image.settings import EngineArgs  # noqa: PLC0415 (likewise)

            images = (binary.image for binary in self.settings.binary.values() if binary.image is not None)
            own = next(images, None)
            using = engine.find(own.engine if own else "auto", own.engine_args if own else EngineArgs(), shell)
            keeper = base.Keeper(engine=using, shell=shell, memory=self.state / "images.json")
            identity = keeper.present(image, key="--image")
            line = keeper.answer(image, describe.question(), identity=identity, minor=None, key="--image")
            found = describe.answered(line, name=image)
        self.emit(json.dumps(found.as_json(), indent=2))

    def cache_key(self) -> None:
        """Put on the standard output one key for what CI keeps of this project from run to run.

        It is another one where the lock, the Python or one of the tools is; what it begins with, up to the last
        hyphen, says for what it is, and finds the next best.
        """
        settings, own = self.settings, str(Path(sys.executable).resolve())
        python = ".".join(map(str, sys.version_info[:3])) if self.base.name == own else self.base.name
        decisive = {
            "lock": lock.digest(self.project.lock),
            "poetry": settings.poetry_version or tools.POETRY,
            "pex": settings.pex_version or tools.PEX,
            "nox-pex": nox_pex.__version__,
        }
        parts = (
            "nox-pex",
            self.project.name,
            f"py{python}",
            sysconfig.get_platform(),
            digests({"all": decisive})["all"][:16],
        )
        self.emit(re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(parts)))

    def clean(self) -> None:
        """Remove what was made for this project, and what all projects share as far as it is too old or too much.

        Where binaries are named, only what was made of these goes. Nothing goes that a living process uses.
        """
        from nox_pex import caches, clean  # noqa: PLC0415 (for this step alone)

        removal = clean.Removal(say=self.say, dry_run=self.words.dry_run)
        with files.claimed(self.state) as alone:
            if self.state.exists() and not (alone and clean.idle(self.state)):
                self.say(f"clean: another run is at work on {self.project.name}: left alone")
                return
            stems = [f"{name}{self.suffix}" for name in self.names]
            directory = self.root / self.settings.output_dir
            for output in clean.outputs(directory, stems, suffix=None if self.words.names else self.suffix):
                shown = os.path.relpath(output.path, self.root)
                if output.ours:
                    removal.take(output.path, shown)
                else:
                    self.say(f"clean: {shown} stays: it is not as nox-pex made it")
            if not self.words.names and self.state.exists():
                removal.empty(self.state, "environments and what is remembered")
        if not self.words.names:
            shared = self.provisioner.caches.root
            for part in caches.surplus(caches.parts(shared), now=time.time()):
                if removal.dry_run or caches.remove(part):
                    removal.tell(f"{part.path.relative_to(shared)} of the shared cache", part.size)
        removal.sum_up()

    def _options(self) -> Options:
        """What a person asks of the smoke test, in whatever place it runs."""
        from nox_pex.smoke.plan import Options  # noqa: PLC0415 (for two steps alone)

        return Options(
            only=self.words.only,
            keep=self.words.keep,
            serve=self.words.serve,
            timeout=self.words.timeout,
            port=self.words.port,
        )

    def _show(self, done: Report) -> None:
        """Show what a smoke test found, here or in a container; raises its failure."""
        from nox_pex.smoke import report  # noqa: PLC0415 (for these steps alone)

        for line in report.table(done):
            self.say(line)
        for line in report.github_lines(done, self.environ):
            self.emit(line)
        if done.failure is not None:
            raise done.failure

    def _each(self, work: Callable[[str], None], *, at_once: int = 1) -> None:
        """Do `work` for each binary, `at_once` at a time.

        One that fails stops no other: all failures but one are said, and that one is raised, after the last is done.
        """

        def attempt(name: str) -> NoxPexError | None:
            try:
                work(name)
            except NoxPexError as error:
                return error
            return None

        failures = [error for error in _results(attempt, self.names, at_once=at_once) if error is not None]
        for error in failures[1:]:
            for line in (*(f"  | {line}" for line in error.log), str(error)):
                self.say(self.secrets.mask(line))
        if failures:
            raise failures[0]

    def _file(self, name: str, ending: str) -> Path:
        """A file of the binary `name` in `output-dir`, absolute."""
        return self.root / self.settings.output_dir / f"{name}{self.suffix}.{ending}"

    def _runs_with(self, name: str, binary: Path) -> tuple[Path | None, str | None]:
        """The Python that the file `binary` runs with here, or why there is none."""
        platforms = self._platforms(name)
        if not platforms or not binary.exists():
            return (None, None) if platforms else (self._interpreter(name), None)
        from nox_pex import pex  # noqa: PLC0415 (for binaries of other platforms alone)
        from nox_pex.platforms import here  # noqa: PLC0415 (likewise)

        python = here.python_for(pex.info(binary), platforms, base=self.base, shell=self.provisioner.shell)
        if python is not None:
            return python, None
        shown = " and ".join(platform.tag for platform in platforms[:2])
        more = f" and {len(platforms) - 2} more" if len(platforms) > 2 else ""  # noqa: PLR2004 (the two that are shown)
        return None, f"it is for {shown}{more}, and this machine has no such Python"

    def _interpreter(self, name: str) -> Path:
        """The Python of the binary `name`: that of its environment, which costs nothing to ask, or else one to find."""
        home = self._homes[self._selection(name)]
        return home.interpreter().executable if home.usable else self.base.find()

    def _check_handed_in(self) -> None:
        if self.words.binary is not None and len(self.names) > 1:
            problem = f"--binary names one file, and there are {len(self.names)} binaries: {', '.join(self.names)}"
            raise NoxPexError("usage", problem, "say which one it is, as in `-- NAME --binary PATH`")

    def _freeze(self, name: str) -> None:
        installed = self._installed(name)
        target, direct = self._file(name, "requirements.txt"), self._file(name, "requirements-direct.txt")
        memory = self.state / f"{name}.freeze.json"
        inputs = digests(
            {
                "lock": {"poetry.lock": lock.digest(self.project.lock)},
                "distributions": {
                    f"{d.name} {d.version}": f"{d.record} {installed.marker(d.name, d.version)}"
                    for d in installed.distributions
                },
                "paths": installed.path_digests,
                "code": {"freeze.py": files.digest(Path(__file__).with_name("freeze.py"))},
            }
        )
        left = {"inputs": inputs, "files": [files.digest(target), files.digest(direct)]}
        if left == files.read_json(memory) and target.exists() and not self.words.force:
            self.say(f"freeze: {name} unchanged ({_shown(target, self.root)})")
            return
        from nox_pex import freeze  # noqa: PLC0415 (not needed where nothing changed)

        frozen = freeze.freeze(
            installed.distributions,
            lock.read(self.project.lock),
            path_digests=installed.path_digests,
            marker=installed.marker,
        )
        with files.writing(str(target)):
            if frozen.direct:
                files.write_text(direct, freeze.direct_text(frozen))
            else:
                direct.unlink(missing_ok=True)
            files.write_text(target, freeze.requirements_text(frozen, direct_file=direct.name))
        files.write_json(memory, {"inputs": inputs, "files": [files.digest(target), files.digest(direct)]})
        hashes = sum(len(pin.hashes) for pin in frozen.indexed)
        self.say(f"freeze: {name} pinned, {len(frozen.indexed)} with {hashes} hashes ({_shown(target, self.root)})")

    def _target(self, name: str) -> Target:
        return Target(
            name=name,
            stem=f"{name}{self.suffix}",
            binary=self.settings.binary[name],
            settings=self.settings,
            project=self.project,
            installed=self._installed(name),
            state=self.state,
        )

    def _installed(self, name: str) -> Installed | Gathered:
        done = self._gathered(name) if self.settings.binary[name].complete_platforms else self._installed_here(name)
        if done is None:
            self.base.find()
            raise NoxPexError("usage", f"nothing is installed for {name} yet", "run `nox -s install` first")
        return done

    def _installed_here(self, name: str) -> Installed | None:
        wanted = self._selection(name)
        done = self._finished.get(wanted) or finished(wanted, self._homes[wanted])
        if done is not None:
            self._finished[wanted] = done
        return done

    def _gathered(self, name: str) -> Gathered | None:
        from nox_pex.platforms import gathered  # noqa: PLC0415 (for binaries of other platforms alone)

        return gathered.finished(self._selection(name), self._platforms(name), self._gathering(name))

    def _platforms(self, name: str) -> tuple[Platform, ...]:
        """The targets of the binary `name`; none where it is for this Python."""
        names = self.settings.binary[name].complete_platforms
        if not names:
            return ()
        from nox_pex.platforms import description  # noqa: PLC0415 (likewise)

        return description.read(self.root, names, key=f"tool.nox-pex.binary.{name}.complete-platforms")

    def _gathering(self, name: str) -> Path:
        """Where the wheels of the binary `name` are gathered, the same for all that want the same for the same."""
        wanted = f"{self._selection(name).key} {self.settings.binary[name].complete_platforms}"
        return self.state / "platforms" / hashlib.sha256(wanted.encode()).hexdigest()[:12]

    def _selection(self, name: str) -> Selection:
        return selection(self.settings, self.settings.binary[name], self.project)

    @cached_property
    def _homes(self) -> Mapping[Selection, Environment]:
        """Where each distinct set is installed, the same whichever binaries are asked for."""
        here = [name for name, binary in self.settings.binary.items() if not binary.complete_platforms]
        distinct = dict.fromkeys(self._selection(name) for name in here)
        places = (self.home if not number else self.home / "sets" / one.key for number, one in enumerate(distinct))
        return {wanted: Environment(path=place) for wanted, place in zip(distinct, places, strict=True)}


def _processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _results(work: Callable[[str], _T], names: Sequence[str], *, at_once: int) -> Sequence[_T]:
    """What `work` gives for each name, `at_once` at a time. Where this is interrupted, nothing more is begun."""
    if at_once <= 1:
        return [work(name) for name in names]
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 (most projects have one binary)

    with ThreadPoolExecutor(at_once) as pool:
        try:
            return list(pool.map(work, names))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def state_directory(cache: Path, *, root: Path, suffix: str) -> Path:
    """Where the state of the project at `root` is kept below Nox's `cache` directory, from wherever the checkout is."""
    relative = os.path.relpath(root, cache)
    name = Path(relative).name.replace("..", "project")  # the checkout's own name may change
    return cache / "nox-pex" / f"{name}-{hashlib.sha256(relative.encode()).hexdigest()[:8]}{suffix}"


def _with_interpreter(environ: Mapping[str, str], executable: Path) -> dict[str, str]:
    """`environ` with the binary's Python at the end of PATH: Nox may have found it elsewhere."""
    return {**environ, "PATH": os.pathsep.join([environ.get("PATH", os.defpath), str(executable.parent)])}


def _shown(path: Path, root: Path) -> str:
    return os.path.relpath(path, root)
