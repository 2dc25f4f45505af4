"""The needs of a run in a project's settings, checked before its first expensive step: all problems at once."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nox_pex.errors import NoxPexError
from nox_pex.settings import parse
from nox_pex.settings.model import Binary
from nox_pex.settings.smoke import Smoke
from nox_pex.steps.arguments import require_one, select_binaries
from nox_pex.steps.context import Context
from nox_pex.steps.table import STEPS
from nox_pex.system import withheld
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    from nox_pex.evidence import keys
    from nox_pex.evidence.sbom import timestamp
    from nox_pex.image import run as image_run
    from nox_pex.project import suggestion
    from nox_pex.smoke import plan
else:
    keys = lazy("nox_pex.evidence.keys")  # only needed to sign
    timestamp = lazy("nox_pex.evidence.sbom.timestamp")  # only needed for `sbom`
    image_run = lazy("nox_pex.image.run")  # only needed for `image`
    suggestion = lazy("nox_pex.project.suggestion")  # only needed for an error
    plan = lazy("nox_pex.smoke.plan")  # only needed for `smoke` and `image`


def check(context: Context, steps: Collection[str]) -> None:
    """Raise `NoxPexError` with everything that is wrong in the settings, or missing there for one of `steps`."""
    if problems := find(context, steps):
        raise NoxPexError.together(problems)


def find(context: Context, steps: Collection[str]) -> tuple[NoxPexError, ...]:
    """Return everything that is wrong in the settings, or missing there for one of `steps`."""
    if not _reads_settings(context, steps):
        return ()
    try:
        reading = context.reading
    except NoxPexError as error:
        return (error,)
    binaries = {} if reading.settings is None else reading.settings.binary
    keyless = (*_parallel_key(context, steps), *(_unusable_key(context) if _signs(context, steps) else ()))
    if not reading.problems:
        try:
            selected = select_binaries(context.arguments, binaries, elsewhere=context.elsewhere)
            require_one(selected if "diff" in steps else ())
        except NoxPexError as error:
            return (error,)
        binaries = {name: binaries[name] for name in selected}
    unusable = _unusable(context, binaries) if reading.problems else {}
    variables = _wrong_variables(context) if "sbom" in steps else ()
    served = _served_together(context, binaries, steps)
    return (*reading.problems, *keyless, *served, *_missing(context, {**unusable, **binaries}, steps), *variables)


def _served_together(context: Context, binaries: Collection[str], steps: Collection[str]) -> Iterator[NoxPexError]:
    """Yield an error if several programs should run until Ctrl-C: the second would wait for the end of the first."""
    if context.arguments.serve and len(binaries) > 1 and {"smoke", "image"} & set(steps):
        problem = f"--serve leaves one program running, and there are {len(binaries)} binaries: {', '.join(binaries)}"
        yield NoxPexError("usage", problem, "name one of them, as in `-- NAME --serve`")


def _reads_settings(context: Context, steps: Collection[str]) -> bool:
    """Whether one of `steps` reads the project's settings.

    To compare two files that the user names, none does. `lock` checks the one setting that it reads itself, because a
    project is locked before it has settings.
    """
    given = context.arguments
    reading = [step for step in steps if step != "lock"]
    if given.binary is None or given.against is None:
        return bool(reading)
    return any(not _is_skipped(step) for step in reading)


def _is_skipped(step: str) -> bool:
    return step == "diff" or STEPS[step].builds_binary


def _wrong_variables(context: Context) -> Iterator[NoxPexError]:
    """Yield an error for each environment variable that `sbom` cannot use."""
    try:
        timestamp.chosen(context.environ)
    except NoxPexError as error:
        yield error


def names(context: Context) -> set[str]:
    """Return the names of the project's binaries, as many as can be read of settings that are wrong."""
    try:
        settings = context.reading.settings
        table = context.project.document.get("tool", {}).get("nox-pex", {})
    except NoxPexError:
        return set()
    declared = table.get("binary") if isinstance(table, dict) else None
    return {*(settings.binary if settings is not None else ()), *(declared if isinstance(declared, dict) else ())}


def shared_files(context: Context, others: Iterable[Context]) -> Iterator[NoxPexError]:
    """Yield an error for each binary whose files would replace those of a binary of another project.

    That can only be if `output-dir` is outside of the project.
    """
    own = _outputs(context)
    if all(directory.is_relative_to(context.root) for directory, _ in own):
        return
    for other in others:
        for place in own.keys() & _outputs(other).keys():
            where = context.reading.where("tool.nox-pex.output-dir")
            problem = f"{where}: the binary {own[place]!r} has the same files there as one of {other.root}"
            yield NoxPexError("config", problem, "rename one of them, or write another directory")


def has_key(context: Context) -> bool:
    """Whether the user names a signing key. In a worker of `--parallel`, the variable is only known to be there."""
    return context.arguments.key is not None or withheld.WITHHELD in context.environ


def _signs(context: Context, steps: Collection[str]) -> bool:
    """Whether one of `steps` signs statements if there is a key."""
    return "attest" in steps or ("push" in steps and not context.arguments.no_evidence)


def _parallel_key(context: Context, steps: Collection[str]) -> Iterator[NoxPexError]:
    """Yield an error if a step should sign in this run, and other sessions may run at the same time.

    A worker of `--parallel` knows one session only, so each of them refuses.
    """
    asked_for = context.environ.get(withheld.WITHHELD) == withheld.ASKED_FOR or context.arguments.key is not None
    if context.parallel and (asked_for or (_signs(context, steps) and has_key(context))):
        problem = "attest and push sign only if no other session runs at the same time, and --parallel is used"
        yield NoxPexError("usage", problem, "omit --parallel, or sign afterwards with `nox-pex sign`")


def _unusable_key(context: Context) -> Iterator[NoxPexError]:
    """Yield an error if no file with the signing key can be read. It does not name the file, which is not read yet.

    If the variable has the key itself, its form is checked.
    """
    named = str(context.arguments.key) if context.arguments.key is not None else withheld.value(withheld.KEY)
    if named is None:
        return
    if keys.is_pem(named):
        try:
            keys.check_form(named, withheld.value(withheld.PASSPHRASE))
        except NoxPexError as error:
            yield error
        return
    file = context.invoked_from / named
    try:
        mode, may_read = file.stat().st_mode, os.access(file, os.R_OK)
    except (OSError, ValueError):  # it does not exist; the name is too long, or has a null character
        yield NoxPexError("signing", "the file with the signing key does not exist", "correct the path of the key")
        return
    if not stat.S_ISREG(mode):
        yield NoxPexError("signing", "the signing key is not a regular file", "give the path of a key in PEM")
    elif not may_read:
        problem = "the file with the signing key cannot be read by this user"
        yield NoxPexError("signing", problem, "give the path of a key that this user can read")


def _outputs(context: Context) -> dict[tuple[Path, str], str]:
    """Return the name of each binary, by its directory and the name of its files in a form without case and dots."""
    try:
        settings = context.reading.settings
    except NoxPexError:
        return {}
    if settings is None:
        return {}
    directory = Path(os.path.realpath(context.root / settings.output_dir))
    return {(directory, f"{name}{context.suffix}".lower().replace(".", "-")): name for name in settings.binary}


def _unusable(context: Context, binaries: Collection[str]) -> dict[str, Binary]:
    """Return a stand-in for each binary of which the table is wrong as a whole, without smoke test and image."""
    table = context.project.document.get("tool", {}).get("nox-pex", {})
    declared = table.get("binary") if isinstance(table, dict) and "extends" not in table else None
    names = declared if isinstance(declared, dict) else {}
    return {
        name: Binary(script=name)
        for name, each in names.items()
        if name and name not in binaries and isinstance(each, dict) and not {"smoke", "image"} & each.keys()
    }


def _missing(context: Context, binaries: dict[str, Binary], steps: Collection[str]) -> Iterator[NoxPexError]:
    """Yield what the settings of `binaries` lack."""
    named = context.arguments.names
    sure = {name: table for name, table in binaries.items() if not _is_refused(context, name, "image")}
    with_image = {name for name, table in binaries.items() if table.image is not None}
    if "image" in steps and len(sure) == len(binaries):
        lacking = image_run.without_image(sure, with_image, named=named)
        if lacking is not None:
            yield image_run.missing_table(context.reading.where(_key(lacking)), _key(lacking))
    for name, table in binaries.items():
        tested = "smoke" in steps or ("image" in steps and name in with_image)
        if tested and not _is_refused(context, name, "smoke"):
            yield from _missing_checks(context, name, table)
        yield from _missing_files(context, name, table, steps)
        if "push" in steps and table.image is not None and not table.image.tag:
            place = context.reading.where(f"{_key(name)}.image")
            problem = f"{place}: it has no tag, so nobody knows where to push the image"
            yield NoxPexError("config", problem, f'add tag = ["registry.example/team/{name.lower()}:{{version}}"]')
        if "attest" in steps and table.layout != "zipapp" and context.arguments.binary is None:
            place = context.reading.where(f"{_key(name)}.layout")
            problem = f"{place}: {table.layout!r} makes a directory, and `attest` states what one file is"
            yield NoxPexError("config", problem, "remove layout, or name other binaries (`-- NAME`)")


def _missing_checks(context: Context, name: str, table: Binary) -> Iterator[NoxPexError]:
    declared = parse.is_declared(context.project.document, name)
    try:
        plan.require_checks(table.smoke or Smoke(), name=name, undeclared=None if declared else table.script)
    except NoxPexError as error:
        found = suggestion.suggest(context.project, name=name, given=_given(table) if declared else None)
        yield error.replaced(
            problem=f"{context.reading.where(_key(name))}: {error.problem}",
            remedy=f"paste the table above, or {error.remedy.removeprefix('paste ')}",
            paste=suggestion.to_paste(found),
        )


def _given(table: Binary) -> suggestion.Given:
    """Return what the suggestion for a binary without checks depends on."""
    args = (*table.inject_args, *(table.smoke.args if table.smoke is not None else ()))
    return suggestion.Given(entry=table.entry, args=args, has_smoke=table.smoke is not None)


def _missing_files(context: Context, name: str, table: Binary, steps: Collection[str]) -> Iterator[NoxPexError]:
    """Yield an error for each file that the settings name, one of `steps` reads, and that does not exist.

    Patterns are not checked: a session of the noxfile may make what they match.
    """
    for key, file in _named_files(context, table, steps):
        if not _exists(context.root / file):
            remedy = "correct the path, which is relative to the project's directory"
            if key.startswith("complete"):
                remedy = f"correct the path, or create the file on that platform: `nox -s platform > {file}`"
            place = context.reading.where(f"{_key(name)}.{key}")
            yield NoxPexError("source-missing", f"{place} names {file}, which does not exist in {context.root}", remedy)


def _named_files(context: Context, table: Binary, steps: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the key, below the binary's table, and the path of each file that one of `steps` reads."""
    if "install" in steps:
        yield from ((f"complete-platforms[{at}]", file) for at, file in enumerate(table.complete_platforms))
    if "pex" in steps and context.arguments.skip_build_reason is None and table.executable:
        yield "executable", table.executable
    if "image" in steps and table.image is not None and table.image.containerfile is not None:
        yield "image.containerfile", table.image.containerfile
    tested = table.smoke if {"smoke", "image"} & set(steps) else None
    for at, check in enumerate(tested.http if tested is not None else ()):
        named = {"json-schema": check.json_schema, "ca-file": check.ca_file}
        yield from ((f"smoke.http[{at}].{key}", file) for key, file in named.items() if file and "{" not in file)


def _exists(file: Path) -> bool:
    try:
        return file.is_file()
    except (OSError, ValueError):  # the name is too long, or has a null character
        return False


def _is_refused(context: Context, name: str, part: str) -> bool:
    """Whether a part of a binary's table is wrong, so that nobody knows what it would have been."""
    return any(path.startswith(f"{_key(name)}.{part}") for path in context.reading.refused)


def _key(name: str) -> str:
    return parse.binary_key(name)
