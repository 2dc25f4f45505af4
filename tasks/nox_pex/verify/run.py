"""Runs all gates on one finished binary, one after another; a gate that fails does not stop the others."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import NormalizedName, canonicalize_name

from nox_pex.distributions import pex_file
from nox_pex.errors import Code, NoxPexError
from nox_pex.pex import disagreements
from nox_pex.pex.target import Contents, Target
from nox_pex.platforms.fetch import WheelFetcher
from nox_pex.poetry import lock
from nox_pex.poetry.install import Installer
from nox_pex.poetry.installed import Installed
from nox_pex.system import plain_paths
from nox_pex.verify import expected_files, scies
from nox_pex.verify.archive import Pex, open_pex, reporting_damage
from nox_pex.verify.expected_files import ExpectedFiles
from nox_pex.verify.gates import budget, closure, closure_by_platform, integrity, leaks, reproducible
from nox_pex.verify.gates.verdict import Verdict, failure
from nox_pex.verify.pex_distributions import PexDistribution, distributions
from nox_pex.verify.rebuild import Rebuild, prepare_rebuild
from nox_pex.verify.report import GATES, Gate, GateResult, VerifyReport
from nox_pex.verify.scies import OpenScie

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


_NOTED_BY_CLOSURE: Final = ("moved", "renamed")
"""The kinds of disagreements that the gate `closure` notes itself."""


class GateInputs(Struct, frozen=True, kw_only=True, dict=True):
    """The input of all gates: the open binary, its target, and how to find out what it must contain.

    `installed` and `deep` are as for `run`. `stack` closes what the gates open.
    """

    target: Target
    pex: Pex
    installed: Contents | None
    installer: Installer
    deep: bool
    stack: ExitStack

    @cached_property
    def distributions(self) -> tuple[PexDistribution, ...]:
        """The distributions in the binary."""
        return tuple(distributions(self.pex))

    @cached_property
    def scies(self) -> tuple[OpenScie, ...] | None:
        """The scies that were built with the binary; None if it has none."""
        return scies.open_scies(self.target)

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

    def rebuild(self) -> Rebuild:
        """Return the copy for a second build, which is prepared once.

        Raises `NoxPexError` for each gate that needs the copy if it could not be prepared.
        """
        if isinstance(self._rebuild, NoxPexError):
            raise self._rebuild
        return self._rebuild

    @cached_property
    def _rebuild(self) -> Rebuild | NoxPexError:
        try:
            return self.stack.enter_context(prepare_rebuild(self.target, self.installer, cold=self.deep))
        except NoxPexError as error:
            return error


def run(target: Target, *, installed: Contents | None, installer: Installer, deep: bool) -> VerifyReport:
    """Check the binary of `target` at every gate.

    `installed` is what Poetry had installed when the binary was built. It is None if that is not known (`--binary`);
    then the binary is compared with what Poetry installs for the gate `reproducible`. If `deep`, Poetry fetches every
    locked file again for that install.
    Raises `NoxPexError` `usage` if the binary does not exist. All other failures are in the report.
    """
    with ExitStack() as stack:
        try:
            pex = stack.enter_context(open_pex(target.binary))
        except NoxPexError as error:
            if error.code != "integrity":
                raise
            return _report(target, _unreadable(error))
        inputs = GateInputs(target=target, pex=pex, installed=installed, installer=installer, deep=deep, stack=stack)
        return _report(target, tuple(_run_gate(gate, inputs) for gate in GATES))


def _closure(inputs: GateInputs) -> Verdict:
    target, installer = inputs.target, inputs.installer
    if target.platforms:
        return closure_by_platform.judge(
            inputs.distributions,
            inputs.pex.info,
            _plan_by_platform(inputs),
            target.platforms,
            project=inputs.project_version,
            exclude=target.table.exclude,
            by_content=_by_content(inputs),
        )
    planned = closure.plan(
        target.selection,
        project=target.project,
        python=installer.base.find(),
        provisioner=installer.provisioner,
        poetry_version=target.settings.poetry_version,
    )
    return closure.judge(
        inputs.distributions,
        planned,
        project=inputs.project_version,
        exclude=target.table.exclude,
        by_content=_by_content(inputs),
        renamed=_renamed(inputs, planned),
    )


def _by_content(inputs: GateInputs) -> frozenset[str]:
    """Return the names of the distributions that the lock takes from a path, a URL or Git: their versions may move."""
    return frozenset(package.name for package in lock.read(inputs.target.project.lock).packages if package.is_direct)


def _renamed(inputs: GateInputs, planned: Mapping[NormalizedName, str]) -> Mapping[str, str]:
    """Return the names of distributions that the lock calls by another name, and that name."""
    found = {distribution.name for distribution in inputs.distributions}
    if found.issuperset(_by_content(inputs) & planned.keys()):
        return {}
    installed = inputs.installed if inputs.installed is not None else inputs.rebuild().installed
    return installed.renamed if isinstance(installed, Installed) else {}


def _integrity(inputs: GateInputs) -> Verdict:
    verdict = _integrity_of_pex(inputs)
    return scies.with_scies(verdict, inputs.scies, pex_sha256=pex_file.digest(inputs.pex.path))


def _integrity_of_pex(inputs: GateInputs) -> Verdict:
    installed = inputs.installed if inputs.installed is not None else inputs.rebuild().installed
    found = disagreements.find(installed, lock.read(inputs.target.project.lock), project=None)
    remaining = found.without(inputs.target.table.exclude)
    verdict = replace(
        integrity.judge(inputs.pex, inputs.distributions, _expected(inputs, installed)),
        notes=tuple(str(each) for each in remaining if each.kind not in _NOTED_BY_CLOSURE),
    )
    if inputs.installed is None:
        return verdict
    if verdict.problems or not inputs.deep:
        return verdict
    fetched_again = _expected(inputs, inputs.rebuild().installed)
    return replace(integrity.judge(inputs.pex, inputs.distributions, fetched_again, strict=False), notes=verdict.notes)


def _leaks(inputs: GateInputs) -> Verdict:
    shell = inputs.installer.provisioner.shell
    machine = leaks.Machine(
        paths=_build_directories(inputs),
        prefixes=_temporary_prefixes(inputs.target),
        home=Path(shell.environ["HOME"]) if shell.environ.get("HOME") else None,
        secrets=shell.secrets,
    )
    rules, manifests = leaks.Rules.of(machine), scies.manifests(inputs.scies)
    return leaks.judge(inputs.pex, rules, own_wheels=inputs.own_wheels, documents=manifests)


def _reproducible(inputs: GateInputs) -> Verdict:
    return reproducible.judge(inputs.pex, inputs.rebuild().build(), own_wheels=inputs.own_wheels)


def _budget(inputs: GateInputs) -> Verdict:
    return budget.judge(pex_file.size(inputs.target.binary), inputs.target.table.budget)


_JUDGES: Final[Mapping[Gate, Callable[[GateInputs], Verdict]]] = {
    "closure": _closure,
    "integrity": _integrity,
    "leaks": _leaks,
    "reproducible": _reproducible,
    "budget": _budget,
}


def _plan_by_platform(inputs: GateInputs) -> Mapping[str, Mapping[NormalizedName, str]]:
    """Return what Poetry would install on each platform: its name, mapped to names and versions."""
    with tempfile.TemporaryDirectory(prefix="nox-pex-verify-") as scratch:
        fetcher = WheelFetcher(installer=inputs.installer)
        planned = fetcher.plan(inputs.target.selection, inputs.target.platforms, scratch=Path(scratch))
    return {platform: {p.name: p.version for p in packages} for platform, packages in planned.items()}


def _expected(inputs: GateInputs, installed: Contents) -> Mapping[str, ExpectedFiles]:
    if isinstance(installed, Installed):
        return expected_files.expected_from_environment(installed)
    return expected_files.expected_from_wheels(installed, lock.read(inputs.target.project.lock))


def _build_directories(inputs: GateInputs) -> Mapping[Path, str]:
    """Return the directories of this machine that the build uses, each with its resolved path, and their names."""
    target = inputs.target
    directories = {
        target.project.root: "the project's directory",
        target.directory: "the output directory",
        target.state: "the state of nox-pex",
        inputs.installer.provisioner.caches.root: "the cache of nox-pex",
    }
    if inputs.installed is not None:
        directories[inputs.installed.environment.path] = "the environment that Poetry installed into"
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
    binary = str(inputs.target.binary)
    try:
        with reporting_damage(binary):
            verdict = _JUDGES[gate](inputs)
    except NoxPexError as error:
        return GateResult(
            gate=gate,
            state="failed",
            summary=f"could not be checked: {error.code}",
            seconds=time.monotonic() - started,
            failure=error,
        )
    found = failure(_CODES[gate], verdict, subject=binary, remedy=_REMEDIES[gate])
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


def _unreadable(error: NoxPexError) -> tuple[GateResult, ...]:
    """Return the results for a file that is not a PEX: `integrity` fails, and the other gates are skipped."""
    summary = "the file cannot be opened"
    return tuple(
        GateResult(gate=gate, state="failed", summary=summary, problems=(error.problem,), failure=error)
        if gate == "integrity"
        else GateResult(gate=gate, state="skipped", summary=summary)
        for gate in GATES
    )


def _report(target: Target, results: tuple[GateResult, ...]) -> VerifyReport:
    return VerifyReport(
        name=target.name,
        binary=target.binary.name,
        sha256=pex_file.digest(target.binary),
        size=pex_file.size(target.binary),
        results=results,
    )
