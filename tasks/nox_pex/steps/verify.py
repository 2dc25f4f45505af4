"""`verify`: check each finished binary at every gate."""

from __future__ import annotations

import datetime as dt
from contextlib import ExitStack

from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.pex import circumstances, own_results
from nox_pex.pex.target import Target
from nox_pex.poetry.install import Installer
from nox_pex.smoke.process.interrupts import Interrupts
from nox_pex.steps import parts
from nox_pex.steps.context import Context
from nox_pex.steps.each_binary import each_binary, remove_results
from nox_pex.steps.outcome import Note
from nox_pex.system import files
from nox_pex.verify import junit_report, report
from nox_pex.verify import run as verify_run
from nox_pex.verify.fresh_tools import fresh_tools


def run(context: Context) -> None:
    """Check each binary at the gates of `nox_pex.verify`, and write `NAME.verify.json` and `NAME.verify.xml`.

    Raises `NoxPexError` with the first failure, after all gates of all binaries.
    """
    context.check_prebuilt()
    interrupts = Interrupts()

    def verify(target: Target, installer: Installer | NoxPexError) -> None:
        junit = target.file("verify.xml")
        remove_results(target.file("verify.json"), junit)
        under = circumstances.of_verify(target)
        if isinstance(installer, NoxPexError):
            found = verify_run.not_run(target, installer)
        else:
            found = verify_run.run(
                target,
                environment=context.environments.get(target.selection),
                installer=installer,
                deep=context.arguments.deep,
                interrupts=interrupts,
            )
        finished = dt.datetime.now(dt.UTC)
        obtained = under.as_json(finished=finished)
        own_results.write(target, "verify", context.secrets.mask_json(report.json_text(found, obtained=obtained)))
        files.write_text(junit, junit_report.junit_text(found, now=finished, mask=context.secrets.mask))
        for line in report.table(found, mask=context.secrets.mask):
            context.say(line)
        context.journal.note(target.stem, Note(parts=parts.of_gates(found)))
        if found.failure is not None:
            raise found.failure

    with interrupts.installed(), ExitStack() as stack:
        installer = _installer_with_fresh_tools(context, stack)
        each_binary(context, lambda target: verify(target, installer))


def _installer_with_fresh_tools(context: Context, stack: ExitStack) -> Installer | NoxPexError:
    """Return the installer for the gates, or the error because of which there is none: a report must name it."""
    try:
        provisioner = context.provisioner
        fallbacks = (provisioner.caches.root, context.state)
        fresh = stack.enter_context(fresh_tools(provisioner, fallbacks=fallbacks))
        return replace(context.installer, provisioner=fresh)
    except NoxPexError as error:
        return error
