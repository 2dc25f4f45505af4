"""A table in columns."""

from __future__ import annotations

from nox_pex.screen.form import LOG, Form
from nox_pex.screen.table import Cell, table

HEADER = ("binary", "result", "reason", "seconds", "file")
ROWS = (
    (Cell("api"), Cell("passed", "passed"), Cell(""), Cell("4.1", number=True), Cell("api/dist/api.pex 12.0 MB")),
    (
        *(Cell("worker"), Cell("FAILED", "failed"), Cell("log-missing: no line matches 'ready'")),
        *(Cell("19.0", number=True), Cell("worker/dist/worker.pex 31.2 MB")),
    ),
)


def test_a_log_has_each_row_in_a_line() -> None:
    assert list(table(HEADER, ROWS, LOG, flexible="reason", width=None)) == [
        "  binary   result   reason                                 seconds   file",
        "  api      passed                                              4.1   api/dist/api.pex 12.0 MB",
        "  worker   FAILED   log-missing: no line matches 'ready'      19.0   worker/dist/worker.pex 31.2 MB",
    ]


def test_a_terminal_breaks_the_flexible_column() -> None:
    lines = list(table(HEADER, ROWS, LOG, flexible="reason", width=85))
    assert lines == [
        "  binary   result   reason                  seconds   file",
        "  api      passed                               4.1   api/dist/api.pex 12.0 MB",
        "  worker   FAILED   log-missing: no line       19.0   worker/dist/worker.pex 31.2 MB",
        "                    matches 'ready'",
    ]
    assert max(map(len, lines)) < 85


def test_a_narrow_terminal_keeps_the_other_columns_whole() -> None:
    lines = list(table(HEADER, ROWS, LOG, flexible="reason", width=20))
    assert all(any(name in line for line in lines) for name in ("worker/dist/worker.pex", "FAILED", "19.0"))


def test_colours_do_not_count() -> None:
    coloured = list(table(HEADER, ROWS, Form(columns=True, colour=True), flexible="reason", width=None))
    assert "\x1b[31mFAILED\x1b[0m" in coloured[2]
    plain = [line.replace("\x1b[31m", "").replace("\x1b[32m", "").replace("\x1b[2m", "") for line in coloured]
    assert [line.replace("\x1b[0m", "") for line in plain] == list(
        table(HEADER, ROWS, LOG, flexible="reason", width=None)
    )
