"""The screen of the Nox front end: what a session shows goes to Nox's log, or to the terminal."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import nox
from nox.logger import logger

from nox_pex.errors import NoxPexError
from nox_pex.screen import failure
from nox_pex.screen import form as forms
from nox_pex.screen.form import Form
from nox_pex.screen.screen import Screen
from nox_pex.steps import run_end

if TYPE_CHECKING:
    from nox._options import NoxConfig

_SCREENS: Final[dict[Form, Screen]] = {}
"""The screen of this process, so that all sessions share one live line."""


def screen_of(session: nox.Session) -> Screen:
    """Return the screen for the flags of this run of Nox, and for its environment."""
    flags = flags_of(session)
    form = forms.choose(
        sys.stderr,
        colour=not flags.nocolor,
        forced=flags.forcecolor,
        environ=os.environ,
        alone=not session.parallel,
    )
    run_end.note_form(form)
    if form not in _SCREENS:
        _SCREENS[form] = Screen(form, write=logger.info, stream=sys.stderr)
    return _SCREENS[form]


@contextlib.contextmanager
def one_line_errors(session: nox.Session) -> Iterator[None]:
    """Show a `NoxPexError` as a block, and end the session with its line."""
    try:
        yield
    except NoxPexError as error:
        show = screen_of(session).say
        for row in failure.rows(error, subject=session.name):
            show(row)
        session.error(str(error))


def flags_of(session: nox.Session) -> NoxConfig:
    """Return the flags of this run of Nox."""
    return session._runner.global_config  # noqa: SLF001  # Nox has no public way to ask
