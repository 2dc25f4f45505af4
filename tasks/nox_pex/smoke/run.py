"""Run a smoke test: `before`, one boot for each condition, and `after`, in a temporary directory."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from nox_pex.distributions import pex_file
from nox_pex.errors import Code, NoxPexError
from nox_pex.pex import build_record, scies
from nox_pex.pex.build_record import RecordedScie
from nox_pex.pex.target import Target
from nox_pex.settings.checks import TextMatch
from nox_pex.settings.smoke import Budget, Smoke
from nox_pex.smoke import log, missing, plan
from nox_pex.smoke.boot import run_boot, skipped_boot
from nox_pex.smoke.checks.check_files import CheckFiles
from nox_pex.smoke.plan import Boot, Endpoint, Options
from nox_pex.smoke.process import ports
from nox_pex.smoke.process.interrupts import Interrupts
from nox_pex.smoke.ready import Server
from nox_pex.smoke.report import BootResult, SmokeReport, budget_error
from nox_pex.smoke.runner import LocalRunner, Runner, UnavailableRunner, WithScie
from nox_pex.smoke.scripts import check_scripts
from nox_pex.smoke.smoke_test import SmokeTest
from nox_pex.smoke.workspace import Workspace, existing_binary, open_workspace
from nox_pex.system.command import run_into
from nox_pex.system.secrets import Secrets

_DEFAULTS: Final = Options()


_COMMAND_TIMEOUT: Final = 600.0
"""Seconds that a command of `before` or `after` may take."""


def run(
    target: Target,
    *,
    environ: Mapping[str, str],
    secrets: Secrets,
    options: Options = _DEFAULTS,
    say: Callable[[str], None],
    unavailable_reason: str | None = None,
) -> SmokeReport:
    """Copy the binary of `target` to an empty temporary directory, launch it there, and report the results.

    If nox-pex built a scie with it, the scie for this machine is launched too. `unavailable_reason` says why this
    machine cannot run the binary; None if it can. With a reason, every condition of the binary is skipped.
    Raises `NoxPexError`: `launch-failed` if the binary or its scie does not exist, or is changed meanwhile,
    `entry-missing` if the binary does not have a script that a check starts, and the errors of `run_with`.
    """
    binary, smoke = existing_binary(target.binary), target.table.smoke or Smoke()
    check_scripts(smoke, binary, key=target.key)
    size, sha256 = pex_file.size(binary), pex_file.digest(binary)
    shares_tmp = plan.mentions_tmp(smoke)
    has_scie = target.table.scie is not None and target.prebuilt is None
    boots = plan.plan_boots(smoke, options.only, has_scie=has_scie)
    starts_scie = any(boot.condition == "scie" for boot in boots)
    scie, scie_reason = _scie_of(target) if starts_scie else (None, None)

    if unavailable_reason is not None and scie is None:
        smoke = replace(smoke, before=(), after=())

    def create_runner(workspace: Workspace, smoke: Smoke, _: Endpoint) -> Runner:
        def local(file: Path) -> Runner:
            return LocalRunner(
                workspace=replace(workspace, binary=file),
                environ=environ,
                pass_env=smoke.pass_env,
                size=size,
                shares_tmp=shares_tmp,
                keep=options.keep,
            )

        of_pex = local(binary) if unavailable_reason is None else UnavailableRunner(reason=unavailable_reason)
        if not starts_scie:
            return of_pex
        of_scie = UnavailableRunner(reason=scie_reason or "") if scie is None else local(target.directory / scie.file)
        return WithScie(pex=of_pex, scie=of_scie)

    report = run_with(
        create_runner,
        subject=Subject(target=target, file=binary, size=size, boots=boots),
        smoke=smoke,
        budget=target.table.budget,
        environ=environ,
        secrets=secrets,
        options=options,
        say=say,
    )
    tested = None if scie is None else (scie.file, scie.sha256)
    if not options.serve and pex_file.digest(binary) != sha256:
        problem = f"{binary} was changed while it was tested"
        raise NoxPexError("launch-failed", problem, "run it again, when nothing builds the file meanwhile")
    return replace(report, sha256=sha256, scie=tested)


def _scie_of(target: Target) -> tuple[RecordedScie | None, str | None]:
    """Return the scie of `target` for this machine, or None and the reason why there is none.

    Raises `NoxPexError` `launch-failed` if it does not exist, or is not the one in the build record.
    """
    recorded = scies.recorded(build_record.read(target.record), stem=target.stem)
    remedy = "build it with `nox -s pex`"
    if not recorded:
        raise NoxPexError("launch-failed", f"the build record of {target.binary} has no scie", remedy)
    scie = scies.for_this_machine(recorded)
    if scie is None:
        return None, f"it is for {' and '.join(each.platform for each in recorded)}, and not for this machine"
    file = existing_binary(target.directory / scie.file)
    if pex_file.digest(file) != scie.sha256:
        raise NoxPexError("launch-failed", f"{file} was changed after it was built", remedy)
    return scie, None


class Subject(Struct, frozen=True, kw_only=True):
    """The subject of a smoke test: the binary `target`, the `file` to report, its size in bytes, and its boots."""

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
    """Run the boots of `subject` with the runner that `create_runner` returns, and report the results.

    `create_runner` is called with the workspace, the settings with their tokens filled in, and the address of the
    server. `environ` is the environment of `before` and `after`. They run in the project's directory, to which the
    paths of JSON Schemas and CA files are also relative. `say` is called with a line for each step. A failure of the
    program is in the report. Raises `NoxPexError` only for a wrong call: `config`, `usage`, `source-missing`.
    """
    name, boots, project = subject.target.name, subject.boots, subject.target.project.root
    plan.require_checks(smoke, name=name)
    if options.serve and not (smoke.http or smoke.tcp or smoke.ready):
        problem = f"{name} is not a server: its smoke test has neither `http` nor `tcp`"
        raise NoxPexError("usage", problem, "omit `--serve`")
    if options.serve:
        boots = (plan.boot_to_serve(boots),)
    port = plan.fixed_port(smoke, options.port)
    interrupts = Interrupts()
    with contextlib.ExitStack() as stack:
        stack.enter_context(interrupts.installed())
        host = plan.host_of(smoke)
        port = stack.enter_context(ports.reserved_port(host, port))
        workspace = stack.enter_context(open_workspace(subject.file, say=say, project=project, keep=options.keep))
        smoke = plan.fill_settings(smoke, host=host, port=port, tmp=workspace.tmp)
        endpoint = plan.endpoint(smoke, host=host, port=port)
        check_files = CheckFiles.load(smoke, project)
        ready = plan.ready_check(smoke)
        server = None
        if ready is not None:
            server = Server(endpoint=endpoint, check=ready, lenient=smoke.ready is None, tls=check_files.tls(ready))
        secrets = _with_secrets_of(smoke, secrets)
        test = SmokeTest(
            name=name,
            smoke=smoke,
            workspace=workspace,
            project=project,
            environ=environ,
            secrets=secrets,
            options=options,
            say=lambda line: say(secrets.mask(line)),
            interrupts=interrupts,
            endpoint=endpoint,
            server=server,
            check_files=check_files,
            runner=create_runner(workspace, smoke, endpoint),
            explain=functools.partial(missing.explain, target=subject.target, binary=subject.file, say=say),
        )
        report = SmokeReport(name=name, binary=subject.file, size=subject.size, boot_results=())
        report = _run_boots(test, boots, report, budget)
        return replace(report, kept_directory=workspace.root if options.keep else None)


def _run_boots(test: SmokeTest, boots: tuple[Boot, ...], report: SmokeReport, budget: Budget) -> SmokeReport:
    """Run `before`, the boots and `after`. Return `report` with the results and the first failure.

    After a failure the remaining boots are skipped, but `after` still runs.
    """
    boot_results: list[BootResult] = []
    failures: list[NoxPexError | None] = []
    passing = True
    try:
        failures.append(_run_own_commands(test, "before", test.smoke.before, "launch-failed"))
        passing = failures[0] is None
        for boot in boots:
            if not passing:
                if boot.condition not in {boot_result.condition for boot_result in boot_results}:
                    boot_results.append(skipped_boot(test, boot, "an earlier step failed"))
                continue
            boot_result, failure = run_boot(test, boot)
            failures.append(failure)
            passing = boot_result.state != "failed"
            if failure is not None or not boot.warms_up:
                test.say(str(boot_result))
                boot_results.append(boot_result)
    finally:
        after_failure = _run_own_commands(test, "after", test.smoke.after, "check-failed")
    report = replace(report, boot_results=tuple(boot_results))
    found = [each for each in (*failures, budget_error(report, budget), after_failure) if each is not None]
    for other in found[1:]:
        test.say(f"also: {other.problem}")
    return replace(report, failure=found[0] if found else None)


def _run_own_commands(
    test: SmokeTest, key: str, commands: tuple[tuple[str, ...], ...], code: Code
) -> NoxPexError | None:
    """Run the commands of `before` or `after` in the project's directory, up to the first that fails.

    These are the project's own tools, such as the start script of a database. They get the environment of the session,
    and what they leave running is not ended. Return the failure, with the error code `code`, or None.
    """
    output = test.workspace.root / f"{key}.log"
    for command in commands:
        line = " ".join(command)
        test.say(f"{key}: {line}")
        try:
            environ = {**test.environ, **test.smoke.env}
            status = run_into(
                output,
                command,
                cwd=test.project,
                env=environ,
                timeout=_COMMAND_TIMEOUT,
                sleep=lambda seconds: test.interrupts.interruptible(time.sleep, seconds),
            )
            late = f"still running after {_COMMAND_TIMEOUT:g} s, so it was killed"
            problem = late if status is None else f"exit status {status}" if status else None
        except OSError as error:
            problem = error.strerror
        if problem is not None:
            problem = test.secrets.mask(f"`{key}` command {line!r} failed: {problem}")
            remedy = f"run it by hand in {test.project.name}"
            return NoxPexError(code, problem, remedy, log=log.tail(output, test.secrets))
    return None


def _with_secrets_of(smoke: Smoke, secrets: Secrets) -> Secrets:
    """Return `secrets` together with those in the environment variables and headers of the settings."""
    named = (
        smoke.env,
        *(command.env for command in smoke.command),
        *(check.request_headers for check in smoke.http),
        *(_exact(check.headers) for check in smoke.http),
        *((smoke.ready.request_headers,) if smoke.ready is not None else ()),
    )
    return secrets.with_values(value for each in named for value in Secrets.of(each).values)


def _exact(headers: Mapping[str, str | TextMatch]) -> dict[str, str]:
    """Return the headers with exact values."""
    return {name: value for name, value in headers.items() if isinstance(value, str)}
