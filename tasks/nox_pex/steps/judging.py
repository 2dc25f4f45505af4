"""The parts of a verdict that need the project and the run: the policy for licences, and the sessions to run."""

from __future__ import annotations

import os
import shlex

from nox_pex.errors import NoxPexError
from nox_pex.evidence.sbom.policy import Policy
from nox_pex.page import bill_file
from nox_pex.page.commands import Sessions
from nox_pex.page.gather import Judgement, Results
from nox_pex.pex.target import Target
from nox_pex.steps import sbom, table
from nox_pex.steps.context import Context


def judgement(context: Context, target: Target, results: Results) -> Judgement:
    """Return whether the bill of materials is that of today, and which licences in it are not allowed."""
    bill = results.papers.bill
    if bill.standing != "current":
        return Judgement()
    try:
        is_current = sbom.is_current(context, target)
    except (NoxPexError, OSError):
        is_current = False
    if is_current:  # `sbom` has checked the licences
        return Judgement(is_bill_current=True)
    settings = context.settings.sbom
    rules = Policy(allow=settings.allow_licenses, deny=settings.deny_licenses)
    return Judgement(refused=bill_file.refused(bill, rules, project=target.project.name))


def sessions(context: Context, target: Target) -> Sessions:
    """Return how the user runs steps for this binary: by the sessions that the noxfile has, or by Invoke."""
    around = context.surroundings
    commands = around.commands if around.commands is not None else {step: f"nox -s {step}" for step in table.STEPS}
    place = around.directory or context.root
    of_invoke = any(command.startswith("inv ") for command in commands.values())
    words = [target.name] if target.prebuilt is not None or len(context.all_targets) > 1 else []
    words = [f"--name={word}" if of_invoke else word for word in words]
    if target.prebuilt is not None:
        words.append(f"--binary={os.path.relpath(target.prebuilt, place)}")
    arguments = f"{'' if of_invoke else ' --'} {shlex.join(words)}" if words else ""
    where = "the directory of the tasks.py" if of_invoke else "the directory of the noxfile"
    return Sessions(commands=commands, arguments=arguments, where=where)
