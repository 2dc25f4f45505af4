"""`diff`: compare a binary with an older one, or with the previous build.

If the user names both files, nothing is read from the project: then there need not be one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from concurrent import futures
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from nox_pex.contents import previous, read, text
from nox_pex.contents.as_json import as_json
from nox_pex.contents.compare import compare
from nox_pex.contents.difference import Difference, GroupChange
from nox_pex.contents.markdown import markdown
from nox_pex.errors import NoxPexError
from nox_pex.pex.target import Target
from nox_pex.steps.arguments import require_one
from nox_pex.steps.context import Context, wording
from nox_pex.steps.each_binary import remove_results
from nox_pex.steps.outcome import Note
from nox_pex.system import files, os_errors, outside_text
from nox_pex.system.messages import warned
from nox_pex.system.secrets import Secrets
from nox_pex.system.wording import size_change, size_text

_MOST_NAMED: Final = 3
"""Groups that the error of `--max-growth` names."""


class _Task(Struct, frozen=True, kw_only=True):
    """A comparison: the binary, its name, the files that are written, and the file with its smoke result.

    `old` is the file to compare with; None for the previous build of `target`. `project` is the normalized name of the
    project, if it is packaged and known. `shown_from` is the directory from which paths are shown.
    """

    new: Path
    name: str
    outputs: tuple[Path, Path]
    smoke: Path
    old: Path | None
    target: Target | None = None
    project: str = ""
    shown_from: Path


def run(context: Context) -> None:
    """Compare one binary with `--against`, or with its previous build, and write `NAME.diff.json` and `NAME.diff.md`.

    Raises `NoxPexError`: `usage` if it is not clear which binary is meant, or a file does not exist, `integrity` if a
    file is not a PEX, `budget` if it grew by more than `--max-growth`.
    """
    started = time.monotonic()
    task = _task(context)
    remove_results(*task.outputs)
    difference = _compare(task, context.secrets)
    if difference is None:
        context.say(f"diff: no previous build of {task.name} is known here, so there is nothing to compare with")
        context.say("diff: compare with any file: `nox -s diff -- --against OLD.pex`")
        if context.arguments.max_growth is not None:
            context.say(warned("diff: warning: --max-growth is not checked"))
        return
    json_file, markdown_file = task.outputs
    as_markdown = markdown(difference)
    first, *rows = text.lines(difference, more=_shown(context, markdown_file))
    context.say(replace(first, text=f"diff: {first.text}"))
    for row in rows:
        context.say(row)
    value = as_json(difference, name=task.name, max_growth=context.arguments.max_growth)
    with os_errors.writing(str(json_file), place=json_file.parent):
        files.write_text(json_file, context.secrets.mask_json(outside_text.json_text(value)))
        files.write_text(markdown_file, context.secrets.mask(as_markdown))
    context.say(f"diff: written to {_shown(context, json_file)} and {_shown(context, markdown_file)}")
    error = _budget_error(difference, context.arguments.max_growth)
    stem = task.name if task.target is None else task.target.stem
    context.journal.note(stem, Note(section=as_markdown))
    context.journal.ended(stem, error=error, mask=wording(context), seconds=time.monotonic() - started)
    if error is not None:
        raise error


def _task(context: Context) -> _Task:
    new, old = context.arguments.binary, context.arguments.against
    if new is not None and old is not None:
        endings = ("diff.json", "diff.md")
        return _Task(
            new=new,
            name=new.name.removesuffix(".pex"),
            outputs=(read.beside(new, endings[0]), read.beside(new, endings[1])),
            smoke=read.beside(new, "smoke.json"),
            old=old,
            shown_from=context.invoked_from,
        )
    require_one([target.name for target in context.targets])
    (target,) = context.targets
    return _Task(
        new=target.binary,
        name=target.name,
        outputs=(target.file("diff.json"), target.file("diff.md")),
        smoke=target.file("smoke.json"),
        old=old,
        target=target,
        project=target.project.name if target.project.package_mode else "",
        shown_from=context.invoked_from,
    )


def _compare(task: _Task, secrets: Secrets) -> Difference | None:
    """Return the difference, with secrets masked; None if no previous build is known."""
    if task.old is not None:
        with futures.ThreadPoolExecutor(2) as pool:
            reading = pool.submit(read.read, task.new, smoke=task.smoke)
            old, new = pool.submit(read.read, task.old).result(), reading.result()
        if old.file == new.file:  # the user must see which one is which
            old, new = (
                replace(each, file=os.path.relpath(path, task.shown_from))
                for each, path in ((old, task.old), (new, task.new))
            )
        return compare(old, new, project=task.project, mask=secrets.mask)
    new = read.read(task.new, digests=False, smoke=task.smoke)
    before = previous.read(task.target, sha256=new.sha256) if task.target is not None else None
    if before is None:
        return None
    return compare(before, new, baseline="previous-build", project=task.project, mask=secrets.mask)


def _shown(context: Context, file: Path) -> str:
    """Return a path as the user sees it: from the project's directory, if it is below that."""
    return os.path.relpath(file, context.root) if file.is_relative_to(context.root) else str(file)


def _budget_error(difference: Difference, limit: int | None) -> NoxPexError | None:
    growth = difference.size.growth
    if limit is None or growth <= limit:
        return None
    grown = sorted((each for each in difference.groups if each.stored.growth > 0), key=lambda each: -each.stored.growth)
    most = ", ".join(f"{_named(each)} {size_change(each.stored.growth)}" for each in grown[:_MOST_NAMED])
    problem = (
        f"{difference.new.file} grew by {growth:,} bytes ({size_text(growth)}), "
        f"over --max-growth of {limit:,} bytes{f'; most: {most}' if most else ''}"
    )
    subject = f"{difference.new.file}: size"
    return NoxPexError("budget", problem, "find out why it grew, or raise --max-growth", subject=subject)


def _named(change: GroupChange) -> str:
    names: Mapping[Any, str] = {"own": "own code", "runtime": "pex's runtime"}
    name = text.cut(change.name) if change.kind == "distribution" else names[change.kind]
    return f"{name} ({change.change})" if change.change == "added" else name
