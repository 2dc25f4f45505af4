"""The log of a program, whatever it wrote."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nox_pex.smoke import log
from nox_pex.smoke.log import Log
from nox_pex.system.limited import LimitError
from nox_pex.system.secrets import Secrets

NONE = Secrets()
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


@pytest.mark.parametrize("ending", ["", "\n", "\n\n  \n"])
def test_the_end_of_a_last_line_that_fills_the_window_is_shown(file: Path, ending: str) -> None:
    file.write_text(f"{'x' * 100_000}why{ending}", "utf-8")
    (line,) = log.tail(file, NONE)
    assert line.endswith("xxxwhy")


def test_a_secret_that_the_window_cuts_in_two_is_not_shown(file: Path) -> None:
    secret, other = "canary-0123456789" * 100, "s3cr3t-t0ken." * 1000  # what is masked makes the line short
    file.write_text(f"{secret}{other * 5}", "utf-8")
    assert log.tail(file, Secrets.from_values([secret, other])) == ()


def test_a_log_that_does_not_exist_has_no_tail(file: Path) -> None:
    assert log.tail(file, Secrets()) == ()


@pytest.fixture
def log_of(file: Path) -> Iterator[Callable[[bytes], Log]]:
    """Return a log with the given content."""
    opened: list[Log] = []

    def create(content: bytes) -> Log:
        opened.append(Log.create(file))
        file.write_bytes(content)
        return opened[-1]

    yield create
    for each in opened:
        each.close()


LogOf = Callable[[bytes], Log]


def test_patterns_are_searched_line_by_line(log_of: LogOf) -> None:
    output = log_of(b"ready\nTraceback (most recent call last):\n")
    assert output.missing_patterns(["^ready$", "^steady$"]) == ("^steady$",)
    assert output.missing_patterns(["ready.Traceback"]) == ("ready.Traceback",)
    assert output.forbidden_line(["^steady$", "most recent"], NONE) == ("most recent", "most recent call last):")
    assert output.forbidden_line(["most recent", "^ready$"], NONE) == ("^ready$", "ready")
    assert output.forbidden_line(["^steady$"], NONE) is None


def test_a_match_across_two_pieces_of_a_line_is_found(log_of: LogOf) -> None:
    output = log_of(b"." * (2 * 1024 * 1024 - 3) + b"needle" + b"." * 100)
    assert output.missing_patterns(["needle"]) == ()
    assert output.forbidden_line(["needle"], NONE) is not None


def test_a_line_across_two_blocks_is_one_line(log_of: LogOf) -> None:
    output = log_of(b"." * (1024 * 1024 - 10) + b"\none needle here\n")
    assert output.missing_patterns(["^one needle here$"]) == ()
    assert len([*output.lines()]) == 2


def test_a_forbidden_line_is_masked_before_it_is_cut(log_of: LogOf) -> None:
    output = log_of(f"start s3cr3t-t0ken ERROR s3cr3t-t0ken {'x' * 471} s3cr3t-t0ken\n".encode())
    assert output.forbidden_line(["ERROR"], SECRETS) == ("ERROR", f"ERROR **** {'x' * 471} ****")
    pattern, line = output.forbidden_line(["t-t0"], SECRETS) or ("", "")
    assert (pattern, line[:18]) == ("t-t0", "start **** ERROR *")


@pytest.mark.parametrize("replacement", ["pipe", "link", "nothing", "directory"])
def test_a_log_is_read_through_the_descriptor_that_was_opened(log_of: LogOf, file: Path, replacement: str) -> None:
    output = log_of(b"ready\n")
    file.unlink()
    if replacement == "pipe":
        os.mkfifo(file)
    elif replacement == "link":
        file.symlink_to("/dev/zero")
    elif replacement == "directory":
        file.mkdir()
    assert output.tail(NONE) == ("ready",)
    assert [*output.lines()] == ["ready"]
    assert output.missing_patterns(["ready", "steady"]) == ("steady",)
    if replacement in {"pipe", "nothing", "directory"}:
        assert log.tail(file, NONE) == ()


def test_a_log_replaces_a_link_and_does_not_follow_it(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("before")
    (tmp_path / "log").symlink_to(tmp_path / "target")
    Log.create(tmp_path / "log").close()
    assert (tmp_path / "target").read_text() == "before"
    assert not (tmp_path / "log").is_symlink()


def test_a_huge_sparse_log_is_searched_at_once(log_of: LogOf, file: Path) -> None:
    output = log_of(b"first\n")
    with file.open("r+b") as stream:
        stream.truncate(20 * 2**30)
        stream.seek(10 * 2**30)
        stream.write(b"\nlast\n")
    assert output.missing_patterns(["^first$", "^last$", "x"]) == ("x",)


@pytest.mark.parametrize("method", ["missing_patterns", "forbidden_line"])
def test_a_search_that_takes_too_long_names_the_key_and_the_pattern(
    log_of: LogOf, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "_SECONDS", 0.5)
    output = log_of(b"fine\n" + b"a" * 50 + b"!\n")
    search = functools.partial(getattr(output, method), ["fine?!", "^(a+)+$"])
    key = "log-require" if method == "missing_patterns" else "log-forbid"
    with pytest.raises(LimitError) as error:
        search() if method == "missing_patterns" else search(NONE)
    assert str(error.value) == f"`{key}` '^(a+)+$' took longer than 0.5 s on a log of 57 bytes"


def test_a_growing_log_is_searched_from_its_unfinished_line_on(log_of: LogOf, file: Path) -> None:
    output = log_of(b"starting\nrea")
    found, start = output.matches("^ready$", start=0, seconds=10.0)
    assert (found, start) == (False, len("starting\n"))
    assert output.matches("^starting$", start=start, seconds=10.0)[0] is False
    with file.open("ab") as stream:
        stream.write(b"dy\n")
    assert output.matches("^ready$", start=start, seconds=10.0)[0]
