"""The progress of work, as a line of a log and as the live line of a terminal."""

from __future__ import annotations

import re

import pytest

from nox_pex.screen import progress
from nox_pex.screen.form import Form
from nox_pex.system.messages import Progress

PLAIN = Form(columns=True, live=True)
PACKING = Progress(work="pex: packing", current="celery", done=61, total=82)


def test_a_log_says_how_far_and_how_long() -> None:
    assert progress.of_log(PACKING, seconds=10.02) == "pex: packing, 61 of 82, celery … 10 s"
    assert progress.of_log(Progress(work="pex: build backend"), seconds=20) == "pex: build backend … 20 s"
    sending = Progress(work="push: sending", done=12_345_678, total=79_000_000, unit="B")
    assert progress.of_log(sending, seconds=30) == "push: sending, 12.3 of 79.0 MB … 30 s"


def test_a_terminal_has_the_step_the_item_the_count_a_bar_and_the_time() -> None:
    shown = progress.of_terminal(PACKING, PLAIN, seconds=1.94, width=80)
    assert re.fullmatch(r"  pex       packing celery +61 of 82 ━+╸? +1\.9 s", shown)
    assert len(shown) <= 79


def test_bytes_have_a_rate_once_it_says_something() -> None:
    sending = Progress(work="push: sending", done=12_000_000, total=79_000_000, unit="B")
    assert "MB/s" not in progress.of_terminal(sending, PLAIN, seconds=0.5, width=100)
    assert "4.0 MB/s" in progress.of_terminal(sending, PLAIN, seconds=3.0, width=100)


def test_minutes_are_said_as_such() -> None:
    shown = progress.of_terminal(Progress(work="verify: second build"), PLAIN, seconds=125, width=80)
    assert shown == "  verify    second build 2 min 05 s"


@pytest.mark.parametrize("width", [0, 10, 20, 40, 60, 80, 200, 10**9])
@pytest.mark.parametrize("done", [0, 61, 82, 90])
@pytest.mark.parametrize("current", ["celery", "x" * 300, "漢字" * 50, ""])
def test_the_line_never_fills_the_last_column(width: int, done: int, current: str) -> None:
    shown = progress.of_terminal(
        Progress(work="pex: packing", current=current, done=done, total=82), PLAIN, seconds=1.0, width=width
    )
    cells = sum(2 if ord(character) > 0x2E7F else 1 for character in shown)
    assert cells <= max(width - 1, 10)
    assert "\n" not in shown


def test_text_from_outside_is_no_markup() -> None:
    shown = progress.of_terminal(Progress(work="pex: packing", current="[red]x[/red]"), PLAIN, seconds=1, width=80)
    assert "[red]x[/red]" in shown


def test_colours_are_there_only_if_the_form_has_them() -> None:
    assert "\x1b[" not in progress.of_terminal(PACKING, PLAIN, seconds=1, width=80)
    assert "\x1b[36m" in progress.of_terminal(PACKING, Form(columns=True, live=True, colour=True), seconds=1, width=80)
