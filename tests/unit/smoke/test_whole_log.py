"""The whole log of a failed boot as the text of a file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nox_pex.smoke import whole_log
from nox_pex.smoke.log import Log
from nox_pex.system.secrets import Secrets

NONE = Secrets()


@pytest.fixture
def log_of(tmp_path: Path) -> Iterator[Callable[..., Log]]:
    made: list[Log] = []

    def create(data: bytes, title: str = "service") -> Log:
        log = Log.create(tmp_path / f"{len(made)}.log", title=title)
        log.path.write_bytes(data)
        made.append(log)
        return log

    yield create
    for log in made:
        log.close()


def test_a_log_is_whole_and_escaped(log_of: Callable[..., Log]) -> None:
    data = b"one\r\n\x1b[31mtwo\x1b[0m\n::error::x\n\ncaf\xe9\n\n"
    text = whole_log.text([log_of(data)], NONE)
    assert text == "one\n\\x1b[31mtwo\\x1b[0m\n:\\:error::x\n\ncaf\\xe9\n"
    assert whole_log.count(text) == 5


def test_no_output_is_no_text(log_of: Callable[..., Log]) -> None:
    assert whole_log.text([], NONE) == whole_log.text([log_of(b"")], NONE) == ""
    assert whole_log.count("") == 0


def test_several_logs_have_titles(log_of: Callable[..., Log]) -> None:
    logs = [log_of(b"up\n"), log_of(b""), log_of(b"no", "service migrate s3cret")]
    text = whole_log.text(logs, NONE.with_values(["s3cret"]))
    assert text == "# service\nup\n# service migrate ****\nno\n"


@pytest.mark.parametrize(
    "data",
    [b"".join(b"line %d\n" % number for number in range(400_000)), b"x" * 3_000_000, b"\x1b\n" * 300_000],
)
def test_the_middle_of_a_long_log_is_left_out(log_of: Callable[..., Log], data: bytes) -> None:
    text = whole_log.text([log_of(b"first\n" + data + b"\nlast\n")], NONE)
    lines = text.splitlines()
    assert 900_000 < len(text.encode()) <= whole_log.MOST or len(lines) < 10
    assert (lines[0], lines[-1]) == ("first", "last")
    (note,) = (line for line in lines if "is left out" in line)
    assert note == f"… the middle of this log of {(len(data) + 12) / 1e6:.1f} MB is left out …"


def test_a_secret_at_the_cut_is_not_shown_in_part(log_of: Callable[..., Log]) -> None:
    secret = "".join(f"s3cret{number}" for number in range(100))
    data = b"x" * (whole_log.MOST // 2 - 100) + secret.encode() * 2_000
    text = whole_log.text([log_of(data)], NONE.with_values([secret]))
    assert "s3cret" not in text


def test_a_file_with_a_hole_is_no_problem(log_of: Callable[..., Log]) -> None:
    log = log_of(b"first\n")
    with log.path.open("r+b") as file:
        file.seek(2**33)
        file.write(b"\nlast\n")
    started = time.monotonic()
    text = whole_log.text([log], NONE)
    assert text.startswith("first\n")
    assert text.endswith("\nlast\n")
    assert len(text.encode()) <= whole_log.MOST
    assert time.monotonic() - started < 10
    os.truncate(log.path, 0)
