"""`smoke`: launch each binary from an empty directory and check its answers."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import structs

from nox_pex.distributions import pex_file
from nox_pex.distributions.pex_file import PexError
from nox_pex.errors import NoxPexError
from nox_pex.pex import build_record, circumstances, own_results
from nox_pex.pex.target import Target
from nox_pex.platforms import runs_here
from nox_pex.settings import parse
from nox_pex.settings.smoke import Smoke
from nox_pex.smoke import metrics, plan, python_options, report, workspace
from nox_pex.smoke import run as smoke_run
from nox_pex.smoke.plan import Options
from nox_pex.smoke.report import SmokeReport
from nox_pex.steps import parts
from nox_pex.steps.context import Context, shown_path
from nox_pex.steps.each_binary import each_binary, remove_results
from nox_pex.steps.outcome import Note
from nox_pex.system import files


def run(context: Context) -> None:
    """Launch each binary, check its answers, and write `NAME.smoke.json`, `NAME.smoke.xml` and `NAME.metrics.txt`.

    With `--serve` nothing is checked: no result is written, and that of an earlier run stays.
    Raises `NoxPexError` with the first failure, after all binaries.
    """
    context.check_prebuilt()

    def smoke(target: Target) -> None:
        if not parse.is_declared(context.project.document, target.name):
            plan.require_checks(target.table.smoke or Smoke(), name=target.name, undeclared=target.table.script)
        result, junit, log = (target.file(f"smoke.{ending}") for ending in ("json", "xml", "log"))
        numbers = target.file("metrics.txt")
        if not context.arguments.serve:
            remove_results(result, junit, log, numbers)
        _warn_of_ignored_variables(context, target)
        under = circumstances.of_smoke(target)  # before the test: a file that it reads may change meanwhile
        python, unavailable_reason = _python_for(context, target)
        found = smoke_run.run(
            target,
            environ=_with_python(context.environ, python),
            secrets=context.secrets,
            options=options(context),
            say=context.say,
            unavailable_reason=unavailable_reason,
        )
        if not context.arguments.serve:
            found = with_log(context, found, log)
            obtained = {**under.as_json(finished=dt.datetime.now(dt.UTC)), "overrides": overrides(context)}
            own_results.write(target, "smoke", report.json_text(found, obtained=obtained))
            files.write_text(junit, report.junit_text(found))
            files.write_text(numbers, metrics.metrics_text(found, distributions=_distributions(target, found)))
        file = shown_path(context, target.binary)
        context.journal.note(target.stem, Note(file=file, size=found.size, parts=parts.of_boots(found)))
        if found.failure is not None:
            raise found.failure

    each_binary(context, smoke)


def _distributions(target: Target, found: SmokeReport) -> int | None:
    """Return the number of distributions in the binary, from its build record; None if that is about another file."""
    record = build_record.read(target.binary.with_name(f"{target.binary.name}.json"))
    return len(record["distributions"]) if record.get("sha256") == found.sha256 else None


def options(context: Context) -> Options:
    """Return the options of a smoke test that the arguments give."""
    given = context.arguments
    return Options(only=given.only, keep=given.keep, serve=given.serve, timeout=given.timeout, port=given.port)


def overrides(context: Context) -> dict[str, str | float]:
    """Return the options of the command line that change a smoke test, by name, without those that were not given."""
    given = context.arguments
    found = {"only": given.only, "timeout": given.timeout, "port": given.port}
    return {name: value for name, value in found.items() if value is not None}


def with_log(context: Context, found: SmokeReport, file: Path) -> SmokeReport:
    """Write the whole log of a failure to `file`, if there is one. Return the report, whose failure names the file."""
    failure = found.failure
    if failure is None or not failure.whole_log:
        return found
    files.write_text(file, failure.whole_log)
    relative = os.path.relpath(file, context.invoked_from)
    shown = str(file) if relative.startswith(os.pardir) else relative
    return structs.replace(found, failure=failure.replaced(log_file=shown, whole_log=""))


def _warn_of_ignored_variables(context: Context, target: Target) -> None:
    """Show a line for each setting with variables that the binary's Python ignores."""
    options = python_options.of_binary(target.binary)
    if options is not None and target.table.smoke is not None:
        smoke = target.table.smoke
        for line in python_options.warnings(options, smoke, environ=context.environ, key=target.key):
            context.say(f"smoke: {line}")


def _with_python(environ: Mapping[str, str], python: Path | None) -> dict[str, str]:
    """Return `environ` with the directory of `python` in PATH, because Nox may have found it outside of PATH."""
    if python is None:
        return dict(environ)
    return {**environ, "PATH": os.pathsep.join([environ.get("PATH", os.defpath), str(python.parent)])}


def _python_for(context: Context, target: Target) -> tuple[Path | None, str | None]:
    """Return the Python that runs the binary on this machine, or None and the reason why there is none.

    Raises `NoxPexError` `launch-failed` if the binary is for other platforms, and does not exist or is not a PEX.
    """
    if not target.platforms:
        environment = context.environments[target.selection]
        # Finding a Python takes longer than reading it from the environment.
        return (environment.interpreter().executable if environment.usable else context.base.find()), None
    workspace.existing_binary(target.binary)
    try:
        info = pex_file.info(target.binary)
        python = runs_here.python_for(info, target.platforms, base=context.base, shell=context.provisioner.shell)
    except PexError as error:
        remedy = "build it again with `nox -s pex`, or give the path of another binary"
        raise NoxPexError("launch-failed", f"{target.binary} cannot be started: {error}", remedy) from error
    if python is not None:
        return python, None
    shown, more = target.platforms[:2], len(target.platforms) - 2
    names = " and ".join([*(platform.tag for platform in shown), *([f"{more} more"] if more > 0 else [])])
    return None, f"it is for {names}, and this machine has no such Python"
