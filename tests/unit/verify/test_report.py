from __future__ import annotations

import json

from nox_pex.errors import NoxPexError
from nox_pex.verify import report
from nox_pex.verify.report import GateResult, VerifyReport


def test_the_table_and_the_json_have_all_failures_but_the_first_only_once() -> None:
    errors = [NoxPexError(code, "x.pex: wrong", "fix it") for code in ("closure", "leak")]
    found = VerifyReport(
        name="svc",
        binary="svc.pex",
        sha256="0" * 64,
        size=5,
        results=(
            GateResult(
                gate="closure", state="failed", summary="2 of 3", seconds=1.25, problems=("x",), failure=errors[0]
            ),
            GateResult(gate="leaks", state="failed", summary="5 files", failure=errors[1]),
            GateResult(gate="budget", state="skipped", summary="no `size`"),
        ),
    )
    assert [line.text for line in report.table(found)] == [
        "closure       failed     1.2 s  2 of 3",
        "leaks         failed     0.0 s  5 files",
        "budget        skipped    0.0 s  no `size`",
        "error[leak]: x.pex: wrong; fix it",
    ]
    value = json.loads(report.json_text(found))
    assert found.failure is errors[0]
    assert value["passed"] is False
    assert value["gates"][0]["failure"] == {"code": "closure", "problem": "x.pex: wrong", "remedy": "fix it"}
    assert value["gates"][2]["failure"] is None


def test_an_error_that_fails_several_gates_is_shown_once() -> None:
    error = NoxPexError("index-unreachable", "could not install pex", "check the network")
    gates = tuple(GateResult(gate=gate, state="failed", summary="not checked", failure=error) for gate in report.GATES)
    found = VerifyReport(name="svc", binary="svc.pex", sha256="", size=0, results=gates)
    assert not [line for line in report.table(found) if "error[" in line.text]  # the caller raises the first
