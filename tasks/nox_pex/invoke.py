"""The Invoke front end: `from nox_pex.invoke import ns` in a `tasks.py`, or a `collection()` for each project.

Needs Invoke (`nox-pex[invoke]`). The tasks do the same work as the sessions of Nox, and use the same directories.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import Task

from nox_pex.system import import_path

with import_path.without():
    from nox_pex.errors import NoxPexError
    from nox_pex.screen import failure
    from nox_pex.screen import form as forms
    from nox_pex.screen.screen import Screen
    from nox_pex.steps import run_end, table
    from nox_pex.steps.arguments import OPTIONS, Option
    from nox_pex.steps.table import Step
    from nox_pex.system import streams, withheld
    from nox_pex.system.lazy import lazy
    from nox_pex.system.supported import check_supported

if TYPE_CHECKING:
    from nox_pex.steps import frontend
else:
    frontend = lazy("nox_pex.steps.frontend")  # slow, and every `inv --list` loads this module

__all__ = ["collection", "ns"]


_CONFIGURATION: Final = "nox-pex"


_NAME: Final = Option("name", "work on this binary only; may be given several times", "NAME")


def collection(
    project: str | os.PathLike[str] = ".", *, python: str | Sequence[str] | None = None, state: str = ".nox"
) -> Collection:
    """Return the tasks `install`, `freeze`, `pex`, `smoke`, `verify`, … for the Poetry project in `project`.

    - `project` is a directory, relative to that of `tasks.py`.
    - `python` is as in `nox_pex.register`: with a list, each task runs for each Python.
    - `state` is the directory for environments and state, relative to that of `tasks.py`. The default is that of Nox.

    Invoke's configuration can override all three arguments, under `nox-pex`. A task that fails raises `invoke.Exit`.
    """
    withheld.withhold()  # before any task of the user
    tasks = Collection()
    for step in table.STEPS.values():
        tasks.add_task(_Task(_body(step), name=step.name, help=_help(step), iterable=[_NAME.name]))
    pythons = python if python is None or isinstance(python, str) else list(python)
    tasks.configure({_CONFIGURATION: {"project": os.fspath(project), "python": pythons, "state": state}})
    return tasks


class _Task(Task[Any]):
    """A task that is equal only to itself.

    Invoke compares tasks by name and code, and runs equal ones once: of `inv api.pex worker.pex`, only the first.
    """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Task) and self.body is other.body

    def __hash__(self) -> int:
        return hash(self.body)


def _options(step: Step) -> Sequence[Option]:
    names = table.options(step)
    options = [option for option in OPTIONS if option.name in names]
    return [_NAME, *options] if step.by_binary else options


def _help(step: Step) -> dict[str, str]:
    return {option.name: option.help for option in _options(step)}


def _body(step: Step) -> Any:
    """The function of a step's task. Its parameters are the options."""

    def body(context: Context, **given: Any) -> None:
        with import_path.without(_directory(context)), _screen().opened():
            failures = list(_failures(step, context, posargs=list(_posargs(step, given))))
        if failures:
            show = _screen().say
            *others, last = failures
            for message in (each for error in others for each in failure.messages(error, subject=step.name)):
                show(message)
            for row in failure.rows(last, subject=step.name):
                show(row)
            raise Exit(str(last), code=1)

    body.__doc__ = step.help
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    given = [
        inspect.Parameter(
            option.name.replace("-", "_"), inspect.Parameter.KEYWORD_ONLY, default=None if option.value else False
        )
        for option in _options(step)
    ]
    body.__signature__ = inspect.Signature([context, *given])  # type: ignore[attr-defined]  # Invoke reads it
    return body


def _posargs(step: Step, given: dict[str, Any]) -> Iterator[str]:
    """The arguments that a user of Nox would write after `--`, so that both front ends have one grammar."""
    for option in _options(step):
        value = given[option.name.replace("-", "_")]
        if option is _NAME:
            yield from value
        elif option.value and value is not None:
            yield f"--{option.name}={value}"
        elif value:
            yield f"--{option.name}"


def _failures(step: Step, context: Context, *, posargs: Sequence[str]) -> Iterator[NoxPexError]:
    """Run `step`, after the steps that it needs, for each Python, and yield the failures.

    A failure for one Python does not stop the others.
    """
    configured = context.config[_CONFIGURATION]
    here = _directory(context)
    python: str | Sequence[str] | None = configured["python"]
    for one in [python] if python is None or isinstance(python, str) else python:
        try:
            check_supported()
            project = frontend.context_of(
                here / configured["project"],
                work=here / configured["state"],
                python=one,
                suffix="" if one is None or python is one else table.suffix_of(one),
                missing=_missing,
                posargs=posargs,
                invoked_from=Path.cwd(),
                say=_screen().say,
                verbose=bool(context.config.run.echo),
                named=table.for_invoke,
            )
            needed_steps = table.with_needed([step.name])
            if problems := frontend.find_problems(project, [needed.name for needed in needed_steps]):
                raise NoxPexError.together(problems)  # the failure of this Python, as any other
            project.steps.update(needed.name for needed in needed_steps)
            if step.surveys:
                project.surroundings.commands = {name: f"inv {name}" for name in table.STEPS}
            for needed in needed_steps:
                frontend.perform(needed, project)
        except NoxPexError as error:
            named = error.masked(table.for_invoke)
            frontend.note_failure(named, step, here / configured["project"], label="")
            yield named


def _directory(context: Context) -> Path:
    """The directory of `tasks.py`."""
    return Path(context.config._project_prefix or Path.cwd())  # noqa: SLF001  # Invoke has no public way to ask


def _missing(python: str) -> NoxPexError:
    remedy = "install it, or name another one (`python` in the configuration, under nox-pex)"
    return NoxPexError("python-mismatch", f"there is no Python {python} on this machine", remedy)


@functools.cache
def _screen() -> Screen:
    """The screen of this process. Scripts read only the standard output, so its lines go to the standard error."""
    colour, forced = forms.colour_of(os.environ)
    form = forms.choose(sys.stderr, colour=colour, forced=forced, environ=os.environ, alone=True)
    run_end.note_form(form)
    return Screen(form, write=lambda line: streams.show_line(line, sys.stderr), stream=sys.stderr)


ns: Collection = collection()
"""The tasks for the project in the directory of `tasks.py`."""
