"""The living processes, and the tree that the supervisor watches."""

from __future__ import annotations

import os
import shutil

import pytest

from nox_pex.smoke.process import process_table
from nox_pex.smoke.process.process_table import ProcessRow, descendants


def test_descendants_are_found_at_any_depth() -> None:
    table = {pid: ProcessRow(parent, 0, 0) for pid, parent in [(2, 1), (3, 2), (4, 3), (5, 1), (9, 8), (8, 9)]}
    assert descendants(table, 2) == {3, 4}
    assert descendants(table, 1) == {2, 3, 4, 5}


@pytest.mark.skipif(shutil.which("ps") is None, reason="there is no `ps` on this machine")
def test_processes_are_found_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_table, "_LINUX", False)
    row = process_table.processes()[os.getpid()]
    assert row.parent == os.getppid()
    assert row.group == os.getpgrp()
    assert row.resident > 1_000_000
    assert "py" in process_table.command_line(os.getpid())
