"""The Nox front: `register()`, and sessions so thin that they only say which step runs in which environment."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import nox
import nox.registry
import nox.virtualenv

from nox_pex.errors import NoxPexError
from nox_pex.project import discovery
from nox_pex.steps import table
from nox_pex.steps.table import Step
from nox_pex.system.lazy import lazy
from nox_pex.system.supported import check_supported

if TYPE_CHECKING:
    from nox._options import NoxConfig

    from nox_pex.steps import frontend
    from nox_pex.steps.context import Context
else:
    frontend = lazy("nox_pex.steps.frontend")  # a noxfile that registers us is loaded for every `nox --list`

SessionName = Literal["install", "freeze", "pex", "smoke", "verify", "image", "platform", "cache-key", "clean"]


def register(
    *projects: str | os.PathLike[str],
    python: str | Sequence[str] | None = None,
    prefix: str = "",
    only: Sequence[SessionName] | None = None,
) -> None:
    """Register the sessions `install`, `freeze`, `pex`, `smoke`, `verify`, … for Poetry projects.

    `projects` are directories, or patterns such as `services/*`, from the noxfile's own, which is the default. With
    several, or a pattern, the sessions are `pex(api)`, `pex(worker)`, …, and `pex` runs them all. `python` is as in
    `nox.session`; a list makes `pex-3.11`, `pex-3.12`, …, and `pex` runs them all. `prefix` is put before every name.
    `only` keeps those sessions and what they need.
    Reads no file: settings are judged when a session runs. Ends Nox with one line, `error[usage]`, for an argument that
    cannot be used and for a name that the noxfile already has.
    """
    try:
        _register(projects, python=python, prefix=prefix, only=only)
    except NoxPexError as error:
        raise SystemExit(str(error)) from error


class _Named(NamedTuple):
    """A project, and what the names of its sessions have in parentheses (nothing, where it is the only one)."""

    directory: Path
    label: str

    def name(self, step: str, *, python: str = "") -> str:
        """The name of a session of it: `pex`, `pex-3.12`, `pex(api)`, `pex-3.12(api)`."""
        return f"{step}{f'-{python}' if python else ''}{f'({self.label})' if self.label else ''}"


def _register(
    projects: Sequence[str | os.PathLike[str]],
    *,
    python: str | Sequence[str] | None,
    prefix: str,
    only: Sequence[str] | None,
) -> None:
    named = _named(projects)
    taken = set(nox.registry.get())
    for step in table.with_needed(only):
        for project in named:
            _add_project(step, project, python=python, prefix=prefix, taken=taken)
        if named[0].label:
            each = [prefix + project.name(step.name) for project in named]
            _add(prefix + step.name, _umbrella(step, "project"), requires=each, taken=taken)


def _named(projects: Sequence[str | os.PathLike[str]]) -> Sequence[_Named]:
    if not projects:
        return (_Named(Path(), ""),)
    directories = discovery.find_projects(projects)
    if not discovery.names_several(projects):
        return (_Named(directories[0], ""),)
    return [_Named(directory, label) for directory, label in discovery.labels(directories).items()]


def _add_project(
    step: Step, project: _Named, *, python: str | Sequence[str] | None, prefix: str, taken: set[str]
) -> None:
    """Add one project's sessions for a step: literal ones, since Nox's `requires` knows no parameter."""
    if python is None or isinstance(python, str):
        after = [prefix + project.name(needed) for needed in step.after]
        session = _session(step, project.directory, suffix="")
        _add(prefix + project.name(step.name), session, python=python, requires=after, tags=[step.name], taken=taken)
        return
    for one in python:
        after = [prefix + project.name(needed, python=one) for needed in step.after]
        session = _session(step, project.directory, suffix=f"-py{one}")
        name = prefix + project.name(step.name, python=one)
        _add(name, session, python=one, requires=after, tags=[step.name], taken=taken)
    each = [prefix + project.name(step.name, python=one) for one in python]
    _add(prefix + project.name(step.name), _umbrella(step, "Python"), requires=each, taken=taken)


def _session(step: Step, directory: Path, *, suffix: str) -> Callable[[nox.Session], None]:
    def run(session: nox.Session) -> None:
        with _one_line_errors(session):
            _run(step, session, directory, suffix=suffix)

    run.__doc__ = step.help
    return run


def _umbrella(step: Step, each: str) -> Callable[[nox.Session], None]:
    def run(session: nox.Session) -> None:
        """Nothing is left to do: what it requires did it."""

    run.__doc__ = f"{step.help} For each {each}."
    return run


def _add(
    name: str,
    session: Callable[[nox.Session], None],
    *,
    requires: Sequence[str],
    taken: set[str],
    python: str | None = None,
    tags: Sequence[str] = (),
) -> None:
    if name in taken:
        remedy = 'give ours another name, as in nox_pex.register(prefix="ship-")'
        raise NoxPexError("usage", f"the noxfile already has a session {name!r}", remedy)
    taken.add(name)
    # The environments are made by us, under a lock and where a step needs one: Nox makes one for every session, and two
    # runs that start at once get in each other's way at it.
    decorate = nox.session(
        name=name,
        python=python,
        requires=requires,
        tags=tags,
        reuse_venv=True,
        venv_backend="none",
        default=False,
        allow_parallel=True,
    )
    decorate(session)


def _run(step: Step, session: nox.Session, directory: Path, *, suffix: str) -> None:
    """Run a step as Nox's flags have it."""
    context = _context(session, directory, suffix=suffix)
    flags, prebuilt = _flags(session), context.arguments.prebuilt_reason is not None
    if flags.install_only and not prebuilt:
        session.log(f"{step.name}: no more than what it needs is installed (--install-only)")
        if step.prepare:
            table.load(step).prepare(context)
        return
    if step.name == "install" and not prebuilt:
        if flags.no_install and (context.home / "pyvenv.cfg").exists():
            session.log("install: left as it is (--no-install)")
            return
        if flags.reuse_venv == "never":
            shutil.rmtree(context.home, ignore_errors=True)
    frontend.perform(step, context)


def _context(session: nox.Session, directory: Path, *, suffix: str) -> Context:
    check_supported()
    flags = _flags(session)
    if backend := flags.force_venv_backend:
        problem = f"{session.name} cannot run with --force-venv-backend {backend} (--no-venv is short for none)"
        remedy = "leave it out: Poetry must install into an environment that is ours alone"
        raise NoxPexError("usage", problem, remedy)
    return frontend.context_of(
        directory,
        work=session.env_dir.parent,
        python=session.python if isinstance(session.python, str) else None,
        suffix=suffix,
        missing=nox.virtualenv.InterpreterNotFound,  # a skip, or a failure under CI, as for any session
        posargs=session.posargs,
        invoked_from=Path(session.invoked_from),
        say=session.log,
        verbose=bool(flags.verbose),
        parallel=session.parallel,
    )


@contextmanager
def _one_line_errors(session: nox.Session) -> Iterator[None]:
    """Show a failure of ours as the end of the failed tool's output and one line."""
    try:
        yield
    except NoxPexError as error:
        *log, line = error.lines
        for before in log:
            session.log(before)
        session.error(line)


def _flags(session: nox.Session) -> NoxConfig:
    """The flags of this run of Nox, which has no public way to ask for them."""
    return session._runner.global_config  # noqa: SLF001
