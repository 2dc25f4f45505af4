from __future__ import annotations

import json
from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.steps import verify
from tests.unit.steps.conftest import MakeContext


def test_each_report_names_the_reason_why_no_gate_could_run(make_context: MakeContext, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    dist = tmp_path / "dist"
    dist.mkdir()
    (dist / "api.verify.json").write_text('{"passed": true}', "utf-8")  # of an earlier run
    with pytest.raises(NoxPexError) as caught:
        verify.run(make_context(environ={"NOX_PEX_CACHE_DIR": str(tmp_path / "cache")}))
    assert caught.value.code == "cache-unsafe"
    for name in ("api", "worker", "cron"):
        value = json.loads((dist / f"{name}.verify.json").read_text("utf-8"))
        assert (value["passed"], value["sha256"]) == (False, "")
        assert {"settings", "tools", "finished"} <= value.keys()
        assert {gate["failure"]["code"] for gate in value["gates"]} == {"cache-unsafe"}
        assert {gate["state"] for gate in value["gates"]} == {"failed"}
