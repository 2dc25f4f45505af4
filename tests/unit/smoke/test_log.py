"""The log of a program, whatever it wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.smoke import log
from nox_pex.system.secrets import Secrets

SECRETS = Secrets.of({"SERVICE_TOKEN": "s3cr3t-t0ken"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xff\xfe na\xefve", "\ufffd\ufffd na\ufffdve"),
        (b"\x1b[31mred\x1b[0m alert\x1b]0;title\x07", "red alert"),
        (b"one\r\ntwo\rthree\x00\x08", "one\ntwo\nthree"),
    ],
)
def test_a_log_becomes_plain_text(data: bytes, text: str) -> None:
    assert log.plain_text(data) == text


def test_the_tail_is_short_and_has_no_empty_lines(file: Path) -> None:
    file.write_text("\n\n".join(f"line {number}" for number in range(100)) + "\n" + "x" * 1000, "utf-8")
    lines = log.tail(file, Secrets())
    assert len(lines) == 20
    assert lines[0] == "line 81"
    assert lines[-1] == "… " + "x" * 500


def test_the_tail_is_as_the_program_wrote_it_and_only_line_breaks_end_a_line(file: Path) -> None:
    file.write_bytes(b"a\x0bb\x0cc\xc2\x85d\xe2\x80\xa8e\r\nf\rg \n \t\n\x1b[31mred \x9b \xff\x0c\n")
    expected = ("a\x0bb\x0cc\x85d\u2028e", "f", "g", "\x1b[31mred \\x9b \\xff\x0c")
    assert log.tail(file, Secrets()) == expected


def test_a_secret_that_the_limit_cuts_in_two_is_masked(file: Path) -> None:
    file.write_text("connecting with s3cr3t-t0ken\n" + "." * (65536 - 8) + "\n", "utf-8")
    assert not any("t0ken" in line for line in log.tail(file, SECRETS))
    file.write_text("connecting with s3cr3t-t0ken\n", "utf-8")
    assert log.tail(file, SECRETS) == ("connecting with ****",)


def test_a_log_that_does_not_exist_has_no_tail(file: Path) -> None:
    assert log.tail(file, Secrets()) == ()


def test_patterns_are_searched_line_by_line(file: Path) -> None:
    file.write_text("ready\nTraceback (most recent call last):\n", "utf-8")
    assert log.missing_patterns(file, ["^ready$", "^steady$"]) == ("^steady$",)
    assert log.missing_patterns(file, ["ready.Traceback"]) == ("ready.Traceback",)
    assert log.forbidden_line(file, ["^steady$", "most recent"]) == ("most recent", "most recent call last):")
    assert log.forbidden_line(file, ["^steady$"]) is None


def test_a_match_across_two_pieces_of_a_line_is_found(file: Path) -> None:
    file.write_bytes(b"." * (1024 * 1024 - 3) + b"needle" + b"." * 100)
    assert log.missing_patterns(file, ["needle"]) == ()
    assert log.forbidden_line(file, ["needle"]) is not None


def test_a_forbidden_line_is_masked_before_it_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text(f"start s3cr3t-t0ken ERROR s3cr3t-t0ken {'x' * 471} s3cr3t-t0ken\n")
    assert log.forbidden_line(file, ["ERROR"], SECRETS) == ("ERROR", f"ERROR **** {'x' * 471} ****")
    pattern, line = log.forbidden_line(file, ["t-t0"], SECRETS) or ("", "")
    assert (pattern, line[:18]) == ("t-t0", "start **** ERROR *")
