"""Code that both front ends share: create the context of a project, and run a step for it."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nox_pex.distributions.interpreter import BasePython
from nox_pex.errors import NoxPexError
from nox_pex.project import pyproject
from nox_pex.settings import parse
from nox_pex.steps import arguments, needs, run_end, table, usable
from nox_pex.steps.context import Context, known_secrets, state_directory, wording
from nox_pex.steps.journal import JOURNAL, Place
from nox_pex.steps.table import Step
from nox_pex.system import locks, os_errors, outside_text, plain_paths
from nox_pex.system.environ import discovery_environ
from nox_pex.system.lazy import lazy
from nox_pex.system.messages import Say, mapped, skipped
from nox_pex.system.secrets import Secrets
from nox_pex.system.wording import either

if TYPE_CHECKING:
    import python_discovery

    from nox_pex.system import streams
else:
    python_discovery = lazy("python_discovery")  # slow, and only needed if a Python is named and not installed yet
    streams = lazy("nox_pex.system.streams")  # not needed by the steps that build

_CHATTY: Final = ("httpx2", "httpcore2", "asyncio")
"""Libraries that log every request. A front end that shows logs would show them all."""

_CONTEXTS: Final[dict[object, Context]] = {}
"""The contexts of this process, so that the steps of one run read a project's files once."""


@contextlib.contextmanager
def _masked(secrets: Callable[[], Secrets]) -> Iterator[None]:
    """Mask `secrets()` in a failure, before a front end shows it, and in any other exception that it shows."""
    try:
        yield
    except NoxPexError as error:
        raise error.masked(secrets().mask) from error
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            cause.args = tuple(secrets().mask(part) if isinstance(part, str) else part for part in cause.args)
            cause = cause.__cause__ or cause.__context__
        raise


def context_of(
    directory: Path,
    *,
    work: Path,
    python: str | None,
    suffix: str,
    missing: Callable[[str], Exception],
    posargs: Sequence[str],
    invoked_from: Path,
    say: Say,
    verbose: bool,
    parallel: bool = False,
    label: str = "",
    named: Callable[[str], str] = str,
) -> Context:
    """Return the context of the project in `directory`, which keeps its state and environments below `work`.

    `python` names the interpreter that the binaries are for, as in `nox.session`; None means the one that runs Nox. If
    no such Python exists when it is needed, `missing(python)` is raised. `posargs` are the user's arguments, with paths
    relative to `invoked_from`. `parallel` says that other projects are built at the same time. `label` is the project's
    name in those of its sessions, empty if it is the only one. `named` returns a message with the commands of this
    front end instead of `nox -s STEP`. Raises `NoxPexError`: `usage`, `disk-full` if `work` is not writable.
    """
    with _masked(lambda: known_secrets(os.environ, directory)):
        for chatty in _CHATTY:
            logging.getLogger(chatty).setLevel(logging.WARNING)
        run_end.watch(os.environ)
        root, environ = directory.resolve(), dict(os.environ)
        plain_paths.check_utf_8(root, what="the project")
        plain_paths.check_utf_8(work, what="Nox's environments")
        plain_paths.check_utf_8(Path(environ.get("NOX_PEX_CACHE_DIR", "")), what="NOX_PEX_CACHE_DIR")
        with os_errors.one_line("nox-pex", place=work):
            _ignore_in_git(work)
        key = (root, work, python, suffix, tuple(posargs), invoked_from, verbose, parallel, label)
        if (known := _CONTEXTS.get(key)) is not None and known.environ == environ:
            return known

        def mask(line: str) -> str:
            return context.secrets.mask(line)

        context = Context(
            root=root,
            state=state_directory(Path(os.path.realpath(work / ".cache")), root=root, suffix=suffix),
            base=_base(python, missing=missing),
            arguments=arguments.parse(posargs, invoked_from=invoked_from),
            environ=environ,
            say=mapped(say, lambda text: outside_text.message(mask(named(text)))),
            emit=lambda line: streams.write_line(mask(line), sys.stdout),
            verbose=verbose,
            parallel=parallel,
            suffix=suffix,
            invoked_from=invoked_from,
            label=label,
            journal=JOURNAL,
            named=named,
        )
        _CONTEXTS[key] = context
        return context


def find_problems(context: Context, steps: Collection[str]) -> tuple[NoxPexError, ...]:
    """Return everything that is wrong in the settings, or missing there for one of `steps`; secrets are masked."""
    with _masked(lambda: context.secrets):
        return tuple(error.masked(context.secrets.mask) for error in needs.find(context, steps))


def note_failure(error: NoxPexError, step: Step, directory: Path, *, label: str) -> None:
    """Report a failure of a session to the journal, if the step did not. The secrets in it are masked."""
    run_end.watch(os.environ)
    JOURNAL.failed(error, step.name, Place.of(directory.resolve(), os.environ, label=label))


def find_shared_files(context: Context, others: Iterable[Context]) -> tuple[NoxPexError, ...]:
    """Return an error for each binary whose files would replace those of a binary of another project."""
    return tuple(needs.shared_files(context, others))


def signs(context: Context) -> bool:
    """Whether the user names a signing key."""
    return needs.has_key(context)


def binary_names(directory: Path) -> tuple[str, ...]:
    """Return the names of the binaries of the project in `directory`; none if its settings cannot be read."""
    try:
        project = pyproject.read(directory.resolve())
        scripts = project.scripts or project.other_scripts
        read = parse.read(project.document, file=str(project.file), project_name=project.name, scripts=scripts)
    except (NoxPexError, OSError):
        return ()
    return tuple(read.settings.binary) if read.settings is not None else ()


def check_arguments(context: Context, run: Collection[Step]) -> None:
    """Raise `NoxPexError` `usage` with all arguments that no step of the `run` can use.

    If the run is not known, `run` is all steps.
    """
    if problems := tuple(usable.problems(context.arguments, run)):
        raise NoxPexError.together(problems)


def note_other_binaries(context: Context, others: Iterable[Context]) -> None:
    """Let the arguments name the binaries of the `others`, which are other projects of the noxfile."""
    for other in others if context.arguments.names else ():
        context.elsewhere.update(needs.names(other))


def perform(step: Step, context: Context) -> None:
    """Run `step`, or show that it is skipped because the user names a finished binary.

    Raises `NoxPexError`, with every secret masked.
    """
    if step.builds_binary and (reason := context.arguments.skip_build_reason) is not None:
        context.say(skipped(f"{step.name}: skipped, {reason} is used"))
        return
    place = Place.of(context.root, context.environ, label=context.label)
    with _guarded(step, context), context.journal.during(step.name, place, mask=wording(context)):
        if step.by_binary and context.arguments.names and not context.targets:
            named = either(context.arguments.names)
            context.say(skipped(f"{step.name}: skipped, {context.project.name or context.root.name} has no {named}"))
            return
        table.load(step).run(context)


def prepare(step: Step, context: Context) -> None:
    """Install what `step` needs, and do nothing else. Raises `NoxPexError`, with every secret masked."""
    if step.prepare:
        with _guarded(step, context):
            table.load(step).prepare(context)


@contextlib.contextmanager
def _guarded(step: Step, context: Context) -> Iterator[None]:
    """Keep `clean` out of the project while `step` runs, and mask the secrets in its failure."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_masked(lambda: context.secrets))
        stack.enter_context(os_errors.one_line(step.name, place=context.state))
        if not step.exclusive:
            waiting = f"{step.name}: waiting until another run has cleaned the project"
            stack.enter_context(locks.shared_lock(context.state, waiting=lambda: context.say(waiting)))
        yield


def _ignore_in_git(directory: Path) -> None:
    """Keep the directory of environments and state out of Git, as Nox does with the environments that it creates."""
    ignore = directory / ".gitignore"
    if not ignore.exists():
        directory.mkdir(parents=True, exist_ok=True)
        ignore.write_text("*\n", "utf-8")


def _base(python: str | None, *, missing: Callable[[str], Exception]) -> BasePython:
    """The Python of this name, found as Nox finds it; None means the one that runs this process."""
    if python is None:
        return BasePython(name=str(_this_python()), find=_this_python)

    def find() -> Path:
        found = python_discovery.get_interpreter(python, env=discovery_environ(os.environ))
        if found is None or found.executable is None:
            raise missing(python)
        return Path(found.executable)

    return BasePython(name=python, find=find)


@functools.cache
def _this_python() -> Path:
    return Path(sys.executable).resolve()
