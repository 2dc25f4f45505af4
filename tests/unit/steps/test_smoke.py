"""The options of a smoke test, and the file with the whole log of a failed one."""

from __future__ import annotations

import json
from pathlib import Path

from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.smoke import report
from nox_pex.smoke.report import SmokeReport
from nox_pex.steps import smoke
from tests.unit.steps.conftest import MakeContext


def test_the_options_that_change_a_smoke_test_are_recorded(make_context: MakeContext) -> None:
    assert smoke.overrides(make_context(keep=True, force=True)) == {}
    found = smoke.overrides(make_context(only="cold", timeout=5.0, port=8000))
    assert found == {"only": "cold", "timeout": 5.0, "port": 8000}


def failed(whole_log: str) -> SmokeReport:
    failure = NoxPexError("crashed", "it ended", "see its log", whole_log=whole_log, log_count=2)
    return SmokeReport(name="api", binary=Path("api.pex"), size=1, boot_results=(), failure=failure)


def test_the_log_of_a_failure_is_written_and_named(make_context: MakeContext, tmp_path: Path) -> None:
    context = replace(make_context(), invoked_from=tmp_path)
    file = tmp_path / "dist" / "api.smoke.log"
    file.parent.mkdir()
    found = smoke.with_log(context, failed("one\ntwo\n"), file).failure
    assert found is not None
    assert file.read_text("utf-8") == "one\ntwo\n"
    assert (found.log_file, found.log_count, found.whole_log) == ("dist/api.smoke.log", 2, "")
    assert json.loads(report.json_text(replace(failed(""), failure=found)))["failure"]["log-file"] == "api.smoke.log"


def test_a_log_elsewhere_is_named_by_its_whole_path(make_context: MakeContext, tmp_path: Path) -> None:
    context = replace(make_context(), invoked_from=tmp_path / "project")
    found = smoke.with_log(context, failed("one\n"), tmp_path / "api.smoke.log").failure
    assert found is not None
    assert found.log_file == str(tmp_path / "api.smoke.log")


def test_no_file_is_written_without_a_failure_or_a_log(make_context: MakeContext, tmp_path: Path) -> None:
    file = tmp_path / "api.smoke.log"
    for each in (failed(""), replace(failed(""), failure=None)):
        assert smoke.with_log(make_context(), each, file) is each
    assert not file.exists()
