"""The first line of a page."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nox_pex.page import mark
from nox_pex.page.mark import Mark

DIGEST = "3a" * 32


@pytest.mark.parametrize(
    "start", ["<!doctype html>\n<title>x</title>", "<!DOCTYPE html><title>x</title>", "<title>x</title>"]
)
def test_a_page_begins_with_its_doctype_and_its_mark(tmp_path: Path, start: str) -> None:
    path = tmp_path / "page.html"
    path.write_text(mark.marked(start, Mark(kind="report", digest=DIGEST)), "utf-8")
    assert path.read_text("utf-8") == f"<!doctype html><!-- nox-pex report {DIGEST} -->\n<title>x</title>"
    assert mark.read(path) == Mark(kind="report", digest=DIGEST)
    assert (mark.is_report(path), mark.is_index(path)) == (True, False)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"<!doctype html>\n", b"<!doctype html><!-- nox-pex report 12 -->\n", b"a" * 10_000],
)
def test_another_file_has_no_mark(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "page.html").write_bytes(content)
    assert mark.read(tmp_path / "page.html") is None


def test_what_is_no_file_has_no_mark(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert [mark.read(path) for path in (tmp_path, tmp_path / "fifo", tmp_path / "no")] == [None, None, None]
