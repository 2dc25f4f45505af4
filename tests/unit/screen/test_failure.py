"""A failure as a block."""

from __future__ import annotations

from nox_pex.errors import NoxPexError
from nox_pex.screen import failure
from nox_pex.system.messages import Line, Row


def test_the_block_ends_in_the_error_itself_which_is_said_once() -> None:
    error = NoxPexError("leak", "it leaks", "stop it", log=("one",), subject="api", by_hand="./api.pex")
    assert list(failure.messages(error, subject="pex")) == [
        Row(label="FAILED", text="api", meaning="failed"),
        Row(label="its log", text="| one", meaning="program"),
        Row(label="by hand", text="./api.pex"),
        Row(label="see", text="https://nox-pex.readthedocs.io/en/latest/errors.html#leak", meaning="program"),
        Line(text="error[leak]: it leaks; stop it", meaning="failed"),
    ]
