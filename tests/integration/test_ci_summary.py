"""The summary of a job and its annotations, as a run on GitHub Actions leaves them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.support.nox_project import Project

pytestmark = pytest.mark.integration


def on_github(project: Project, file: Path) -> dict[str, str]:
    return {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(project.root), "GITHUB_STEP_SUMMARY": str(file)}


@pytest.mark.parametrize("flags", [(), ("--parallel", "2")], ids=["one process", "parallel"])
def test_a_run_of_several_projects_has_one_summary_and_one_annotation_for_each_cause(
    shop: Project, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    file = tmp_path / "summary.md"
    file.touch()
    worker = "services/worker/pyproject.toml"
    shop.edit(worker, "[tool.nox-pex.binary.worker]\n", "[tool.nox-pex.binary.worker]\nlayoutt = 1\n")
    line = (shop.root / worker).read_text("utf-8").split("\n").index("layoutt = 1") + 1

    result = shop.run(*flags, "-s", "pex", env=on_github(shop, file))

    assert result.status != 0
    annotations = re.findall(r"^::.*$", result.output, re.MULTILINE)
    assert [each.partition("::error[config]")[0] for each in annotations] == [
        f"::error title=install worker,file={worker},line={line}"
    ]
    summary = file.read_text("utf-8")
    assert summary.startswith("### ❌ nox-pex: 1 of 3 failed\n")
    rows = re.findall(r"^\| (\w+) \| \S+&nbsp;(\S+) \|", summary, re.MULTILINE)
    assert rows[0] == ("worker", "**failed**")
    assert {name for name, _ in rows} == {"worker", "api", "clock"}
    assert summary.count("layoutt") == 2  # in the table, and below it


def test_a_fifo_in_place_of_the_file_does_not_hold_the_run(shop: Project, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    result = shop.run("-s", "pex(api)", env=on_github(shop, fifo))
    assert result.status == 0
    assert result.said("nox-pex: warning: the summary of the job is not written: ", "it is not a regular file")
