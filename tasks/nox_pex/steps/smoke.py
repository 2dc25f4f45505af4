"""`smoke`: launch each binary from an empty directory and check its answers."""

from __future__ import annotations

import os
from pathlib import Path

from nox_pex.build.target import Target
from nox_pex.distributions import pex_file
from nox_pex.platforms import runs_here
from nox_pex.settings import parse
from nox_pex.settings.smoke import Smoke
from nox_pex.smoke import plan, report
from nox_pex.smoke import run as smoke_run
from nox_pex.smoke.plan import Options
from nox_pex.smoke.report import SmokeReport
from nox_pex.steps.context import Context
from nox_pex.steps.each_binary import each_binary
from nox_pex.system import files


def run(context: Context) -> None:
    """Launch each binary, check its answers, and write `NAME.smoke.json` and `NAME.smoke.xml`.

    Raises `NoxPexError` with the first failure, after all binaries have been tried.
    """
    context.check_prebuilt()

    def smoke(target: Target) -> None:
        if not parse.is_declared(context.project.document, target.name):
            plan.check(target.table.smoke or Smoke(), name=target.name, undeclared=target.table.script)
        result, junit = target.file("smoke.json"), target.file("smoke.xml")
        for old in (result, junit):
            old.unlink(missing_ok=True)  # an older result must not stand beside a test that is cut short
        python, cannot = _python_for(context, target)
        environ = dict(context.environ)
        if python is not None:  # Nox may have found it outside PATH
            environ["PATH"] = os.pathsep.join([environ.get("PATH", os.defpath), str(python.parent)])
        done = smoke_run.run(
            target,
            environ=environ,
            secrets=context.secrets,
            options=options(context),
            say=context.say,
            cannot=cannot,
        )
        files.write_text(result, report.json_text(done))
        files.write_text(junit, report.junit_text(done))
        show(context, done)

    each_binary(context, smoke)


def options(context: Context) -> Options:
    """The options of a smoke test that the arguments name."""
    given = context.arguments
    return Options(only=given.only, keep=given.keep, serve=given.serve, timeout=given.timeout, port=given.port)


def show(context: Context, done: SmokeReport) -> None:
    """Show the result of a smoke test, here or in a container; raise its failure."""
    for line in report.table(done):
        context.say(line)
    for line in report.github_lines(done, context.environ):
        context.emit(line)
    if done.failure is not None:
        raise done.failure


def _python_for(context: Context, target: Target) -> tuple[Path | None, str | None]:
    """The Python that runs the binary on this machine, or the reason why there is none."""
    if not target.platforms:
        home = context.environments[target.selection]
        # The environment knows its Python; to find one takes longer.
        return (home.interpreter().executable if home.usable else context.base.find()), None
    if not target.binary.exists():
        return None, None
    info = pex_file.info(target.binary)
    python = runs_here.python_for(info, target.platforms, base=context.base, shell=context.provisioner.shell)
    if python is not None:
        return python, None
    shown, more = target.platforms[:2], len(target.platforms) - 2
    names = " and ".join([*(platform.tag for platform in shown), *([f"{more} more"] if more > 0 else [])])
    return None, f"it is for {names}, and this machine has no such Python"
