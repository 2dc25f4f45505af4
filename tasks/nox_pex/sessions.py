"""The Nox front end: `register()`, and the sessions, each of which runs one step as the flags of Nox say."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import nox
import nox.registry
import nox.virtualenv

from nox_pex import nox_queue, register_arguments
from nox_pex.errors import NoxPexError
from nox_pex.required_session import RequiredSession
from nox_pex.steps import table
from nox_pex.steps.table import Step
from nox_pex.system import import_path, withheld
from nox_pex.system.lazy import lazy
from nox_pex.system.supported import check_supported

if TYPE_CHECKING:
    from nox_pex import nox_help, nox_screen
    from nox_pex.project import discovery
    from nox_pex.steps import arguments, frontend, run_end
    from nox_pex.steps.context import Context
    from nox_pex.system import files, wording
else:
    nox_help = lazy("nox_pex.nox_help")  # only needed for `-- --help`
    nox_screen = lazy("nox_pex.nox_screen")  # only needed if a session runs
    discovery = lazy("nox_pex.project.discovery")  # only needed if the noxfile names projects
    run_end = lazy("nox_pex.steps.run_end")  # only needed for --parallel
    files = lazy("nox_pex.system.files")  # only needed for `nox -r=never`
    wording = lazy("nox_pex.system.wording")  # only needed for an error
    arguments = lazy("nox_pex.steps.arguments")  # only needed if a session runs
    frontend = lazy("nox_pex.steps.frontend")  # slow, and every `nox --list` loads this module

SessionName = Literal[
    "install", "freeze", "pex", "smoke", "verify", "sbom", "attest", "image", "push", "report", "diff",
    "platform", "cache-key", "clean", "lock",
]  # fmt: skip


def register(
    *projects: str | os.PathLike[str],
    python: str | Sequence[str] | None = None,
    prefix: str = "",
    only: Sequence[SessionName] | None = None,
    requires: Sequence[str] = (),
) -> None:
    """Register the sessions `install`, `freeze`, `pex`, `smoke`, `verify`, … for Poetry projects.

    - `projects` are directories, or patterns such as `services/*`, relative to the noxfile. The default is the
      noxfile's directory. With several projects, or a pattern, the sessions are `pex(api)`, `pex(worker)`, …, and `pex`
      runs them all.
    - `python` is as in `nox.session`. With a list, the sessions are `pex-3.11`, `pex-3.12`, …, and `pex` runs them all.
    - `prefix` is put before every name.
    - `only` names the sessions to register, with those that they need.
    - `requires` names sessions of the noxfile that run before `pex`, such as a front-end build. They get no `prefix`,
      and `{python}` in a name is the Python of the `pex`, as in `nox.session`. They may be defined after this call.

    Reads no settings: they are checked when a session runs. Raises `SystemExit` with one line, `error[usage]`, if an
    argument cannot be used, or if the noxfile already has a session of the same name. Only `lock`, `push`, `report` and
    `diff` may be there already: the noxfile's own stays.
    """
    withheld.withhold()
    if _is_parallel(sys.argv):
        run_end.watch(os.environ, parallel=True)  # here, because this process runs no session
    try:
        _register(projects, python=python, prefix=prefix, only=only, requires=requires)
        signing = [prefix + step.name for step in table.STEPS.values() if step.signs]
        signing += [name for name, each in _REGISTERED.items() if each.step.signs]
        withheld.note_signing(signing, argv=sys.argv)
    except NoxPexError as error:
        raise SystemExit(str(error)) from error


class _NamedProject(NamedTuple):
    """A project, and its label in the names of its sessions (empty if it is the only one)."""

    directory: Path
    label: str

    def name(self, step: str, *, python: str = "") -> str:
        """Return the name of a session of this project: `pex`, `pex-3.12`, `pex(api)`, `pex-3.12(api)`."""
        return f"{step}{f'-{python}' if python else ''}{f'({self.label})' if self.label else ''}"


def _register(
    projects: Sequence[str | os.PathLike[str]],
    *,
    python: str | Sequence[str] | None,
    prefix: str,
    only: Sequence[str] | None,
    requires: Sequence[str],
) -> None:
    register_arguments.check_types(projects, python=python, prefix=prefix)
    register_arguments.check_names("only", () if only is None else only)
    register_arguments.check_names("requires", requires)
    named = _named(projects)
    existing = set(nox.registry.get())
    yielding = {name for name, step in table.STEPS.items() if step.yields and prefix + name in existing}
    _YIELDED.update(f"{prefix}{name}" for name in yielding)
    before_pex = [] if _is_given(sys.argv, "--binary") else [RequiredSession(name) for name in requires]
    for step in table.with_needed(only):
        if step.name in yielding:
            continue
        before = before_pex if step.name == "pex" else []
        for project in named:
            _LABELS[project.directory], _PREFIXES[project.directory] = project.label, prefix
            _add_project(step, project, python=python, prefix=prefix, before=before, existing=existing)
        if named[0].label:
            each = [prefix + project.name(step.name) for project in named]
            _EXPLAINED[prefix + step.name] = (step, tuple(project.directory for project in named))
            _add(prefix + step.name, _group(step, "project"), requires=each, existing=existing)


def _is_parallel(argv: Sequence[str]) -> bool:
    """Whether the flags of Nox ask for several sessions at a time."""
    flags = argv[: argv.index("--")] if "--" in argv else argv
    return any(flag.startswith(("-j", "--parallel")) and flag != "--parallel-worker" for flag in flags)


def _is_given(argv: Sequence[str], *options: str) -> bool:
    """Whether one of the options is among the arguments after `--` of this run of Nox: then it needs fewer sessions.

    Nox builds its queue before a session of ours could skip anything, and gives a noxfile no other way to see the
    arguments by then.
    """
    posargs = argv[argv.index("--") :] if "--" in argv else ()
    return any(argument.partition("=")[0] in options for argument in posargs)


def _named(projects: Sequence[str | os.PathLike[str]]) -> Sequence[_NamedProject]:
    if not projects:
        return (_NamedProject(Path(), ""),)
    directories = discovery.find_projects(projects)
    if not discovery.names_several(projects):
        return (_NamedProject(directories[0], ""),)
    return [_NamedProject(directory, label) for directory, label in discovery.labels(directories).items()]


def _add_project(
    step: Step,
    project: _NamedProject,
    *,
    python: str | Sequence[str] | None,
    prefix: str,
    before: Sequence[str],
    existing: set[str],
) -> None:
    """Add one project's sessions for a step, one for each Python. `before` names other sessions that they require.

    They are separate sessions, not parametrized ones, because Nox's `requires` cannot name a parameter.
    """
    if python is None or isinstance(python, str):
        after = [prefix + project.name(needed) for needed in step.after]
        session, name = _session(step, project.directory, suffix=""), prefix + project.name(step.name)
        _REGISTERED[name] = _Ours(step, project.directory, "")
        _EXPLAINED[name] = (step, (project.directory,))
        _add(name, session, python=python, requires=[*after, *before], tags=[step.name], existing=existing)
        return
    for one in python:
        after = [prefix + project.name(needed, python=one) for needed in step.after]
        session = _session(step, project.directory, suffix=table.suffix_of(one))
        name = prefix + project.name(step.name, python=one)
        _REGISTERED[name] = _Ours(step, project.directory, table.suffix_of(one))
        _EXPLAINED[name] = (step, (project.directory,))
        _add(name, session, python=one, requires=[*after, *before], tags=[step.name], existing=existing)
    _EXPLAINED[prefix + project.name(step.name)] = (step, (project.directory,))
    each = [prefix + project.name(step.name, python=one) for one in python]
    _add(prefix + project.name(step.name), _group(step, "Python"), requires=each, existing=existing)


class _Ours(NamedTuple):
    """A registered session: its step, and its project's directory with the suffix of its files."""

    step: Step
    directory: Path
    suffix: str


_REGISTERED: Final[dict[str, _Ours]] = {}
"""The sessions of nox-pex by their names, to recognise them in Nox's queue."""


_EXPLAINED: Final[dict[str, tuple[Step, tuple[Path, ...]]]] = {}
"""The step of each session of nox-pex, also of those that only require others, and the directories of its projects."""


_LABELS: Final[dict[Path, str]] = {}
"""The labels of the registered projects, by directory."""


_PREFIXES: Final[dict[Path, str]] = {}
"""The prefixes of the names of the sessions, by the directory of their project."""


_YIELDED: Final[set[str]] = set()
"""The names of sessions of the noxfile that stay, although nox-pex has sessions of these names."""


_HELP: Final = ("--help", "-h")
"""The options with which a session only explains its arguments, and so requires no other."""


_SHOWN: Final[set[object]] = set()
"""The problems of other projects that were shown, each with its project."""


def _session(step: Step, directory: Path, *, suffix: str) -> Callable[[nox.Session], None]:
    def run(session: nox.Session) -> None:
        with import_path.without(directory, session.invoked_from), nox_screen.one_line_errors(session):
            check_supported()
            if arguments.asks_for_help(session.posargs):
                nox_help.explain(session, _EXPLAINED)
                return
            with nox_screen.screen_of(session).opened(), _reported(step, directory):
                _run(step, session, directory, suffix=suffix)

    run.__doc__ = step.help
    return run


@contextmanager
def _reported(step: Step, directory: Path) -> Iterator[None]:
    """Report each failure of the block to the journal of the run. It names the sessions as they are registered."""
    try:
        yield
    except NoxPexError as error:
        named = error.masked(lambda text: table.with_prefix(text, _PREFIXES.get(directory, "")))
        frontend.note_failure(named, step, directory, label=_LABELS.get(directory, ""))
        raise named from error


def _group(step: Step, each: str) -> Callable[[nox.Session], None]:
    """Return a session that only requires others: those of `step` for each project, or for each Python (`each`)."""

    def run(session: nox.Session) -> None:
        """Do nothing but explain the arguments: the sessions that this one requires do the work."""
        with import_path.without(session.invoked_from):
            if arguments.asks_for_help(session.posargs):
                nox_help.explain(session, _EXPLAINED)

    run.__doc__ = f"{step.help} For each {each}."
    return run


def _add(
    name: str,
    session: Callable[[nox.Session], None],
    *,
    requires: Sequence[str],
    existing: set[str],
    python: str | None = None,
    tags: Sequence[str] = (),
) -> None:
    if name in existing:
        remedy = 'use another name for those of nox-pex, as in nox_pex.register(prefix="ship-")'
        raise NoxPexError("usage", f"the noxfile already has a session {name!r}", remedy)
    existing.add(name)
    # nox-pex creates the environments itself, under a lock and only if a step needs one. Nox would create one for every
    # session, and two runs at the same time would conflict.
    decorate = nox.session(
        name=name,
        python=python,
        requires=[] if _is_given(sys.argv, *_HELP) else requires,
        tags=tags,
        reuse_venv=True,
        venv_backend="none",
        default=False,
        allow_parallel=True,
    )
    decorate(session)


def _run(step: Step, session: nox.Session, directory: Path, *, suffix: str) -> None:
    """Run a step, or the part of it that the flags of Nox ask for."""
    context = _context(session, directory, suffix=suffix)
    while _YIELDED:
        context.say(f"the session {_YIELDED.pop()!r} is the noxfile's own: that of nox-pex needs register(prefix=…)")
    flags, prebuilt = nox_screen.flags_of(session), context.arguments.skip_build_reason is not None
    _check_needs(session, context, _Ours(step, directory, suffix))
    if flags.install_only and not prebuilt:
        context.steps.clear()
        context.say(f"{step.name}: only what it needs is installed (--install-only)")
        frontend.prepare(step, context)
        return
    if step.name == "install" and not prebuilt:
        if flags.no_install and (context.home / "pyvenv.cfg").exists():
            context.say("install: skipped, --no-install is used")
            return
        if flags.reuse_venv == "never":
            files.remove(context.home)
    frontend.perform(step, context)


def _check_needs(session: nox.Session, context: Context, own: _Ours) -> None:
    """Raise `NoxPexError` for what is wrong in the settings, or missing there for a session of this run.

    Sessions that must run last are moved to the end of Nox's queue. The problems of the other projects of the run are
    only shown, each once: their own sessions fail.
    """
    before = nox_queue.postpone(session, _rank)
    run = [own, *_registered(nox_queue.waiting(session))]
    every = [each.step for each in _registered(nox_queue.all_of_run(session))]
    frontend.check_arguments(context, table.STEPS.values() if session.parallel else every)
    if own.step.signs and before and frontend.signs(context):
        nox_queue.run_later(session, before)
    projects = dict.fromkeys(each._replace(step=own.step) for each in run)
    found = {each: _problems(session, context, each, run, own=own) for each in projects}
    later = [each.step.name for each in run[1:] if each[1:] == own[1:]]
    context.steps.update([own.step.name, *later])
    context.later.clear()
    context.later.update(later)
    _show_once(context, [problem for each, problems in found.items() if each != own for problem in problems])
    if problems := (*found[own], *frontend.find_shared_files(context, _other_contexts(session, own))):
        raise NoxPexError.together(problems)
    if own.step.surveys:
        _survey(session, context, own)


def _registered(names: Iterable[str]) -> list[_Ours]:
    """Return the sessions of nox-pex among the sessions with these names."""
    return [_REGISTERED[name] for name in names if name in _REGISTERED]


def _survey(session: nox.Session, context: Context, own: _Ours) -> None:
    """Tell a step the names of the sessions of its project, and all projects of the noxfile."""
    around = context.surroundings
    around.directory = Path.cwd()  # Nox changes to the directory of the noxfile
    names = {each.step.name: name for name, each in _REGISTERED.items() if each[1:] == own[1:]}
    around.commands = {step: f"nox -s {shlex.quote(name)}" for step, name in names.items()}
    every = dict.fromkeys(each[1:] for each in _REGISTERED.values())
    around.contexts = tuple(_context(session, directory, suffix=suffix) for directory, suffix in every)


def _other_contexts(session: nox.Session, own: _Ours) -> Iterator[Context]:
    """Yield the contexts of all other projects of the noxfile."""
    of_others = {each[1:]: each for each in _REGISTERED.values() if each.directory != own.directory}
    return (_context(session, each.directory, suffix=each.suffix) for each in of_others.values())


def _is_last(name: str) -> bool:
    return name in _REGISTERED and _REGISTERED[name].step.last


def _rank(name: str) -> int | None:
    """Return the position among the sessions that run last, in the order of the table; None for all others."""
    return list(table.STEPS).index(_REGISTERED[name].step.name) if _is_last(name) else None


def _show_once(context: Context, problems: Sequence[NoxPexError]) -> None:
    """Show problems of other projects. Those of the arguments are left out: they may be about another project."""
    for problem in problems:
        line = f"also: {problem.problem}; {problem.remedy}"
        if problem.code != "usage" and line not in _SHOWN:
            _SHOWN.add(line)
            context.say(line)


def _problems(
    session: nox.Session, context: Context, project: _Ours, run: Sequence[_Ours], *, own: _Ours
) -> tuple[NoxPexError, ...]:
    """Return the problems of one project of the `run`; `context` is that of the project of the session, `own`."""
    steps = {each.step.name for each in run if each[1:] == project[1:]}
    if nox_screen.flags_of(session).install_only:
        steps -= {"smoke", "image"}
    there = context if project == own else _context(session, project.directory, suffix=project.suffix)
    frontend.note_other_binaries(there, _other_contexts(session, project))
    return frontend.find_problems(there, steps)


def _context(session: nox.Session, directory: Path, *, suffix: str) -> Context:
    flags = nox_screen.flags_of(session)
    if backend := flags.force_venv_backend:
        problem = f"{session.name} cannot run with --force-venv-backend {backend} (--no-venv means none)"
        remedy = "remove the flag: Poetry must install into a private environment"
        raise NoxPexError("usage", problem, remedy)
    return frontend.context_of(
        directory,
        work=session.env_dir.parent,
        python=session.python if isinstance(session.python, str) else None,
        suffix=suffix,
        missing=nox.virtualenv.InterpreterNotFound,  # a skip, or a failure under CI, as for any session
        posargs=session.posargs,
        invoked_from=Path(session.invoked_from),
        say=nox_screen.screen_of(session).say,
        verbose=bool(flags.verbose),
        parallel=session.parallel,
        label=_LABELS.get(directory, ""),
        named=lambda text: table.with_prefix(text, _PREFIXES.get(directory, "")),
    )
