"""All gates over one finished binary, one after the other; a gate that fails keeps none of the others from running."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from msgspec import Struct
from packaging.utils import NormalizedName, canonicalize_name

from nox_pex.build.target import Contents, Target
from nox_pex.distributions import pex_file
from nox_pex.errors import Code, NoxPexError
from nox_pex.platforms.fetch import WheelFetcher
from nox_pex.platforms.wheelhouse import Wheelhouse
from nox_pex.poetry import lock
from nox_pex.poetry.install import Installer
from nox_pex.poetry.installed import Installed
from nox_pex.verify import evidence
from nox_pex.verify.archive import Pex, opened, reading
from nox_pex.verify.evidence import Reference
from nox_pex.verify.gates import budget, closure, closure_by_platform, integrity, leaks, reproducible
from nox_pex.verify.gates.verdict import Verdict, failure
from nox_pex.verify.pex_distributions import PexDistribution, distributions
from nox_pex.verify.rebuild import Rebuild, prepare_rebuild
from nox_pex.verify.report import GATES, Gate, GateResult, VerifyReport

_CODES: Final[Mapping[Gate, Code]] = {
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


class Inspection(Struct, frozen=True, kw_only=True):
    """The inspection of one binary, and what it is judged by.

    `installed` is what Poetry had installed when `target` was built. It is None if that is not known here (`--binary`);
    then the environment that Poetry makes for the gate `reproducible` serves. `deep` has Poetry fetch every locked file
    again.
    """

    target: Target
    installed: Contents | None
    installer: Installer
    deep: bool


def run(target: Target, *, installed: Contents | None, installer: Installer, deep: bool) -> VerifyReport:
    """Judge the binary of `target` at every gate.

    `installed` and `deep` are those of `Inspection`. Raises `NoxPexError` `usage` if there is no such file; everything
    else that goes wrong is in the report.
    """
    subject = Inspection(target=target, installed=installed, installer=installer, deep=deep)
    with ExitStack() as stack:
        try:
            pex = stack.enter_context(opened(subject.target.binary))
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

    def __init__(self, subject: Inspection, pex: Pex, stack: ExitStack) -> None:
        self._subject = subject
        self._pex = pex
        self._stack = stack
        self._elsewhere: Rebuild | NoxPexError | None = None
        self._distributions: tuple[PexDistribution, ...] | None = None

    def closure(self) -> Verdict:
        subject, project = self._subject, self._subject.target.project
        own = (project.name, project.version) if project.package_mode else None
        if subject.target.platforms:
            return closure_by_platform.judge(
                self._found(),
                self._pex.info,
                _planned(subject),
                subject.target.platforms,
                project=own,
                exclude=subject.target.table.exclude,
            )
        planned = closure.plan(
            subject.target.selection,
            project=project,
            python=subject.installer.base.find(),
            provisioner=subject.installer.provisioner,
            poetry_version=subject.target.settings.poetry_version,
        )
        return closure.judge(self._found(), planned, project=own, exclude=subject.target.table.exclude)

    def integrity(self) -> Verdict:
        subject = self._subject
        if subject.installed is None:
            return integrity.judge(self._pex, self._found(), self._trusted(self._again().installed))
        verdict = integrity.judge(self._pex, self._found(), self._trusted(subject.installed))
        if verdict.problems or not subject.deep:
            return verdict
        fresh = self._trusted(self._again().installed)
        return integrity.judge(self._pex, self._found(), fresh, strict=False)

    def _trusted(self, installed: Installed | Wheelhouse) -> Mapping[str, Reference]:
        if isinstance(installed, Installed):
            return evidence.of_environment(installed)
        return evidence.of_wheels(installed, lock.read(self._subject.target.project.lock))

    def leaks(self) -> Verdict:
        subject = self._subject
        environ = subject.installer.provisioner.shell.environ
        machine = leaks.Machine(
            paths=_places(subject),
            prefixes=_temporary(subject),
            home=Path(environ["HOME"]) if environ.get("HOME") else None,
            secrets=subject.installer.provisioner.shell.secrets,
        )
        return leaks.judge(self._pex, leaks.Rules.of(machine), own_wheels=self._own_wheels())

    def reproducible(self) -> Verdict:
        again = self._again().build()
        return reproducible.judge(self._pex, again, own_wheels=self._own_wheels())

    def budget(self) -> Verdict:
        return budget.judge(pex_file.size(self._subject.target.binary), self._subject.target.table.budget)

    def _found(self) -> tuple[PexDistribution, ...]:
        if self._distributions is None:
            self._distributions = tuple(distributions(self._pex))
        return self._distributions

    def _own_wheels(self) -> tuple[str, ...]:
        project = self._subject.target.project
        if not project.package_mode:
            return ()
        own = canonicalize_name(project.name)
        return tuple(d.wheel.name for d in self._found() if d.wheel is not None and d.name == own)

    def _again(self) -> Rebuild:
        """The copy elsewhere, made once: a failure is told at each gate that needs it."""
        subject = self._subject
        if self._elsewhere is None:
            made = prepare_rebuild(subject.target, subject.installer, cold=subject.deep)
            try:
                self._elsewhere = self._stack.enter_context(made)
            except NoxPexError as error:
                self._elsewhere = error
        if isinstance(self._elsewhere, NoxPexError):
            raise self._elsewhere
        return self._elsewhere


def _planned(subject: Inspection) -> Mapping[str, Mapping[NormalizedName, str]]:
    """What Poetry would install on each target: its name to names and versions."""
    with tempfile.TemporaryDirectory(prefix="nox-pex-verify-") as aside:
        planned = WheelFetcher(installer=subject.installer).plan(
            subject.target.selection, subject.target.platforms, aside=Path(aside)
        )
    return {target: {p.name: p.version for p in packages} for target, packages in planned.items()}


def _places(subject: Inspection) -> Mapping[Path, str]:
    """The directories of this machine that a build of `subject` uses, by both their names where they are links."""
    places = {
        subject.target.project.root: "the project's directory",
        subject.target.directory: "the output directory",
        subject.target.state: "the state of nox-pex",
        subject.installer.provisioner.caches.root: "the cache of nox-pex",
    }
    if subject.installed is not None:
        places[subject.installed.environment.path] = "the environment that Poetry installed into"
    return {form: name for path, name in places.items() for form in (path, path.resolve())}


def _temporary(subject: Inspection) -> Mapping[Path, str]:
    """What the temporary directories of a build begin with: ours, and the one beside the binary."""
    directory = Path(tempfile.gettempdir())
    return {
        **{form / "nox-pex-": "a temporary directory" for form in (directory, directory.resolve())},
        subject.target.build_prefix: "a temporary directory of the build",
    }


def _outcome(gate: Gate, judge: Callable[[], Verdict], subject: Inspection) -> GateResult:
    started = time.monotonic()
    try:
        with reading(str(subject.target.binary)):
            verdict = judge()
    except NoxPexError as error:
        seconds = time.monotonic() - started
        return GateResult(
            gate=gate, state="failed", summary=f"could not be judged: {error.code}", seconds=seconds, failure=error
        )
    found = failure(_CODES[gate], verdict, subject=str(subject.target.binary), remedy=_REMEDIES[gate])
    return GateResult(
        gate=gate,
        state="failed" if found else "skipped" if verdict.skipped else "passed",
        summary=verdict.summary,
        seconds=time.monotonic() - started,
        problems=verdict.problems,
        details=verdict.details,
        failure=found,
    )


def _unreadable(error: NoxPexError) -> tuple[GateResult, ...]:
    return tuple(
        GateResult(gate=gate, state="failed", summary="it cannot be opened", problems=(error.problem,), failure=error)
        if gate == "integrity"
        else GateResult(gate=gate, state="skipped", summary="it cannot be opened")
        for gate in GATES
    )


def _report(subject: Inspection, outcomes: tuple[GateResult, ...]) -> VerifyReport:
    return VerifyReport(
        name=subject.target.name,
        binary=subject.target.binary.name,
        sha256=pex_file.digest(subject.target.binary),
        size=pex_file.size(subject.target.binary),
        outcomes=outcomes,
    )
