from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from nox_pex.system import streams

TASKS: Final = Path(__file__).resolve().parents[3] / "tasks"
FULL: Final = Path("/dev/full")
WRITE: Final = """\
import sys
sys.path.insert(0, {tasks!r})
from nox_pex.errors import NoxPexError
from nox_pex.system import streams
sys.stdin.read()  # until the reader has gone
try:
    for _ in range(2):
        streams.{function}("ü" * 100_000, sys.{stream})
except NoxPexError as error:
    print(error, file=sys.stderr)
    sys.exit(1)
"""


def start(function: str, stream: str, **streams: int | None) -> subprocess.Popen[bytes]:
    script = WRITE.format(tasks=str(TASKS), function=function, stream=stream)
    return subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, **streams)  # type: ignore[call-overload,no-any-return]  # of a keyword that is not known


@pytest.mark.parametrize(("function", "stream"), [("write_line", "stdout"), ("show_line", "stderr")])
def test_a_reader_that_has_gone_is_no_failure(function: str, stream: str) -> None:
    other = "stderr" if stream == "stdout" else "stdout"
    with start(function, stream, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        gone = getattr(process, stream)
        gone.close()
        setattr(process, stream, None)
        output = process.communicate(b"")
    assert process.returncode == 0
    assert output[0 if other == "stdout" else 1] == b""


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_an_error_with_a_code() -> None:
    with (
        FULL.open("wb") as full,
        start("write_line", "stdout", stdout=full.fileno(), stderr=subprocess.PIPE) as process,
    ):
        _, shown = process.communicate(b"")
    assert process.returncode == 1
    assert shown.decode().startswith("error[disk-full]: cannot write to the standard output: ")
    assert len(shown.splitlines()) == 1


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_a_full_standard_error_is_no_failure() -> None:
    with FULL.open("wb") as full:
        process = start("show_line", "stderr", stdout=subprocess.PIPE, stderr=full.fileno())
        process.communicate(b"")
    assert process.returncode == 0


def test_a_stream_that_is_closed_gets_nothing() -> None:
    streams.write_line("x", None)
    streams.show_line("x", None)


def test_a_character_that_the_stream_cannot_write_is_escaped(tmp_path: Path) -> None:
    with (tmp_path / "x").open("w", encoding="ascii") as file:
        streams.write_line("für", file)
    assert (tmp_path / "x").read_text("ascii") == "f\\xfcr\n"
