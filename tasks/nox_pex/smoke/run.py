"""Runs a smoke test: each condition a boot of its own, from an empty directory to the last process that is gone."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import msgspec

from nox_pex import record
from nox_pex.errors import NoxPexError
from nox_pex.secrets import Secrets
from nox_pex.smoke import checks, log, plan, ports, probe
from nox_pex.smoke.checks import Printed, Verdict
from nox_pex.smoke.interrupts import Interrupts
from nox_pex.smoke.plan import Boot, Options, Target
from nox_pex.smoke.process import Member, Running, UnavailableError
from nox_pex.smoke.ready import Server, await_ready, judge_free
from nox_pex.smoke.references import References
from nox_pex.smoke.report import Outcome, Report, over_budget
from nox_pex.smoke.settings import Budget, CommandCheck, HttpCheck, Smoke, TcpCheck
from nox_pex.smoke.site import Here, Launch, Nowhere, Site
from nox_pex.smoke.stop import Stop, judge_alive, left_behind, left_processes, stop
from nox_pex.smoke.workspace import Workspace, present, weight, workspace

__all__ = ["Options", "Subject", "run", "run_at"]

_DEFAULTS: Final = Options()
_PREPARATION: Final = 600.0
"""Seconds that a command of `before` or `after` may take."""
_CRASH: Final = 0.3
"""Seconds in which a program that broke off an answer turns out to have crashed."""
_TCP_TIMEOUT: Final = 5.0
_OUTPUT_LIMIT: Final = 16 * 2**20
"""Bytes of a command's output that are looked at."""


@dataclass(frozen=True, kw_only=True)
class _Test:
    """All that stands fast during one smoke test. `server` is None for a program that is only a command."""

    name: str
    smoke: Smoke
    workspace: Workspace
    project: Path
    environ: Mapping[str, str]
    secrets: Secrets
    options: Options
    say: Callable[[str], None]
    interrupts: Interrupts
    target: Target
    server: Server | None
    references: References
    site: Site

    @property
    def checks(self) -> int:
        return len(self.smoke.http) + len(self.smoke.tcp) + len(self.smoke.command)


@dataclass(kw_only=True)
class _Notes:
    """What was seen of one boot so far: it may end at any point."""

    logs: list[Path] = field(default_factory=list)
    ready_after: float | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    stop: Stop | None = None
    memory: int | None = None


def run(
    binary: Path,
    *,
    name: str,
    smoke: Smoke,
    budget: Budget,
    project: Path,
    environ: Mapping[str, str],
    secrets: Secrets,
    options: Options = _DEFAULTS,
    say: Callable[[str], None],
    cannot: str | None = None,
) -> Report:
    """Copies `binary` to an empty temporary directory, launches it there, and reports what it did.

    `cannot` is why this machine cannot run it, where that is so: then every condition is skipped for that reason.
    Raises `NoxPexError` `launch-failed` where there is no such file, and whatever `run_at` raises.
    """
    binary = present(binary)
    size = weight(binary)
    shares_tmp = plan.mentions_tmp(smoke)

    if cannot is not None:
        smoke = msgspec.structs.replace(smoke, before=(), after=())

    def here(space: Workspace, smoke: Smoke, _: Target) -> Site:
        if cannot is not None:
            return Nowhere(reason=cannot)
        return Here(
            workspace=space,
            environ=environ,
            pass_env=smoke.pass_env,
            size=size,
            shares_tmp=shares_tmp,
            keep=options.keep,
        )

    report = run_at(
        here,
        subject=Subject(name=name, binary=binary, size=size, boots=plan.boots(smoke, options.only)),
        smoke=smoke,
        budget=budget,
        project=project,
        environ=environ,
        secrets=secrets,
        options=options,
        say=say,
    )
    return replace(report, sha256=record.digest(binary))


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is tested: the binary `name`, its file and that file's bytes, and its boots."""

    name: str
    binary: Path
    size: int
    boots: tuple[Boot, ...]


def run_at(
    place: Callable[[Workspace, Smoke, Target], Site],
    *,
    subject: Subject,
    smoke: Smoke,
    budget: Budget,
    project: Path,
    environ: Mapping[str, str],
    secrets: Secrets,
    options: Options = _DEFAULTS,
    say: Callable[[str], None],
) -> Report:
    """Boots `subject` at the site that `place` makes in a temporary directory, and reports what it did.

    `place` gets the settings with the tokens filled in, and where the server is asked. `project` is where `before` and
    `after` run and where schemas and CA files are looked for; `environ` is what these two run under; `say` gets a line
    for each step. Whatever the program does is in the report. Raises `NoxPexError` for a wrong call alone: `config`,
    `usage`, `source-missing`.
    """
    name, boots = subject.name, subject.boots
    plan.judge(smoke, name=name)
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
        port = stack.enter_context(ports.claimed(host, port))
        space = stack.enter_context(
            workspace(subject.binary, project=project, keep=options.keep, held=interrupts.held),
        )
        smoke = plan.filled(smoke, host=host, port=port, tmp=space.tmp)
        target = plan.target(smoke, host=host, port=port)
        references = References.of(smoke, project)
        ready = plan.readiness(smoke)
        server = None
        if ready is not None:
            server = Server(target=target, check=ready, lenient=smoke.ready is None, tls=references.tls(ready))
        secrets = _with_secrets_of(smoke, secrets)
        test = _Test(
            name=name,
            smoke=smoke,
            workspace=space,
            project=project,
            environ=environ,
            secrets=secrets,
            options=options,
            say=lambda line: say(secrets.mask(line)),
            interrupts=interrupts,
            target=target,
            server=server,
            references=references,
            site=place(space, smoke, target),
        )
        report = Report(name=name, binary=subject.binary, size=subject.size, outcomes=())
        report = _tested(test, boots, report, budget)
        return replace(report, kept=space.root if options.keep else None)


def _tested(test: _Test, boots: tuple[Boot, ...], report: Report, budget: Budget) -> Report:
    """The report with an outcome for each boot, between `before` and `after`."""
    outcomes: list[Outcome] = []
    failures: list[NoxPexError | None] = []
    goes_on = True
    try:
        failures.append(_prepared(test, "before", test.smoke.before, "launch-failed"))
        goes_on = failures[0] is None
        for boot in boots:
            if not goes_on:
                if boot.condition not in {outcome.condition for outcome in outcomes}:
                    outcomes.append(_skipped(test, boot, "an earlier step failed"))
                continue
            outcome, failure = _booted(test, boot)
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


def _prepared(test: _Test, key: str, commands: tuple[tuple[str, ...], ...], code: str) -> NoxPexError | None:
    """Runs the commands of `before` or `after` in the project's directory, up to the first that fails.

    They are the project's own tools, a database's start script for instance: their environment is the session's, and
    what they leave running is theirs to end.
    """
    output = test.workspace.root / f"{key}.log"
    for command in commands:
        shown = " ".join(command)
        test.say(f"{key}: {shown}")
        try:
            with output.open("ab") as file:
                status = subprocess.run(
                    command, cwd=test.project, env={**test.environ, **test.smoke.env}, stdin=subprocess.DEVNULL,
                    stdout=file, stderr=subprocess.STDOUT, timeout=_PREPARATION, check=False,
                ).returncode  # fmt: skip
            problem = f"exit status {status}" if status else None
        except subprocess.TimeoutExpired:
            problem = f"no end within {_PREPARATION:g} s"
        except OSError as error:
            problem = error.strerror
        if problem is not None:
            problem = test.secrets.mask(f"`{key}` command {shown!r} failed: {problem}")
            remedy = f"run it by hand in {test.project.name}"
            return NoxPexError(code, problem, remedy, log=log.tail(output, test.secrets))
    return None


def _skipped(test: _Test, boot: Boot, reason: str) -> Outcome:
    return Outcome(condition=boot.condition, state="skipped", reason=reason, checks=test.checks)


def _booted(test: _Test, boot: Boot) -> tuple[Outcome, NoxPexError | None]:
    """One boot, and what went wrong with it, if anything did."""
    failure: NoxPexError | None = None
    notes = _Notes()
    error: NoxPexError | None = None
    try:
        _boot(test, boot, notes)
    except UnavailableError as unavailable:
        if test.smoke.skips == "fail":
            problem = f"{boot.condition}: skipped: {unavailable}"
            failure = NoxPexError("check-failed", problem, 'run it where it can be given, or set `skips = "report"`')
        return _skipped(test, boot, str(unavailable)), failure
    except NoxPexError as caught:
        error = caught
    if error is not None:
        problem, remedy = (test.secrets.mask(text) for text in (f"{boot.condition}: {error.problem}", error.remedy))
        failure = NoxPexError(error.code, problem, remedy, log=error.log or _tail(test, notes.logs))
    outcome = Outcome(
        condition=boot.condition,
        state="passed" if failure is None else "failed",
        reason=None if failure is None else failure.problem,
        checks=test.checks,
        ready_after=notes.ready_after,
        verdicts=tuple(_masked(verdict, test.secrets) for verdict in notes.verdicts),
        stop=notes.stop,
        memory=notes.memory,
    )
    return outcome, failure


def _boot(test: _Test, boot: Boot, notes: _Notes) -> None:
    directory = test.site.prepared(boot)
    if test.server is None:
        test.say(f"{boot.condition}: {'first run, to warm up' if boot.seed else 'running'} {test.name}")
        failed = _commands(test, boot, directory, notes)
        notes.ready_after = notes.verdicts[0].seconds
        if failed is not None:
            raise failed
    else:
        _boot_server(test, test.server, boot, directory, notes)
    _judge_logs(test, notes)


def _boot_server(test: _Test, server: Server, boot: Boot, directory: Path, notes: _Notes) -> None:
    if server.target.unix_socket is not None:
        server.target.unix_socket.unlink(missing_ok=True)  # an earlier boot that was killed left it
    if boot.condition != "offline":  # its network is a new one
        judge_free(server)
    test.say(f"{boot.condition}: {'first start, to warm up' if boot.seed else 'starting'} {test.name} on {server}")
    output = test.workspace.root / f"{boot.condition}{'-seed' if boot.seed else ''}.log"
    output.touch()
    notes.logs.append(output)
    launch = Launch(boot=boot, args=test.smoke.args, env=test.smoke.env, stdout=output)
    with _started(test, launch, notes) as program:
        server = replace(server, network=program.network)
        timeout = test.options.timeout or test.smoke.startup_timeout
        try:
            notes.ready_after = await_ready(
                program, server, timeout=timeout, say=lambda line: test.say(f"{boot.condition}: {line}")
            )
        except NoxPexError as error:
            raise test.site.explained(error, program) from error
        failed = None
        if test.options.serve:
            _served(test, program, output)
        elif not boot.seed:
            failed = _checked(test, program, notes) or _commands(test, boot, directory, notes, beside=program)
            judge_alive(program, "after the checks", within=test.smoke.soak if failed is None else 0.0)
        notes.stop, wrong = stop(
            program,
            with_signal=test.smoke.stop_signal,
            timeout=test.smoke.stop_timeout,
            exit_codes=test.smoke.stop_exit_codes,
        )
        first = failed or wrong
        if first is not None:
            raise first


@contextlib.contextmanager
def _started(test: _Test, launch: Launch, notes: _Notes, *, beside: Running | None = None) -> Iterator[Running]:
    """A running program; at the end nothing of it is left, and its memory is noted. Raises `UnavailableError`."""
    program = test.site.program(launch, beside=beside)
    try:
        with test.interrupts.held():
            program.start()
        yield program
    finally:
        with test.interrupts.held():
            peak = program.end()
        if peak is not None:
            notes.memory = max(notes.memory or 0, peak)


def _checked(test: _Test, program: Running, notes: _Notes) -> NoxPexError | None:
    """Asks for all that `http` and `tcp` demand. Returns the first demand that is not met; raises `crashed`."""
    failed: NoxPexError | None = None
    every: tuple[HttpCheck | TcpCheck, ...] = (*test.smoke.http, *test.smoke.tcp)
    for check in every:
        verdict = _asked(test, check, program) if isinstance(check, HttpCheck) else _connected(test, check, program)
        notes.verdicts.append(verdict)
        if not verdict.passed:
            judge_alive(program, f"while it was asked for {verdict.check}", within=_CRASH)
            failed = failed or _check_failed(verdict)
    return failed


def _asked(test: _Test, check: HttpCheck, program: Running) -> Verdict:
    tls = test.references.tls(check)
    answer = probe.ask(test.target, check, tls=tls, timeout=check.timeout, network=program.network)
    return checks.answered(check, answer, schema=test.references.schema(check))


def _connected(test: _Test, check: TcpCheck, program: Running) -> Verdict:
    host, port = test.target.host, int(check.port)
    started = time.monotonic()
    problem = probe.connect(host, port, timeout=_TCP_TIMEOUT, network=program.network)
    owner = program.owner(host, port) if problem is None else "nobody"
    if owner == "nobody" and program.attested:
        problem = problem or "a port that nothing in it listens on"
    if owner == "foreign":
        problem = f"{ports.holder(port)}, which is not the program under test"
    return Verdict(
        check=f"tcp {port}",
        passed=problem is None,
        expected="an open port",
        came=problem or "an open port",
        seconds=time.monotonic() - started,
    )


def _commands(
    test: _Test, boot: Boot, directory: Path, notes: _Notes, *, beside: Running | None = None
) -> NoxPexError | None:
    """Runs all commands, `beside` the server where there is one. Returns the first failure."""
    failed: NoxPexError | None = None
    for check in test.smoke.command:
        try:
            verdict, left = _ran(test, boot, directory, check, notes, beside=beside)
        except UnavailableError:
            if beside is not None:
                judge_alive(beside, "before a command was to run beside it", within=_CRASH)
            raise
        notes.verdicts.append(verdict)
        wrong = None if verdict.passed else _check_failed(verdict)
        if left and wrong is None:
            wrong = left_processes(verdict.check, left)
        if wrong is not None and failed is None:
            wrong.log = _tail(test, notes.logs[-2:])
            failed = wrong
    return failed


def _tail(test: _Test, logs: list[Path]) -> tuple[str, ...]:
    """The last lines of the last log that has any."""
    return next((lines for path in reversed(logs) if (lines := log.tail(path, test.secrets))), ())


def _ran(
    test: _Test, boot: Boot, directory: Path, check: CommandCheck, notes: _Notes, *, beside: Running | None
) -> tuple[Verdict, tuple[Member, ...]]:
    stem = directory / f"command-{len(notes.verdicts)}"
    stdin, stdout, stderr = (stem.with_suffix(suffix) for suffix in (".in", ".out", ".err"))
    stdin.write_text(check.stdin, encoding="utf-8")
    for stream in (stdout, stderr):
        stream.write_bytes(b"")
        notes.logs.append(stream)
    launch = Launch(
        boot=boot,
        args=check.args,
        env={**test.smoke.env, **check.env},
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
    )
    with _started(test, launch, notes, beside=beside) as program:
        ended = program.exited(within=check.timeout)
        seconds = (ended.at if ended else time.monotonic()) - program.started_at
        left = left_behind(program) if ended else ()
    printed = Printed(
        status=ended.status if ended else None, stdout=_read(stdout), stderr=_read(stderr), seconds=seconds
    )
    return checks.ran(check, printed, name=test.name), left


def _served(test: _Test, program: Running, output: Path) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        test.say(f"serving on {test.target}, log in {output}; Ctrl-C stops it")
        while program.exited(within=3600.0) is None:
            pass


def _judge_logs(test: _Test, notes: _Notes) -> None:
    for path in notes.logs:
        found = log.forbidden(path, test.smoke.log_forbid)
        if found is not None:
            problem = f"the log has a line that `log-forbid` {found[0]!r} matches: {checks.clipped(found[1])}"
            raise NoxPexError("log-forbidden", problem, "mend what it complains about, or change `log-forbid`")
    wanting = set(test.smoke.log_require)
    for path in notes.logs:
        wanting &= set(log.missing(path, test.smoke.log_require))
    for pattern in test.smoke.log_require:
        if pattern in wanting:
            problem = f"no line of the log matches `log-require` {pattern!r}"
            raise NoxPexError("log-missing", problem, "see its log, or change `log-require`")


def _check_failed(verdict: Verdict) -> NoxPexError:
    return NoxPexError("check-failed", str(verdict), "mend the program, or what the check expects")


def _with_secrets_of(smoke: Smoke, secrets: Secrets) -> Secrets:
    environments = (smoke.env, *(command.env for command in smoke.command))
    more = {value for env in environments for value in Secrets.of(env).values}
    return Secrets(values=tuple(sorted({*secrets.values, *more}, key=lambda value: (-len(value), value))))


def _masked(verdict: Verdict, secrets: Secrets) -> Verdict:
    return replace(
        verdict,
        check=secrets.mask(verdict.check),
        expected=secrets.mask(verdict.expected),
        came=secrets.mask(verdict.came),
    )


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_OUTPUT_LIMIT).decode(errors="replace")
