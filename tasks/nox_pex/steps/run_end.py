"""The end of a run: the table of its binaries, and on GitHub Actions its annotations and its part of the summary.

All of it is made once for a run, when its process ends, so that it names each cause once. With `--parallel`, each
session runs in a process of its own: those leave their outcomes in a directory for the process that started them, which
has put the directory's name into the environment, and makes one end of all.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nox_pex.system import import_path
from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import tempfile

    import msgspec
    from msgspec import structs

    from nox_pex import errors
    from nox_pex.page import masking
    from nox_pex.screen import form as forms
    from nox_pex.screen import width
    from nox_pex.screen.form import Form
    from nox_pex.steps import github, journal, outcome, outcome_table, summary, summary_file, table
    from nox_pex.steps.outcome import Outcome
    from nox_pex.system import files, outside_text, streams
else:
    tempfile = lazy("tempfile")  # these are only needed at the end, and on GitHub
    msgspec = lazy("msgspec")
    structs = lazy("msgspec.structs")
    errors = lazy("nox_pex.errors")
    masking = lazy("nox_pex.page.masking")
    github = lazy("nox_pex.steps.github")
    forms = lazy("nox_pex.screen.form")
    width = lazy("nox_pex.screen.width")
    journal = lazy("nox_pex.steps.journal")
    outcome = lazy("nox_pex.steps.outcome")
    outcome_table = lazy("nox_pex.steps.outcome_table")
    summary = lazy("nox_pex.steps.summary")
    summary_file = lazy("nox_pex.steps.summary_file")
    table = lazy("nox_pex.steps.table")
    files = lazy("nox_pex.system.files")
    outside_text = lazy("nox_pex.system.outside_text")
    streams = lazy("nox_pex.system.streams")

SUMMARY: Final = "GITHUB_STEP_SUMMARY"


_RUN: Final = "NOX_PEX_RUN"
"""The variable for the processes of `--parallel`: the number of the process that started them, and the directory."""


_WORKER: Final = "--parallel-worker"
"""The flag with which Nox starts a process for one session."""


_MOST_FILES: Final = 10_000
"""The files that are read from the directory, which other programs of the same user may write to."""


_MOST_BYTES: Final = 64 << 20
"""The bytes of all these files that are read."""


_WATCHED: Final[list[Path | None]] = []
"""The directory for the outcomes of other processes, if the end of this process is watched; None if it needs none."""


_FORM: Final[list[Form]] = []
"""The form of the lines of this run, if a session has begun."""


def watch(environ: MutableMapping[str, str], *, parallel: bool = False) -> None:
    """Finish the run when this process ends. `environ` is that of the process.

    `parallel`: the sessions of the run have processes of their own.
    """
    if _WATCHED:
        return
    pid, _, directory = environ.get(_RUN, "").partition(":")
    is_worker = _WORKER in sys.argv and directory != "" and pid == str(os.getppid())
    if not is_worker:
        directory = ""
        if parallel or environ.get(SUMMARY) or _is_on_github(environ):
            directory = str(Path(tempfile.gettempdir(), f"nox-pex-{os.urandom(16).hex()}"))
            environ[_RUN] = f"{os.getpid()}:{directory}"
    place = Path(directory) if directory else None
    _WATCHED.append(place)
    if is_worker:
        atexit.register(_guarded, deliver, Path(directory), dict(environ), time.monotonic())
    else:
        atexit.register(_guarded, finish, place, dict(environ), time.monotonic())


def _guarded(end: Callable[..., None], *arguments: Any) -> None:
    """Call `end`, and import nothing from the directory of the noxfile."""
    with import_path.without():
        end(*arguments)


def note_form(form: Form) -> None:
    """Note the form of the lines of this run, which the table has too."""
    _FORM[:] = [form]


def deliver(directory: Path, environ: Mapping[str, str], started: float) -> None:
    """Leave the outcomes of this process in `directory`. If that fails, it finishes the run by itself."""
    outcomes = journal.JOURNAL.outcomes
    if not outcomes:
        return
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        if not _is_private(directory):
            raise PermissionError
        files.write_bytes(directory / f"{os.getpid()}.json", msgspec.json.encode(outcomes))
    except (OSError, UnicodeError):
        report(outcomes, environ, seconds=time.monotonic() - started)


def finish(directory: Path | None, environ: Mapping[str, str], started: float) -> None:
    """Make the end of the run of this process, and of those that left their outcomes in `directory`.

    `started` is the time at which the run began, on the monotonic clock.
    """
    left: list[Outcome] = []
    if directory is not None and _is_private(directory):
        left = sorted(_left(directory), key=_position)
        files.remove(directory)
    if outcomes := (*journal.JOURNAL.outcomes, *left):
        report(outcomes, environ, seconds=time.monotonic() - started)


def report(outcomes: Sequence[Outcome], environ: Mapping[str, str], *, seconds: float) -> None:
    """Show the table of `outcomes`, print their annotations, and append their summary to the file in `environ`.

    A file that cannot be written to is one line of warning, and no failure.
    """
    if len({(each.project, each.binary) for each in outcomes}) > 1:
        form, columns = _shape(environ)
        if form.columns:
            streams.show_line("", sys.stderr)
        for line in outcome_table.lines(outcomes, form, width=columns, seconds=seconds):
            streams.show_line(line, sys.stderr)
    if _is_on_github(environ):
        with contextlib.suppress(errors.NoxPexError):  # nobody reads the standard output
            for line in github.commands(outcomes):
                streams.write_line(line, sys.stdout)
    if not environ.get(SUMMARY):
        return
    try:
        summary_file.append(Path(environ[SUMMARY]), lambda limit: summary.markdown(outcomes, limit=limit))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        line = f"nox-pex: warning: the summary of the job is not written: {environ[SUMMARY]}: {reason}"
        streams.show_line(outside_text.shown(line), sys.stderr)


def _shape(environ: Mapping[str, str]) -> tuple[Form, int | None]:
    """Return the form of the table, and the columns of the terminal; None if a log shows it."""
    colour, forced = forms.colour_of(environ)
    form = _FORM[0] if _FORM else forms.choose(sys.stderr, colour=colour, forced=forced, environ=environ, alone=True)
    return form, width.of(sys.stderr, environ) if form.columns else None


def _is_on_github(environ: Mapping[str, str]) -> bool:
    return environ.get("GITHUB_ACTIONS") == "true"


def _is_private(directory: Path) -> bool:
    """Whether this is a directory, and no link to one, of this user, in which nobody else may write."""
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _left(directory: Path) -> Iterator[Outcome]:
    """Yield the outcomes in `directory`, as `deliver` wrote them.

    Every program of this run knows the directory and may write there, so their texts are escaped once more.
    """
    room = _MOST_BYTES
    for file in sorted(directory.glob("*.json"))[:_MOST_FILES]:
        with contextlib.suppress(OSError, ValueError, RecursionError):
            content = files.read_bytes(file)
            room -= len(content)
            if room < 0:
                return
            yield from map(_escaped, msgspec.json.decode(content, type=list[outcome.Outcome]))


def _escaped(found: Outcome) -> Outcome:
    """Return an outcome whose texts are as `Outcome` says; only its Markdown has lines."""
    section = "\n".join(map(outside_text.shown, found.section.split("\n")))
    return structs.replace(masking.masked(found, outside_text.shown), section=section)


def _position(found: Outcome) -> tuple[str, str, int]:
    """Return the position of an outcome among those of several processes: by project, binary and step."""
    order = list(table.STEPS)
    return found.project, found.binary, order.index(found.step) if found.step in order else len(order)
