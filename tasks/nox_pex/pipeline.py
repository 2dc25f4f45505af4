"""The steps for one project, whatever the front: what Nox's sessions call, and what Invoke's tasks will."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Final

from msgspec import Struct

from nox_pex import config, files, freeze, lock, project, tools
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

_ENVIRONMENTS: Final = "environments.json"


class Pipeline(Struct, frozen=True, kw_only=True, dict=True):
    """One project's way from the lock to a proven binary.

    `root` is the project's directory, `state` a directory of its own that survives from run to run, `base` the
    Python that it is for. `suffix` is put behind the name of every file (`-py3.12`). `say` shows one line to the user,
    and `emit` puts one on the standard output just as it is, for a CI system to read.
    """

    root: Path
    state: Path
    base: Base
    words: Words
    environ: Mapping[str, str]
    say: Callable[[str], None]
    emit: Callable[[str], None]
    verbose: bool = False
    suffix: str = ""

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

    def install(self, home: Path) -> None:
        """Install each distinct set of groups and extras: the first into the environment `home`, others within it."""
        installer = Installer(
            project=self.project,
            base=self.base,
            shell=self.provisioner.shell,
            provisioner=self.provisioner,
            poetry_version=self.settings.poetry_version,
            force=self.words.force,
        )
        homes = self._homes(home)
        known = files.read_json(self.state / _ENVIRONMENTS)
        for wanted in dict.fromkeys(self._selection(name) for name in self.names):
            installer.install(wanted, Environment(path=homes[wanted]))
            known[wanted.key] = os.path.relpath(homes[wanted], self.state)
        files.write_json(self.state / _ENVIRONMENTS, known)

    def freeze(self) -> None:
        """Write the frozen requirements of each binary."""
        for name in self.names:
            self._freeze(name)

    def provide_pex(self) -> None:
        """Install the pex that would build each binary."""
        for name in self.names:
            interpreter = self._installed(name).environment.interpreter()
            tools.provide_pex(self.provisioner, self.settings.pex_version, interpreter=interpreter)

    def pex(self) -> None:
        """Build each binary."""
        builder = Builder(shell=self.provisioner.shell, provisioner=self.provisioner, force=self.words.force)
        for name in self.names:
            builder.build(self._target(name))

    def smoke(self) -> None:
        """Launch each binary and check what it answers; write what was seen.

        Raises `NoxPexError` with the first failure, after all binaries have been tried.
        """
        from nox_pex.smoke import report, run  # noqa: PLC0415 (an HTTP client and more, for this step alone)

        self._check_handed_in()
        options = run.Options(
            only=self.words.only,
            keep=self.words.keep,
            serve=self.words.serve,
            timeout=self.words.timeout,
            port=self.words.port,
        )
        failures: list[NoxPexError] = []
        for name in self.names:
            binary = self.settings.binary[name]
            result, junit = self._file(name, "smoke.json"), self._file(name, "smoke.xml")
            for left in (result, junit):
                left.unlink(missing_ok=True)  # an older result beside a test that breaks off would lie
            done = run.run(
                self.words.binary or self._file(name, "pex"),
                name=name,
                smoke=binary.smoke or Smoke(),
                budget=binary.budget,
                project=self.root,
                environ=_with_interpreter(self.environ, self._interpreter(name)),
                secrets=self.secrets,
                options=options,
                say=self.say,
            )
            files.write_text(result, report.json_text(done))
            files.write_text(junit, report.junit_text(done))
            for line in report.table(done):
                self.say(line)
            for line in report.github_lines(done, self.environ):
                self.emit(line)
            if done.failure is not None:
                failures.append(done.failure)
        if failures:
            raise failures[0]

    def verify(self) -> None:
        """Judge each binary at the gates of `nox_pex.verify`; write what was found.

        Raises `NoxPexError` with the first failure, after all gates of all binaries.
        """
        from nox_pex.verify import report, run  # noqa: PLC0415 (for this step alone)

        self._check_handed_in()
        failures: list[NoxPexError] = []
        for name in self.names:
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
                    deep=self.words.deep,
                    state=self.state,
                )
            )
            files.write_text(result, report.json_text(done))
            for line in report.table(done):
                self.say(line)
            if done.failure is not None:
                failures.append(done.failure)
        if failures:
            raise failures[0]

    def _file(self, name: str, ending: str) -> Path:
        """A file of the binary `name` in `output-dir`, absolute."""
        return self.root / self.settings.output_dir / f"{name}{self.suffix}.{ending}"

    def _interpreter(self, name: str) -> Path:
        """The Python of the binary `name`: that of its environment, which costs nothing to ask, or else one to find."""
        home = self._home(name)
        return home.interpreter().executable if home is not None and home.usable else self.base.find()

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
                "distributions": {d.name: f"{d.version} {d.record}" for d in installed.distributions},
                "paths": installed.path_digests,
                "code": {"freeze.py": files.digest(Path(freeze.__file__))},
            }
        )
        left = {"inputs": inputs, "files": [files.digest(target), files.digest(direct)]}
        if left == files.read_json(memory) and target.exists() and not self.words.force:
            self.say(f"freeze: {name} unchanged ({_shown(target, self.root)})")
            return
        frozen = freeze.freeze(
            installed.distributions, lock.read(self.project.lock), path_digests=installed.path_digests
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

    def _installed(self, name: str) -> Installed:
        home = self._home(name)
        done = finished(self._selection(name), home) if home is not None else None
        if done is None:
            self.base.find()
            raise NoxPexError("usage", f"nothing is installed for {name} yet", "run `nox -s install` first")
        return done

    def _home(self, name: str) -> Environment | None:
        """Where the binary's distributions were last installed; None where they never were."""
        home = files.read_json(self.state / _ENVIRONMENTS).get(self._selection(name).key)
        return Environment(path=(self.state / home).resolve()) if home else None

    def _selection(self, name: str) -> Selection:
        return selection(self.settings, self.settings.binary[name], self.project)

    def _homes(self, home: Path) -> Mapping[Selection, Path]:
        """Where each distinct set is installed, the same whichever binaries are asked for."""
        distinct = list(dict.fromkeys(self._selection(name) for name in self.settings.binary))
        first, rest = distinct[0], distinct[1:]
        return {first: home, **{wanted: home / "sets" / wanted.key for wanted in rest}}


def state_directory(cache: Path, *, root: Path, suffix: str) -> Path:
    """Where the state of the project at `root` is kept below Nox's `cache` directory, from wherever the checkout is."""
    relative = os.path.relpath(root, cache)
    return cache / "nox-pex" / f"{root.name}-{hashlib.sha256(relative.encode()).hexdigest()[:8]}{suffix}"


def _with_interpreter(environ: Mapping[str, str], executable: Path) -> dict[str, str]:
    """`environ` with the binary's Python at the end of PATH: Nox may have found it elsewhere."""
    return {**environ, "PATH": os.pathsep.join([environ.get("PATH", os.defpath), str(executable.parent)])}


def _shown(path: Path, root: Path) -> str:
    return os.path.relpath(path, root)
