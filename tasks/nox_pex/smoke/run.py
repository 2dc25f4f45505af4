"""Runs a smoke test: each condition a boot of its own, from an empty directory to the last process that is gone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from nox_pex.build.target import Target
from nox_pex.distributions import pex_file
from nox_pex.errors import Code, NoxPexError
from nox_pex.settings.smoke import Budget, Smoke
from nox_pex.smoke import log, plan
from nox_pex.smoke.boot import SmokeTest, booted, skipped
from nox_pex.smoke.checks.check_files import CheckFiles
from nox_pex.smoke.plan import Boot, Endpoint, Options
from nox_pex.smoke.process import ports
from nox_pex.smoke.process.interrupts import Interrupts
from nox_pex.smoke.ready import Server
from nox_pex.smoke.report import BootResult, SmokeReport, over_budget
from nox_pex.smoke.runner import LocalRunner, Runner, UnavailableRunner
from nox_pex.smoke.workspace import Workspace, present, workspace
from nox_pex.system.command import run_into
from nox_pex.system.secrets import Secrets

__all__ = ["Options", "Subject", "run", "run_with"]


_DEFAULTS: Final = Options()


_PREPARATION: Final = 600.0
"""Seconds that a command of `before` or `after` may take."""


def run(
    target: Target,
    *,
    environ: Mapping[str, str],
    secrets: Secrets,
    options: Options = _DEFAULTS,
    say: Callable[[str], None],
    cannot: str | None = None,
) -> SmokeReport:
    """Copy the binary of `target` to an empty temporary directory, launch it there, and report what it did.

    `cannot` is the reason why this machine cannot run it, if it cannot: then every condition is skipped.
    Raises `NoxPexError` `launch-failed` if there is no such file, and whatever `run_with` raises.
    """
    binary, smoke = present(target.binary), target.table.smoke or Smoke()
    size = pex_file.size(binary)
    shares_tmp = plan.mentions_tmp(smoke)

    if cannot is not None:
        smoke = msgspec.structs.replace(smoke, before=(), after=())

    def create_runner(space: Workspace, smoke: Smoke, _: Endpoint) -> Runner:
        if cannot is not None:
            return UnavailableRunner(reason=cannot)
        return LocalRunner(
            workspace=space,
            environ=environ,
            pass_env=smoke.pass_env,
            size=size,
            shares_tmp=shares_tmp,
            keep=options.keep,
        )

    report = run_with(
        create_runner,
        subject=Subject(target=target, file=binary, size=size, boots=plan.boots(smoke, options.only)),
        smoke=smoke,
        budget=target.table.budget,
        environ=environ,
        secrets=secrets,
        options=options,
        say=say,
    )
    return replace(report, sha256=pex_file.digest(binary))


class Subject(Struct, frozen=True, kw_only=True):
    """The subject of a smoke test: the binary `target`, the `file` that stands for it, its bytes, and its boots."""

    target: Target
    file: Path
    size: int
    boots: tuple[Boot, ...]


def run_with(
    create_runner: Callable[[Workspace, Smoke, Endpoint], Runner],
    *,
    subject: Subject,
    smoke: Smoke,
    budget: Budget,
    environ: Mapping[str, str],
    secrets: Secrets,
    options: Options = _DEFAULTS,
    say: Callable[[str], None],
) -> SmokeReport:
    """Boot `subject` as `boots` says, with the runner that `create_runner` returns, and report the results.

    `create_runner` is called with the workspace, the settings with their tokens filled in, and the address at which
    the server is asked. `environ` is the environment of `before` and `after`; these run in the project's directory,
    which is also where JSON Schemas and CA files are looked up. `say` is called with a line for each step. A failure
    of the program is in the report. Raises `NoxPexError` only for a wrong call: `config`, `usage`, `source-missing`.
    """
    name, boots, project = subject.target.name, subject.boots, subject.target.project.root
    plan.check(smoke, name=name)
    if options.serve and not (smoke.http or smoke.tcp or smoke.ready):
        problem = f"{name} is not a server: its smoke test has neither `http` nor `tcp`"
        raise NoxPexError("usage", problem, "leave `--serve` out")
    if options.serve:
        boots = plan.served(boots)
    port = plan.fixed_port(smoke, options.port)
    interrupts = Interrupts()
    with contextlib.ExitStack() as stack:
        stack.enter_context(interrupts.orderly())
        host = plan.host_of(smoke)
        port = stack.enter_context(ports.reserved_port(host, port))
        space = stack.enter_context(
            workspace(subject.file, project=project, keep=options.keep, held=interrupts.held),
        )
        smoke = plan.filled(smoke, host=host, port=port, tmp=space.tmp)
        address = plan.endpoint(smoke, host=host, port=port)
        references = CheckFiles.of(smoke, project)
        ready = plan.readiness(smoke)
        server = None
        if ready is not None:
            server = Server(endpoint=address, check=ready, lenient=smoke.ready is None, tls=references.tls(ready))
        secrets = _with_secrets_of(smoke, secrets)
        test = SmokeTest(
            name=name,
            smoke=smoke,
            workspace=space,
            project=project,
            environ=environ,
            secrets=secrets,
            options=options,
            say=lambda line: say(secrets.mask(line)),
            interrupts=interrupts,
            endpoint=address,
            server=server,
            references=references,
            runner=create_runner(space, smoke, address),
        )
        report = SmokeReport(name=name, binary=subject.file, size=subject.size, outcomes=())
        report = _tested(test, boots, report, budget)
        return replace(report, kept=space.root if options.keep else None)


def _tested(test: SmokeTest, boots: tuple[Boot, ...], report: SmokeReport, budget: Budget) -> SmokeReport:
    """The report with an outcome for each boot, between `before` and `after`."""
    outcomes: list[BootResult] = []
    failures: list[NoxPexError | None] = []
    goes_on = True
    try:
        failures.append(_prepared(test, "before", test.smoke.before, "launch-failed"))
        goes_on = failures[0] is None
        for boot in boots:
            if not goes_on:
                if boot.condition not in {outcome.condition for outcome in outcomes}:
                    outcomes.append(skipped(test, boot, "an earlier step failed"))
                continue
            outcome, failure = booted(test, boot)
            failures.append(failure)
            goes_on = outcome.state != "failed"
            if failure is not None or not boot.seed:
                test.say(str(outcome))
                outcomes.append(outcome)
    finally:
        after = _prepared(test, "after", test.smoke.after, "check-failed")
    report = replace(report, outcomes=tuple(outcomes))
    happened = [each for each in (*failures, over_budget(report, budget), after) if each is not None]
    for other in happened[1:]:
        test.say(f"besides: {other.problem}")
    return replace(report, failure=happened[0] if happened else None)


def _prepared(test: SmokeTest, key: str, commands: tuple[tuple[str, ...], ...], code: Code) -> NoxPexError | None:
    """Runs the commands of `before` or `after` in the project's directory, up to the first that fails.

    They are the project's own tools, a database's start script for instance: their environment is the session's, and
    what they leave running is theirs to end.
    """
    output = test.workspace.root / f"{key}.log"
    for command in commands:
        shown = " ".join(command)
        test.say(f"{key}: {shown}")
        try:
            environ = {**test.environ, **test.smoke.env}
            status = run_into(output, command, cwd=test.project, env=environ, timeout=_PREPARATION)
            late = f"still running after {_PREPARATION:g} s, so it was killed"
            problem = late if status is None else f"exit status {status}" if status else None
        except OSError as error:
            problem = error.strerror
        if problem is not None:
            problem = test.secrets.mask(f"`{key}` command {shown!r} failed: {problem}")
            remedy = f"run it by hand in {test.project.name}"
            return NoxPexError(code, problem, remedy, log=log.tail(output, test.secrets))
    return None


def _with_secrets_of(smoke: Smoke, secrets: Secrets) -> Secrets:
    environments = (smoke.env, *(command.env for command in smoke.command))
    more = {value for env in environments for value in Secrets.of(env).values}
    return Secrets.from_values({*secrets.values, *more})
