"""`-- --help` in the Nox front end: the arguments of the sessions of this run, explained once."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import nox

from nox_pex import nox_queue, nox_screen
from nox_pex.screen import form as forms
from nox_pex.screen import width
from nox_pex.screen.lines import painted
from nox_pex.steps import frontend, help_text
from nox_pex.steps.table import Step
from nox_pex.system import outside_text, streams

_BOLD: Final = "1"


def explain(session: nox.Session, registered: Mapping[str, tuple[Step, Sequence[Path]]]) -> None:
    """Print the explanation for all sessions of this run that are `registered`, in the first of them.

    Each has a step, and the directories of its projects.
    A worker of `--parallel` knows only its own session, and explains that.
    """
    names = list(dict.fromkeys(name for name in nox_queue.all_of_run(session) if name in registered))
    if session.name != names[0]:
        return
    flags = nox_screen.flags_of(session)
    colour, forced = not flags.nocolor, flags.forcecolor
    form = forms.choose(sys.stdout, colour=colour, forced=forced, environ=os.environ, alone=False)
    binaries = _binaries([each for name in names for each in registered[name][1]])
    lines = help_text.lines(
        {name: registered[name][0] for name in names},
        binaries,
        width=width.of(sys.stdout, os.environ),
        bold=lambda text: painted(text, _BOLD, form),
    )
    streams.write_line("\n".join(lines), sys.stdout)


def _binaries(directories: Sequence[Path]) -> list[str]:
    """Return the names of the binaries of the projects, of as many as can be read."""
    names = dict.fromkeys(name for directory in directories for name in frontend.binary_names(directory))
    return [outside_text.shown(name) for name in names]
