"""`report`: write one page about each binary, of everything that is known of exactly this file, and their index.

Nothing is run or built. The page shows the results that other steps have left in `dist`, whatever ran before.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from nox_pex.contents import previous, read
from nox_pex.contents.compare import compare
from nox_pex.contents.difference import Difference
from nox_pex.contents.model import BinaryContents
from nox_pex.distributions import pex_file
from nox_pex.distributions.pex_file import PexError
from nox_pex.errors import NoxPexError
from nox_pex.evidence.sbom import compose
from nox_pex.evidence.sbom.compose import Built
from nox_pex.page import gather, mark, reasons, render, rows
from nox_pex.page.gather import File, Inside
from nox_pex.page.mark import Mark
from nox_pex.page.model import Outcome, Verdict
from nox_pex.page.shown_distributions import Declarations
from nox_pex.pex import build_record
from nox_pex.pex.target import Target
from nox_pex.steps import built_file, indexes, judging
from nox_pex.steps.context import Context, shown_path
from nox_pex.steps.each_binary import each_binary
from nox_pex.system import files, os_errors
from nox_pex.system.messages import Line, Meaning

_MEANINGS: dict[Outcome, Meaning] = {
    "passed": "passed",
    "failed": "failed",
    "incomplete": "warned",
    "not-run": "skipped",
}


def run(context: Context) -> None:
    """Write `NAME.html` for each binary, and `index.html` if there are several.

    Raises `NoxPexError`: `usage` if a file does not exist, or is needed and not named; `integrity` if `--against` names
    a file that is no PEX. A binary that is damaged, or that failed, has a page that says so.
    """
    context.check_prebuilt()
    if context.arguments.against is not None:
        _require_one(context)
    try:
        each_binary(context, lambda target: _report(context, target))
    finally:
        for line in indexes.write(context):
            context.say(line)


def _require_one(context: Context) -> None:
    """Raise `NoxPexError` `usage` if one older file is given for several binaries."""
    names = [target.name for target in context.targets]
    if len(names) > 1:
        problem = f"--against names one file, and there are {len(names)} binaries: {', '.join(names)}"
        raise NoxPexError("usage", problem, "name its binary too, as in `-- NAME --against OLD.pex`")


def _report(context: Context, target: Target) -> None:
    output = target.file("html")
    files.require_replaceable(output)
    file, inside = _read(context, target)
    fingerprint = rows.fingerprint(target, sha256=file.sha256)
    results = gather.read_results(target, file)
    page = gather.page(
        target,
        file,
        results,
        inside,
        sessions=judging.sessions(context, target),
        judgement=judging.judgement(context, target, results),
        mask=context.secrets.mask,
    )
    text = mark.marked(render.page(page), Mark(kind="report", digest=fingerprint))
    with os_errors.writing(str(output), place=output.parent):
        files.write_text(output, text)
    context.say(_line(target.name, page.verdict, _shown(context, output)))


def _shown(context: Context, file: Path) -> str:
    """Return a path as the user sees it: from where the run was started, if it is below that, or from the project."""
    shown = shown_path(context, file)
    return os.path.relpath(file, context.root) if shown.startswith(os.pardir) else shown


def _line(name: str, verdict: Verdict, shown: str) -> Line:
    said = {"not-run": "not run", "incomplete": "not complete"}.get(verdict.outcome, verdict.outcome)
    return Line(text=f"report: {name} {said}: {verdict.reason} ({shown})", meaning=_MEANINGS[verdict.outcome])


def _read(context: Context, target: Target) -> tuple[File, Inside | None]:
    """Read the binary. If it is there and no PEX, or damaged, that is what its page says.

    Raises `NoxPexError`: `usage` if it does not exist, or is neither a file nor a directory.
    """
    binary = target.binary
    against = context.arguments.against
    old = read.read(against) if against is not None else None
    try:
        smoke = target.file("smoke.json")
        contents, found = read.read_with_metadata(binary, digests=old is not None, smoke=smoke)
    except NoxPexError as error:
        if error.code != "integrity":
            raise
        return _unreadable(target, error), None
    built = None
    with contextlib.suppress(NoxPexError):  # nothing is installed
        built = built_file.facts(context, target, found, open_scies=False)
    file = File(
        sha256=found.sha256,
        size=found.size,
        is_directory=found.is_directory,
        record=built_file.record_about(target, sha256=found.sha256),
        note=_note(target, found.sha256),
    )
    locked = built_file.lock_of(target)
    difference, baseline = _difference(target, contents, old, mask=context.secrets.mask)
    inside = Inside(
        bill=compose.compose(target, found, built=built, lock=locked, file=binary.name, timestamp=""),
        contents=contents,
        declared=_declared(target, built),
        difference=difference,
        baseline=baseline,
    )
    return file, inside


def _unreadable(target: Target, error: NoxPexError) -> File:
    """Return a file that cannot be read as a PEX, with the reason; raise `error` if it has no digest."""
    try:
        sha256, size = pex_file.digest(target.binary), files.size(target.binary)
    except (OSError, PexError):
        raise error from None
    if not sha256:
        raise error
    place = str(target.binary.parent) + os.sep
    return File(
        sha256=sha256,
        size=size,
        is_directory=target.binary.is_dir(),
        record=built_file.record_about(target, sha256=sha256),
        problem=error.problem.removeprefix(place),
        note=_note(target, sha256),
    )


def _note(target: Target, sha256: str) -> str:
    """Return what is odd about the build record of a file; empty if nothing is."""
    if not built_file.record_about(target, sha256=sha256):
        return "no build record describes exactly this file; build it with `pex` to have one"
    if build_record.of_last_build(target, sha256=sha256):
        return ""
    return "its build record comes from elsewhere, and this page takes its word; run `pex` to build the file here"


def _declared(target: Target, built: Built | None) -> Declarations:
    project = target.project
    if built is None:
        return Declarations(project=project.name)
    names = reasons.declared(project, built.contents.selection)
    return Declarations(project=project.name, names=names, lock=built.lock)


def _difference(
    target: Target, contents: BinaryContents, old: BinaryContents | None, *, mask: Callable[[str], str]
) -> tuple[Difference | None, str]:
    """Return what differs from the file that the user names, or from the previous build; or why there is nothing."""
    project = target.project.name if target.project.package_mode else ""
    if old is not None:
        return compare(old, contents, project=project, mask=mask), ""
    before = previous.read(target, sha256=contents.sha256)
    if before is None:
        return None, "no earlier build with other content is known here; `-- --against OLD.pex` compares with any file"
    return compare(before, contents, baseline="previous-build", project=project, mask=mask), ""
