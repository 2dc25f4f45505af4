"""Error codes, the form of a message, and the document that lists them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from nox_pex.errors import CODES, Code, NoxPexError

DOCUMENT = Path(__file__).parents[2] / "docs" / "errors.md"


def test_an_error_is_one_line_with_the_code_the_problem_and_the_remedy() -> None:
    error = NoxPexError("no-lock", "there is no poetry.lock", "run `poetry lock`", log=("one", "two"))
    assert str(error) == "error[no-lock]: there is no poetry.lock; run `poetry lock`"
    assert (error.code, error.problem, error.log) == ("no-lock", "there is no poetry.lock", ("one", "two"))


def test_text_from_outside_in_an_error_cannot_begin_a_line_or_be_a_command() -> None:
    error = NoxPexError("leak", "a file is a\nerror[x]: b\x1b[0m", "see ##[error]x", log=("::error::x\tcaf\udce9\x0b",))
    assert error.lines == (
        "  | :\\:error::x      caf\\xe9\\x0b",
        r"error[leak]: a file is a\nerror[x]: b\x1b[0m; see #\#[error]x",
    )


def test_the_line_to_paste_comes_last_before_the_error_without_secrets() -> None:
    other = NoxPexError("config", "b", "c")
    error = NoxPexError("crashed", "it ended", "see its log", log=("x",), by_hand="run s3cret\nnow", others=(other,))
    masked = NoxPexError.together([error.masked(lambda text: text.replace("s3cret", "****")), other])
    assert masked.lines == (
        "  | x",
        "also: b; c",
        "also: b; c",
        r"by hand: run ****\nnow",
        "error[crashed]: it ended; see its log",
    )


def test_the_block_has_what_failed_why_its_log_and_the_page() -> None:
    error = NoxPexError(
        *("check-failed", "a", "b"),
        subject="service, warm: GET /",
        rows=(("expected", "200"), ("got", "s3cret\n")),
        log=("one", "two"),
        by_hand="./service.pex",
    )
    masked = error.masked(lambda text: text.replace("s3cret", "****"))
    assert masked.block("smoke") == (
        ("FAILED", "service, warm: GET /"),
        ("expected", "200"),
        ("got", r"****\n"),
        ("its log", "| one"),
        ("", "| two"),
        ("by hand", "./service.pex"),
        ("see", "https://nox-pex.readthedocs.io/en/latest/errors.html#check-failed"),
    )
    assert NoxPexError("usage", "a", "b").block("smoke") == (
        ("FAILED", "smoke"),
        ("see", "https://nox-pex.readthedocs.io/en/latest/errors.html#usage"),
    )


LONG = (*(f"line {number}" for number in range(20)), "ValueError: no", *("bye",) * 5)


def test_the_block_has_the_cause_of_a_long_log_and_where_the_rest_is() -> None:
    error = NoxPexError("crashed", "a", "b", log=LONG)
    assert error.block("smoke")[1:3] == (("its log", "| ValueError: no"), ("", "(1 line of the last 26)"))
    short = error.replaced(log=LONG[-12:])
    assert [text for _, text in short.block("smoke")[1:-1]] == [f"| {line}" for line in LONG[-12:]]
    in_file = error.replaced(cause=("| x", "…", "y\x1b"), log_file="dist/a.smoke.log", log_count=214)
    assert in_file.block("smoke")[1:5] == (
        ("its log", "| | x"),
        ("", "| …"),
        ("", r"| y\x1b"),
        ("", "(2 lines of 214; dist/a.smoke.log has all)"),
    )


def test_all_of_a_failure_is_masked_and_kept() -> None:
    error = NoxPexError(
        *("crashed", "s3cret", "b"),
        rows=(("got", "s3cret"),),
        cause=("one s3cret",),
        whole_log="s3cret\n",
        log_file="x.log",
        log_count=7,
    )
    masked = error.masked(lambda text: text.replace("s3cret", "****"))
    assert (masked.problem, masked.rows, masked.cause) == ("****", (("got", "****"),), ("one ****",))
    assert (masked.whole_log, masked.log_file, masked.log_count) == ("****\n", "x.log", 7)


def test_an_unknown_code_raises_value_error() -> None:
    with pytest.raises(ValueError, match="unknown error code 'oops'"):
        NoxPexError("oops", "a", "b")  # type: ignore[arg-type]  # mypy refuses it too


def test_codes_are_kebab_case_and_their_sentences_end_with_a_full_stop() -> None:
    for code, sentence in CODES.items():
        assert re.fullmatch(r"[a-z]+(?:-[a-z]+)*", code)
        assert sentence.endswith(".")


def test_the_type_has_exactly_the_codes_that_have_a_meaning() -> None:
    assert get_args(Code) == tuple(CODES)


def test_the_document_lists_every_code_with_its_sentence_when_and_what_to_do() -> None:
    text = DOCUMENT.read_text("utf-8")
    sections = re.findall(
        r"^### `([a-z-]+)`\n\n(.+?)\n\n<!-- end -->\n\n\*\*When\*\*: .+?\n\n\*\*Do\*\*: ",
        text,
        re.MULTILINE | re.DOTALL,
    )
    assert dict(sections) == CODES
    assert [code for code, _ in sections] == list(CODES)
    assert len(re.findall(r"^### ", text, re.MULTILINE)) == len(CODES)


def test_tables_of_several_failures_can_be_pasted_at_once() -> None:
    first = NoxPexError("config", "a", "b", paste=("paste this:", "[tool.x.a]", "n = 1"))
    second = NoxPexError("config", "c", "d", paste=("paste this:", "[tool.x.b]"))
    said, *table = NoxPexError.together([first, second]).to_paste
    assert said == "paste this:"
    assert tomllib.loads("\n".join(table)) == {"tool": {"x": {"a": {"n": 1}, "b": {}}}}
    assert NoxPexError("usage", "a", "b").to_paste == ()
