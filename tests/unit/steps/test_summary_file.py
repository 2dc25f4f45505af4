from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from nox_pex.steps import summary_file


def test_a_section_is_appended(tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    summary_file.append(file, lambda _: "one\n")
    summary_file.append(file, lambda _: "two\n")
    summary_file.append(file, lambda _: "")
    assert file.read_text("utf-8") == "one\n\ntwo\n"


def test_the_text_knows_how_many_bytes_are_left(tmp_path: Path) -> None:
    file, asked = tmp_path / "summary.md", []

    def text(left: int) -> str:
        asked.append(left)
        return "x" * left

    file.write_bytes(b"a" * (summary_file.LARGEST - 100))
    summary_file.append(file, text)
    summary_file.append(file, text)
    assert asked == [98, 0]
    assert file.stat().st_size == summary_file.LARGEST


def test_sections_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    file, sections = tmp_path / "summary.md", [f"{number}" * 20_000 for number in range(8)]
    threads = [threading.Thread(target=summary_file.append, args=(file, lambda _, s=s: s)) for s in sections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(file.read_text("utf-8").split()) == sections


@pytest.mark.parametrize(
    "kind", ["directory", "fifo", "read fifo", "device", "link", "missing directory", "NUL", "long"]
)
def test_what_is_no_file_is_an_error_and_nothing_waits(tmp_path: Path, kind: str) -> None:
    place, target = tmp_path / "summary.md", tmp_path / "target"
    target.write_text("", "utf-8")
    reader = -1
    if kind == "directory":
        place.mkdir()
    elif kind.endswith("fifo"):
        os.mkfifo(place)
        reader = os.open(place, os.O_RDONLY | os.O_NONBLOCK) if kind.startswith("read") else -1
    elif kind == "device":
        place = Path(os.devnull)
    elif kind == "link":
        place.symlink_to(target)
    else:
        place = tmp_path / {"missing directory": "no/where", "NUL": "a\0b", "long": "x" * 5000}[kind]
    with pytest.raises((OSError, ValueError)):
        summary_file.append(place, lambda _: "text")
    if reader >= 0:
        os.close(reader)
    assert target.read_text("utf-8") == ""
