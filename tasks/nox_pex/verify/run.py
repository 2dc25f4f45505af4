"""All gates over one finished binary, one after the other; a gate that fails keeps none of the others from running."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.utils import NormalizedName, canonicalize_name

from nox_pex import lock, record
from nox_pex.config import Binary, Settings
from nox_pex.errors import NoxPexError
from nox_pex.install import Base, Installed, Installer, Selection
from nox_pex.platforms.description import Platform
from nox_pex.platforms.gather import Gatherer
from nox_pex.platforms.gathered import Gathered
from nox_pex.project import Project
from nox_pex.tools import Provisioner
from nox_pex.verify import budget, closure, integrity, leaks, reproducible, targets, trusted
from nox_pex.verify.archive import Pex, opened, reading
from nox_pex.verify.distributions import Distribution, distributions
from nox_pex.verify.elsewhere import Elsewhere, elsewhere
from nox_pex.verify.report import GATES, Gate, Outcome, Report
from nox_pex.verify.trusted import Trusted
from nox_pex.verify.verdict import Verdict, failure

_CODES: Final[Mapping[Gate, str]] = {
    "closure": "closure",
    "integrity": "integrity",
    "leaks": "leak",
    "reproducible": "not-reproducible",
    "budget": "budget",
}
_REMEDIES: Final[Mapping[Gate, str]] = {
    "closure": "build it with `nox -s pex`, which takes what Poetry installed and nothing else",
    "integrity": "build it again with `nox -s pex -- --force`, and find out who changed it",
    "leaks": "take it out of what ships (`sources.exclude`, or the packages in pyproject.toml), and revoke what leaked",
    "reproducible": "if it was built from these very sources, make what is named give the same bytes twice",
    "budget": "let the binary shed what it does not need, or raise the budget",
}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is verified, and by what it is judged.

    `name` is the binary's in the settings, `stem` what its files are called, `path` the file, or directory, itself.
    `installed` is what Poetry had installed when it was built; None where that is not known here (`--binary`): then the
    environment that the gate `reproducible` lets Poetry make serves. `platforms` are the targets that it is for, none
    where that is the Python `base`. `deep` lets Poetry fetch all locked files again.
    `state` is the project's private directory.
    """

    name: str
    stem: str
    path: Path
    project: Project
    settings: Settings
    wanted: Selection
    base: Base
    provisioner: Provisioner
    installed: Installed | Gathered | None
    platforms: tuple[Platform, ...]
    deep: bool
    state: Path

    @property
    def binary(self) -> Binary:
        """Its table in the settings."""
        return self.settings.binary[self.name]


def run(subject: Subject) -> Report:
    """Judge `subject` at every gate.

    Raises `NoxPexError` `usage` where there is no such file; all else that goes wrong is in the report.
    """
    with ExitStack() as stack:
        try:
            pex = stack.enter_context(opened(subject.path))
        except NoxPexError as error:
            if error.code != "integrity":
                raise
            return _report(subject, _unreadable(error))
        gates = _Gates(subject, pex, stack)
        judges: Mapping[Gate, Callable[[], Verdict]] = {
            "closure": gates.closure,
            "integrity": gates.integrity,
            "leaks": gates.leaks,
            "reproducible": gates.reproducible,
            "budget": gates.budget,
        }
        return _report(subject, tuple(_outcome(gate, judges[gate], subject) for gate in GATES))


class _Gates:
    """The gates of one binary, with what several of them need made once."""

    def __init__(self, subject: Subject, pex: Pex, stack: ExitStack) -> None:
        self._subject = subject
        self._pex = pex
        self._stack = stack
        self._elsewhere: Elsewhere | NoxPexError | None = None
        self._distributions: tuple[Distribution, ...] | None = None

    def closure(self) -> Verdict:
        subject, project = self._subject, self._subject.project
        own = (project.name, project.version) if project.package_mode else None
        if subject.platforms:
            return targets.judge(
                self._found(),
                self._pex.info,
                _planned(subject),
                subject.platforms,
                project=own,
                exclude=subject.binary.exclude,
            )
        planned = closure.plan(
            subject.wanted,
            project=project,
            python=subject.base.find(),
            provisioner=subject.provisioner,
            poetry_version=subject.settings.poetry_version,
        )
        return closure.judge(self._found(), planned, project=own, exclude=subject.binary.exclude)

    def integrity(self) -> Verdict:
        subject = self._subject
        if subject.installed is None:
            return integrity.judge(self._pex, self._found(), self._trusted(self._again().installed))
        verdict = integrity.judge(self._pex, self._found(), self._trusted(subject.installed))
        if verdict.problems or not subject.deep:
            return verdict
        fresh = self._trusted(self._again().installed)
        return integrity.judge(self._pex, self._found(), fresh, strict=False)

    def _trusted(self, installed: Installed | Gathered) -> Mapping[str, Trusted]:
        if isinstance(installed, Installed):
            return trusted.of_environment(installed)
        return trusted.of_wheels(installed, lock.read(self._subject.project.lock))

    def leaks(self) -> Verdict:
        subject = self._subject
        environ = subject.provisioner.shell.environ
        machine = leaks.Machine(
            paths=_places(subject),
            prefixes=_temporary(subject),
            home=Path(environ["HOME"]) if environ.get("HOME") else None,
            secrets=subject.provisioner.shell.secrets,
        )
        return leaks.judge(self._pex, leaks.Rules.of(machine), own_wheels=self._own_wheels())

    def reproducible(self) -> Verdict:
        subject = self._subject
        again = self._again().build(name=subject.name, stem=subject.stem, settings=subject.settings)
        return reproducible.judge(self._pex, again, own_wheels=self._own_wheels())

    def budget(self) -> Verdict:
        return budget.judge(record.size(self._subject.path), self._subject.binary.budget)

    def _found(self) -> tuple[Distribution, ...]:
        if self._distributions is None:
            self._distributions = tuple(distributions(self._pex))
        return self._distributions

    def _own_wheels(self) -> tuple[str, ...]:
        project = self._subject.project
        if not project.package_mode:
            return ()
        own = canonicalize_name(project.name)
        return tuple(d.wheel.name for d in self._found() if d.wheel is not None and d.name == own)

    def _again(self) -> Elsewhere:
        """The copy elsewhere, made once: a failure is told at each gate that needs it."""
        subject = self._subject
        if self._elsewhere is None:
            made = elsewhere(
                subject.project,
                subject.wanted,
                settings=subject.settings,
                binary=subject.name,
                base=subject.base,
                provisioner=subject.provisioner,
                cold=subject.deep,
            )
            try:
                self._elsewhere = self._stack.enter_context(made)
            except NoxPexError as error:
                self._elsewhere = error
        if isinstance(self._elsewhere, NoxPexError):
            raise self._elsewhere
        return self._elsewhere


def _planned(subject: Subject) -> Mapping[str, Mapping[NormalizedName, str]]:
    """What Poetry would install on each target: its name to names and versions."""
    installer = Installer(
        project=subject.project,
        base=subject.base,
        shell=subject.provisioner.shell,
        provisioner=subject.provisioner,
        poetry_version=subject.settings.poetry_version,
        force=False,
    )
    with tempfile.TemporaryDirectory(prefix="nox-pex-verify-") as aside:
        planned = Gatherer(installer=installer).plan(subject.wanted, subject.platforms, aside=Path(aside))
    return {target: {p.name: p.version for p in packages} for target, packages in planned.items()}


def _places(subject: Subject) -> Mapping[Path, str]:
    """The directories of this machine that a build of `subject` uses, by both their names where they are links."""
    places = {
        subject.project.root: "the project's directory",
        subject.project.root / subject.settings.output_dir: "the output directory",
        subject.state: "the state of nox-pex",
        subject.provisioner.caches.root: "the cache of nox-pex",
    }
    if subject.installed is not None:
        places[subject.installed.environment.path] = "the environment that Poetry installed into"
    return {form: name for path, name in places.items() for form in (path, path.resolve())}


def _temporary(subject: Subject) -> Mapping[Path, str]:
    """What the temporary directories of a build begin with: ours, and the one beside the binary."""
    directory = Path(tempfile.gettempdir())
    output = subject.project.root / subject.settings.output_dir
    return {
        **{form / "nox-pex-": "a temporary directory" for form in (directory, directory.resolve())},
        output / f".{subject.stem}.pex.": "a temporary directory of the build",
    }


def _outcome(gate: Gate, judge: Callable[[], Verdict], subject: Subject) -> Outcome:
    started = time.monotonic()
    try:
        with reading(str(subject.path)):
            verdict = judge()
    except NoxPexError as error:
        seconds = time.monotonic() - started
        return Outcome(
            gate=gate, state="failed", summary=f"could not be judged: {error.code}", seconds=seconds, failure=error
        )
    found = failure(_CODES[gate], verdict, subject=str(subject.path), remedy=_REMEDIES[gate])
    return Outcome(
        gate=gate,
        state="failed" if found else "skipped" if verdict.skipped else "passed",
        summary=verdict.summary,
        seconds=time.monotonic() - started,
        problems=verdict.problems,
        details=verdict.details,
        failure=found,
    )


def _unreadable(error: NoxPexError) -> tuple[Outcome, ...]:
    return tuple(
        Outcome(gate=gate, state="failed", summary="it cannot be opened", problems=(error.problem,), failure=error)
        if gate == "integrity"
        else Outcome(gate=gate, state="skipped", summary="it cannot be opened")
        for gate in GATES
    )


def _report(subject: Subject, outcomes: tuple[Outcome, ...]) -> Report:
    return Report(
        name=subject.name,
        binary=subject.path.name,
        sha256=record.digest(subject.path),
        size=record.size(subject.path),
        outcomes=outcomes,
    )
