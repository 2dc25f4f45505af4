"""Runs all gates on one finished binary; a gate that fails does not stop the others.

The gates run one after another, in this thread. Those that need no reference come first, and meanwhile `Reference`
finds out what the others compare the binary with.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import canonicalize_name

from nox_pex.distributions.environment import Environment
from nox_pex.errors import Code, NoxPexError
from nox_pex.pex.target import Target
from nox_pex.poetry.install import Installer
from nox_pex.poetry.installed import Installed
from nox_pex.smoke.process.interrupts import Interrupts
from nox_pex.system import plain_paths
from nox_pex.system.secrets import Secrets
from nox_pex.tools import index_secrets
from nox_pex.verify import archive, rebuild, scies, second_build, snapshot
from nox_pex.verify.archive import Pex, refusing, reporting_damage
from nox_pex.verify.background import background
from nox_pex.verify.gates import budget, closure, closure_by_platform, integrity, leaks, reproducible
from nox_pex.verify.gates.verdict import Verdict, failure
from nox_pex.verify.pex_distributions import PexDistribution, distributions
from nox_pex.verify.reference import Reference
from nox_pex.verify.report import GATES, Gate, GateResult, VerifyReport
from nox_pex.verify.snapshot import Snapshot

_CODES: Final[Mapping[Gate, Code]] = {
    "closure": "closure",
    "integrity": "integrity",
    "leaks": "leak",
    "reproducible": "not-reproducible",
    "budget": "budget",
}


_REMEDIES: Final[Mapping[Gate, str]] = {
    "closure": "build it with `nox -s pex`, which packs exactly what Poetry installed",
    "integrity": "build it again with `nox -s pex -- --force`, and find out what changed it",
    "leaks": "exclude it (`sources.exclude`, or the packages in pyproject.toml), and revoke leaked credentials",
    "reproducible": "if it was built from these sources, make the step that writes this file deterministic",
    "budget": "remove what the binary does not need, or raise the budget",
}


_MOST_PROBLEMS: Final = 1000
"""The number of problems of a gate that are reported."""


_LONGEST_PROBLEM: Final = 500
"""Characters of a problem that are reported."""


_ORDER: Final[tuple[Gate, ...]] = ("leaks", "budget", "integrity", "closure", "reproducible")
"""The order in which the gates run: `integrity` reads every file while pex builds a second time."""


_NOTED_BY_CLOSURE: Final = ("moved", "renamed")
"""The kinds of disagreements that the gate `closure` notes itself."""


class GateInputs(Struct, frozen=True, kw_only=True, dict=True):
    """The input of all gates: the open binary, and the reference to compare it with."""

    pex: Pex
    reference: Reference

    @property
    def target(self) -> Target:
        """The binary in the settings."""
        return self.reference.target

    @cached_property
    def distributions(self) -> tuple[PexDistribution, ...]:
        """The distributions in the binary."""
        return tuple(distributions(self.pex))

    @property
    def own_wheels(self) -> tuple[str, ...]:
        """The entries of `.deps` that are the packaged project's own wheels."""
        project = self.target.project
        if not project.package_mode:
            return ()
        name = canonicalize_name(project.name)
        return tuple(d.wheel.name for d in self.distributions if d.wheel is not None and d.name == name)

    @property
    def project_version(self) -> tuple[str, str | None] | None:
        """Name and version of a packaged project; the version is None if the build backend decides it."""
        project = self.target.project
        return (project.name, project.version) if project.package_mode else None


def run(
    target: Target, *, environment: Environment | None, installer: Installer, deep: bool, interrupts: Interrupts
) -> VerifyReport:
    """Check the binary of `target` at every gate. The arguments are as for `Reference`.

    A signal of `interrupts` ends the gates and everything in the background; nothing on disk is left. The process has
    the umask of a second build meanwhile, so no two runs may be in one process at the same time.
    Raises `NoxPexError` `usage` if the binary does not exist. All other failures are in the report.
    """
    with rebuild.other_umask(), ExitStack() as stack, background() as work:
        reference = Reference(
            target=target, installer=installer, deep=deep, environment=environment, stack=stack, background=work
        )
        return interrupts.interruptible(judge, target.binary, reference)


def not_run(target: Target, error: NoxPexError) -> VerifyReport:
    """Return the report on the binary of `target` if `error` lets no gate run: each one fails with it."""
    return _report(target, None, tuple(_not_checked(gate, error, seconds=0.0) for gate in GATES))


def judge(binary: Path, reference: Reference) -> VerifyReport:
    """Check the file or directory `binary`, whatever it is, at every gate.

    It is read once. Raises `NoxPexError` `usage` if it does not exist. All other failures are in the report.
    """
    target = reference.target
    taken: Snapshot | None = None
    with ExitStack() as stack:
        try:
            with refusing(binary):
                taken = stack.enter_context(snapshot.taken(binary))
                pex = archive.opened(binary, taken, stack)
        except NoxPexError as error:
            if error.code == "usage":
                raise
            return _report(target, taken, _unreadable(error))
        _ = reference.parts  # they are started
        inputs = GateInputs(pex=pex, reference=reference)
        results = {gate: _run_gate(gate, inputs) for gate in _ORDER}
        return _report(target, taken, tuple(results[gate] for gate in GATES))


def _closure(inputs: GateInputs) -> Verdict:
    target, reference = inputs.target, inputs.reference
    if target.platforms:
        return closure_by_platform.judge(
            inputs.distributions,
            inputs.pex.info,
            reference.planned_by_platform,
            target.platforms,
            project=inputs.project_version,
            exclude=target.table.exclude,
            by_content=reference.by_content,
        )
    return closure.judge(
        inputs.distributions,
        reference.planned,
        project=inputs.project_version,
        exclude=target.table.exclude,
        by_content=reference.by_content,
        renamed=_renamed(inputs),
    )


def _renamed(inputs: GateInputs) -> Mapping[str, str]:
    """Return the names of distributions that the lock calls by another name, and that name."""
    found = {distribution.name for distribution in inputs.distributions}
    if found.issuperset(inputs.reference.by_content & inputs.reference.planned.keys()):
        return {}
    installed = inputs.reference.installed
    return installed.renamed if isinstance(installed, Installed) else {}


def _integrity(inputs: GateInputs) -> Verdict:
    """Compare the distributions with what Poetry installed again, and everything else with the second build."""
    pex, reference = inputs.pex, inputs.reference
    verdict = integrity.judge(pex, inputs.distributions, reference.expected, strict=not reference.deep)
    problems = list(verdict.problems)
    # A compiler seldom gives the same bytes twice.
    compiled = integrity.built_here(pex) if reference.deep else ()
    try:
        problems += second_build.problems(pex, reference.second, may_differ=(*inputs.own_wheels, *compiled))
    except NoxPexError:
        if not problems:
            raise
    return scies.with_scies(
        replace(
            verdict,
            summary=f"{verdict.summary}, the rest as pex makes it",
            problems=tuple(problems),
            notes=tuple(str(each) for each in reference.disagreements if each.kind not in _NOTED_BY_CLOSURE),
        ),
        reference.scies,
        pex_sha256=pex.sha256,
    )


def _leaks(inputs: GateInputs) -> Verdict:
    shell, project = inputs.reference.installer.provisioner.shell, inputs.target.project
    # Not those in pyproject.toml, such as the `env` of a smoke test: they are no secrets to whoever has the sources.
    of_indexes = index_secrets.values(shell.environ, prefix=Path(sys.prefix), project=project.root)
    machine = leaks.Machine(
        paths=_build_directories(inputs),
        prefixes=_temporary_prefixes(inputs.target),
        home=Path(shell.environ["HOME"]) if shell.environ.get("HOME") else None,
        secrets=Secrets.of(shell.environ, inputs.target.settings.secrets).with_values(of_indexes),
    )
    rules, manifests = leaks.Rules.of(machine), scies.manifests(inputs.reference.scies)
    return leaks.judge(inputs.pex, rules, own_wheels=inputs.own_wheels, documents=manifests)


def _reproducible(inputs: GateInputs) -> Verdict:
    return reproducible.judge(inputs.pex, inputs.reference.second, own_wheels=inputs.own_wheels)


def _budget(inputs: GateInputs) -> Verdict:
    return budget.judge(inputs.pex.size, inputs.target.table.budget)


_JUDGES: Final[Mapping[Gate, Callable[[GateInputs], Verdict]]] = {
    "closure": _closure,
    "integrity": _integrity,
    "leaks": _leaks,
    "reproducible": _reproducible,
    "budget": _budget,
}


def _build_directories(inputs: GateInputs) -> Mapping[Path, str]:
    """Return the directories of this machine that the build uses, each with its resolved path, and their names."""
    target, reference = inputs.target, inputs.reference
    directories = {
        target.project.root: "the project's directory",
        target.directory: "the output directory",
        target.state: "the state of nox-pex",
        reference.installer.provisioner.caches.root: "the cache of nox-pex",
    }
    if reference.environment is not None:
        directories[reference.environment.path] = "the environment that Poetry installed into"
    return {form: name for path, name in directories.items() for form in (path, path.resolve())}


def _temporary_prefixes(target: Target) -> Mapping[Path, str]:
    """Return the beginnings of the paths of a build's temporary directories, and their names."""
    parents = plain_paths.temporary_parents()
    return {
        **{form / "nox-pex-": "a temporary directory" for path in parents for form in (path, path.resolve())},
        target.build_prefix: "a temporary directory of the build",
    }


def _run_gate(gate: Gate, inputs: GateInputs) -> GateResult:
    started = time.monotonic()
    binary = str(inputs.pex.path)
    try:
        with reporting_damage(binary):
            verdict = _JUDGES[gate](inputs)
    except NoxPexError as error:
        return _not_checked(gate, error, seconds=time.monotonic() - started)
    except Exception as error:  # noqa: BLE001  # a gate that stops must not count as passed, and must stop no other
        problem = f"{binary} could not be checked, by a fault of nox-pex: {type(error).__name__}: {error}"
        failed = NoxPexError(_CODES[gate], problem, "do not trust the file, and report this")
        return _not_checked(gate, failed, seconds=time.monotonic() - started)
    verdict = replace(verdict, problems=tuple(map(_shortened, verdict.problems[:_MOST_PROBLEMS])))
    what = f"{inputs.target.name}: {gate}"
    found = failure(_CODES[gate], verdict, subject=binary, remedy=_REMEDIES[gate], what=what)
    return GateResult(
        gate=gate,
        state="failed" if found else "skipped" if verdict.skipped else "passed",
        summary=verdict.summary,
        seconds=time.monotonic() - started,
        problems=verdict.problems,
        notes=verdict.notes,
        details=verdict.details,
        failure=found,
    )


def _not_checked(gate: Gate, error: NoxPexError, *, seconds: float) -> GateResult:
    summary = f"could not be checked: {error.code}"
    return GateResult(gate=gate, state="failed", summary=summary, seconds=seconds, failure=error)


def _shortened(problem: str) -> str:
    return problem if len(problem) <= _LONGEST_PROBLEM else f"{problem[:_LONGEST_PROBLEM]}…"


def _unreadable(error: NoxPexError) -> tuple[GateResult, ...]:
    """Return the results for a file that is not a PEX: `integrity` fails, and the other gates are skipped."""
    summary = "the file cannot be opened"
    return tuple(
        GateResult(gate=gate, state="failed", summary=summary, problems=(_shortened(error.problem),), failure=error)
        if gate == "integrity"
        else GateResult(gate=gate, state="skipped", summary=summary)
        for gate in GATES
    )


def _report(target: Target, taken: Snapshot | None, results: tuple[GateResult, ...]) -> VerifyReport:
    """Return the report on the content in `taken`; None if it could not be read."""
    return VerifyReport(
        name=target.name,
        binary=target.binary.name,
        sha256=taken.sha256 if taken is not None else "",
        size=taken.size if taken is not None else 0,
        results=results,
    )
