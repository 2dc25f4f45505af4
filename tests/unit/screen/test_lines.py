"""Messages as lines of a log, and of a terminal."""

from __future__ import annotations

import pytest

from nox_pex.screen import lines
from nox_pex.screen.form import Form
from nox_pex.system.messages import Line, Meaning, Row, changed, skipped, unchanged

COLOUR = Form(columns=True, colour=True)
PLAIN = Form(columns=True)


def test_a_log_has_the_text_alone() -> None:
    assert lines.of_log("pex: one") == "pex: one"
    assert lines.of_log(unchanged("install: unchanged")) == "install: unchanged"
    assert lines.of_log(Row(label="got", text="8")) == "got       8"
    assert lines.of_log(Row(label="", text="| more")) == "          | more"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pex: packing", "  pex       packing"),
        ("api | pex: packing", "  api | pex packing"),
        ("no label here", "  no label here"),
        ("http://127.0.0.1:8000 is open", "  http://127.0.0.1:8000 is open"),
        ("Upper: case", "  Upper: case"),
        ("cache-key: 12", "  cache-key 12"),
    ],
)
def test_a_terminal_has_the_step_in_a_column(text: str, shown: str) -> None:
    assert lines.of_terminal(text, PLAIN, width=80) == shown


def test_a_long_line_is_broken_between_words_below_its_text() -> None:
    text = "pex: " + " ".join(["word"] * 12)
    assert lines.of_terminal(text, PLAIN, width=50).split("\n") == [
        "  pex       word word word word word word word",
        "            word word word word word",
    ]
    assert "\n" not in lines.of_terminal(text, PLAIN, width=40)
    path = "pex: " + "x" * 100
    assert lines.of_terminal(path, PLAIN, width=50) == f"  pex       {'x' * 100}"


def test_a_text_in_columns_is_broken_below_its_last_column() -> None:
    line = Line(text="closure       passed     0.0 s  82 distributions, 82 of them expected", meaning="passed")
    assert lines.of_terminal(line, COLOUR, width=70).split("\n") == [
        "  closure       \x1b[32mpassed\x1b[0m     0.0 s  82 distributions, 82 of them",
        "                                  expected",
    ]


def test_lines_that_the_message_has_stay_as_they_are() -> None:
    text = "pex: add this:\n[tool.nox-pex]\nx = 1"
    assert lines.of_terminal(text, PLAIN, width=80) == "  pex       add this:\n[tool.nox-pex]\nx = 1"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (changed("pex: rebuilding"), "  pex       \x1b[36mrebuilding\x1b[0m"),
        (unchanged("pex: unchanged"), "  pex       \x1b[2munchanged\x1b[0m"),
        (skipped("image: api skipped, no image"), "  image     api \x1b[33mskipped\x1b[0m, no image"),
        (Line(text="cold passed in 2 s", meaning="passed"), "  cold \x1b[32mpassed\x1b[0m in 2 s"),
        (Line(text="error[leak]: a", meaning="failed"), "  \x1b[31merror[leak]: a\x1b[0m"),
        (Line(text="  | its output", meaning="program"), "  \x1b[2m  | its output\x1b[0m"),
    ],
)
def test_the_colour_says_the_meaning(message: Line, shown: str) -> None:
    assert lines.of_terminal(message, COLOUR, width=80) == shown
    assert "\x1b" not in lines.of_terminal(message, PLAIN, width=80)


def test_a_block_begins_after_an_empty_line_and_its_rows_are_never_broken() -> None:
    row = Row(label="FAILED", text="service, warm", meaning="failed")
    assert lines.of_terminal(row, COLOUR, width=80) == "\n  \x1b[1;31mFAILED   \x1b[0m \x1b[1mservice, warm\x1b[0m"
    by_hand = Row(label="by hand", text="x " * 100 + "y")
    assert lines.of_terminal(by_hand, PLAIN, width=60) == f"  by hand   {'x ' * 100}y"


def test_a_meaning_is_never_a_colour_alone() -> None:
    meanings: tuple[Meaning, ...] = ("passed", "failed", "skipped", "warned")
    for meaning in meanings:
        plain = lines.of_terminal(Line(text="the text", meaning=meaning), PLAIN, width=80)
        assert plain == "  the text"
