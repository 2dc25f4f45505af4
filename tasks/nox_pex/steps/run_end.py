"""The end of a run on GitHub Actions: its annotations, and its part of the summary of the job.

Both are made once for a run, when its process ends, so that they name each cause once. With `--parallel`, each session
runs in a process of its own: those leave their outcomes in a directory for the process that started them, which has
put the directory's name into the environment, and makes one summary of all.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nox_pex.system.lazy import lazy

if TYPE_CHECKING:
    import secrets
    import tempfile

    import msgspec

    from nox_pex import errors
    from nox_pex.steps import github, journal, outcome, summary, summary_file, table
    from nox_pex.steps.outcome import Outcome
    from nox_pex.system import files, outside_text, streams
else:
    secrets = lazy("secrets")  # these are only needed on GitHub
    tempfile = lazy("tempfile")
    msgspec = lazy("msgspec")
    errors = lazy("nox_pex.errors")
    github = lazy("nox_pex.steps.github")
    journal = lazy("nox_pex.steps.journal")
    outcome = lazy("nox_pex.steps.outcome")
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


_WATCHED: Final[list[Path]] = []
"""The directory for the outcomes of other processes, if the end of this process is watched."""


def watch(environ: MutableMapping[str, str]) -> None:
    """Finish the run when this process ends, if it runs on GitHub Actions. `environ` is that of the process."""
    if _WATCHED or not (environ.get(SUMMARY) or _is_on_github(environ)):
        return
    pid, _, directory = environ.get(_RUN, "").partition(":")
    is_worker = _WORKER in sys.argv and directory != "" and pid == str(os.getppid())
    if not is_worker:
        directory = str(Path(tempfile.gettempdir(), f"nox-pex-{secrets.token_hex(16)}"))
        environ[_RUN] = f"{os.getpid()}:{directory}"
    _WATCHED.append(Path(directory))
    atexit.register(deliver if is_worker else finish, Path(directory), dict(environ))


def deliver(directory: Path, environ: Mapping[str, str]) -> None:
    """Leave the outcomes of this process in `directory`. If that fails, it finishes the run by itself."""
    outcomes = journal.JOURNAL.outcomes
    if not outcomes:
        return
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        files.write_bytes(directory / f"{os.getpid()}.json", msgspec.json.encode(outcomes))
    except (OSError, UnicodeError):
        report(outcomes, environ)


def finish(directory: Path, environ: Mapping[str, str]) -> None:
    """Make the annotations and the summary of this process, and of those that left their outcomes in `directory`."""
    left = sorted(_left(directory), key=_position)
    if directory.is_dir():
        files.remove(directory)
    if outcomes := (*journal.JOURNAL.outcomes, *left):
        report(outcomes, environ)


def report(outcomes: Sequence[Outcome], environ: Mapping[str, str]) -> None:
    """Print the annotations of `outcomes`, and append their summary to the file that `environ` names.

    A file that cannot be written to is one line of warning, and no failure.
    """
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


def _is_on_github(environ: Mapping[str, str]) -> bool:
    return environ.get("GITHUB_ACTIONS") == "true"


def _left(directory: Path) -> Iterator[Outcome]:
    """Yield the outcomes in `directory`, as `deliver` wrote them."""
    if not directory.is_dir():
        return
    for file in sorted(directory.glob("*.json"))[:_MOST_FILES]:
        with contextlib.suppress(OSError, ValueError, RecursionError):
            yield from msgspec.json.decode(files.read_bytes(file), type=list[outcome.Outcome])


def _position(found: Outcome) -> tuple[str, str, int]:
    """Return the position of an outcome among those of several processes: by project, binary and step."""
    order = list(table.STEPS)
    return found.project, found.binary, order.index(found.step) if found.step in order else len(order)
