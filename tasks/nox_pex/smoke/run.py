"""Run a smoke test: `before-all`, each condition, and `after-all`, in a temporary directory."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from nox_pex.distributions import pex_file
from nox_pex.errors import NoxPexError
from nox_pex.pex import build_record, scies
from nox_pex.pex.build_record import RecordedScie
from nox_pex.pex.target import Target
from nox_pex.settings.checks import TextMatch
from nox_pex.settings.smoke import BootCondition, Budget, Smoke
from nox_pex.smoke import missing, plan, result_line
from nox_pex.smoke.checks.check_files import CheckFiles
from nox_pex.smoke.condition import run_condition, skipped_boot
from nox_pex.smoke.own_commands import OwnCommands
from nox_pex.smoke.plan import Boot, Endpoint, Options
from nox_pex.smoke.process import ports
from nox_pex.smoke.process.interrupts import Interrupts
from nox_pex.smoke.report import AFTER_FAILURE, BootResult, SmokeReport, budget_error
from nox_pex.smoke.runner import LocalRunner, Runner, WithScie
from nox_pex.smoke.scripts import check_scripts
from nox_pex.smoke.smoke_test import SmokeTest
from nox_pex.smoke.workspace import Workspace, existing_binary, open_workspace
from nox_pex.system.messages import Say, mapped
from nox_pex.system.secrets import Secrets

_DEFAULTS: Final = Options()


def run(
    target: Target,
    *,
    environ: Mapping[str, str],
    secrets: Secrets,
    options: Options = _DEFAULTS,
    say: Say,
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

        of_pex = local(binary)
        return of_pex if scie is None else WithScie(pex=of_pex, scie=local(target.directory / scie.file))

    unavailable = {
        boot.condition: reason
        for boot in boots
        if (reason := scie_reason if boot.condition == "scie" else unavailable_reason) is not None
    }
    report = run_with(
        create_runner,
        subject=Subject(target=target, file=binary, size=size, boots=boots, unavailable=unavailable),
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
        raise NoxPexError("launch-failed", problem, "run it again while nothing builds the file")
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
    """The subject of a smoke test: the binary `target`, the `file` to report, its size in bytes, and its boots.

    `unavailable` are the conditions that this machine cannot provide, each with the reason. `platform` is that of an
    image for several.
    """

    target: Target
    file: Path
    size: int
    boots: tuple[Boot, ...]
    unavailable: Mapping[BootCondition, str] = {}
    platform: str = ""


def run_with(
    create_runner: Callable[[Workspace, Smoke, Endpoint], Runner],
    *,
    subject: Subject,
    smoke: Smoke,
    budget: Budget,
    environ: Mapping[str, str],
    secrets: Secrets,
    options: Options = _DEFAULTS,
    say: Say,
) -> SmokeReport:
    """Run the boots of `subject` with the runner that `create_runner` returns, and report the results.

    `create_runner` is called with the workspace, the settings with their tokens filled in, and the address of the
    server. `environ` is the environment of `before` and `after`. They run in the project's directory, to which the
    paths of JSON Schemas and CA files are also relative. `say` is called with a line for each step. A failure of the
    program is in the report. Raises `NoxPexError` only for a wrong call: `config`, `usage`, `source-missing`.
    """
    name, boots, project = subject.target.name, subject.boots, subject.target.project.root
    plan.require_checks(smoke, name=name)
    if options.serve and not smoke.is_server:
        problem = f"{name} does not keep running: its smoke test has neither `http` nor `tcp` nor `ready`"
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
        check_files = CheckFiles.load(smoke, project)
        secrets = _with_secrets_of(smoke, secrets)
        masked = mapped(say, secrets.mask)

        def own_commands(env: Mapping[str, str], tmp: Path | None = None) -> OwnCommands:
            return OwnCommands(
                binary=name,
                project=project,
                environ=environ,
                variables=env,
                tmp=tmp,
                timeout=smoke.before_timeout,
                logs=workspace.root,
                secrets=secrets,
                say=masked,
                interrupts=interrupts,
            )

        notices: set[str] = set()

        def create_test(number: int, condition: BootCondition) -> SmokeTest:
            space = workspace.of_condition(number)
            filled = plan.fill_settings(smoke, host=host, port=port, tmp=space.tmp)
            endpoint = plan.endpoint(filled, host=host, port=port)
            return SmokeTest(
                name=name,
                smoke=filled,
                workspace=space,
                secrets=secrets,
                options=options,
                say=masked,
                interrupts=interrupts,
                endpoint=endpoint,
                check_files=check_files,
                runner=create_runner(space, filled, endpoint),
                own_commands=own_commands(filled.env, space.tmp),
                explain=functools.partial(missing.explain, target=subject.target, binary=subject.file, say=say),
                notices=notices,
                unavailable_reason=subject.unavailable.get(condition),
                platform=subject.platform,
                labels=tuple(boot.condition for boot in boots),
            )

        conditions = [
            (create_test(number, each[0].condition), each) for number, each in enumerate(plan.by_condition(boots))
        ]
        report = SmokeReport(name=name, binary=subject.file, size=subject.size, boot_results=())
        for_all = plan.fill_for_all(smoke, host=host, port=port)
        report = _run_conditions(conditions, for_all, own_commands(for_all.env), report=report, budget=budget)
        if options.keep:
            masked(f"kept: {workspace.root}")
        return report


def _run_conditions(
    conditions: Sequence[tuple[SmokeTest, tuple[Boot, ...]]],
    smoke: Smoke,
    own_commands: OwnCommands,
    *,
    report: SmokeReport,
    budget: Budget,
) -> SmokeReport:
    """Run `before-all`, the boots of each condition, and `after-all`, which runs even after a failure.

    Return `report` with the results and the first failure. After a failed condition, the remaining ones are skipped. If
    this machine can run none of them, `before-all` and `after-all` do not run either.
    """
    boot_results: list[BootResult] = []
    failures: list[NoxPexError | None] = []
    possible = any(test.unavailable_reason is None for test, _ in conditions)
    try:
        if possible:
            failures.append(own_commands.run("before-all", smoke.before_all, code="launch-failed"))
        passing = not any(failures)
        for test, boots in conditions:
            if passing:
                boot_result, found = run_condition(test, boots)
                failures += found
                passing = boot_result.state != "failed"
            else:
                boot_result = skipped_boot(test, boots[0], AFTER_FAILURE)
            boot_results.append(boot_result)
        if (rest := result_line.of_rest(boot_results)) is not None:
            own_commands.say(rest)
    finally:
        commands = smoke.after_all if possible else ()
        after_failure = own_commands.run("after-all", commands, code="check-failed")
    report = replace(report, boot_results=tuple(boot_results))
    every = [each for each in (*failures, budget_error(report, budget), after_failure) if each is not None]
    for other in every[1:]:
        own_commands.say(f"also: {other.problem}")
    return replace(report, failure=every[0] if every else None)


def _with_secrets_of(smoke: Smoke, secrets: Secrets) -> Secrets:
    """Return `secrets` together with those in the environment variables and headers of the settings."""
    named = (
        smoke.env,
        *(command.env for command in smoke.command),
        *(check.request_headers for check in smoke.http),
        *(_exact(check.headers) for check in smoke.http),
        *((smoke.ready.request_headers,) if smoke.ready is not None else ()),
    )
    captured = [f"{{{name}}}" for check in smoke.http for name in check.capture]
    values = (value for each in named for value in Secrets.of(each).values)
    # A token is no secret. `Conversation` knows the value that replaces it.
    return secrets.with_values(value for value in values if not any(token in value for token in captured))


def _exact(headers: Mapping[str, str | TextMatch]) -> dict[str, str]:
    """Return the headers with exact values."""
    return {name: value for name, value in headers.items() if isinstance(value, str)}
