from __future__ import annotations

import datetime as dt
import xml.etree.ElementTree as ET

from nox_pex.errors import NoxPexError
from nox_pex.verify.junit_report import junit_text
from nox_pex.verify.report import GateResult, VerifyReport
from tests.support.junit import assert_valid_junit

NOW = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)
LEAK = NoxPexError("leak", "service.pex: hunter2\x00 in main.py", "remove it")
REPORT = VerifyReport(
    name="service",
    binary="service.pex",
    sha256="0" * 64,
    size=1,
    results=(
        GateResult(gate="closure", state="passed", summary="14 distributions", seconds=0.25, notes=("hunter2 moved",)),
        GateResult(gate="leaks", state="failed", summary="1 leak", failure=LEAK),
        GateResult(gate="budget", state="skipped", summary="no `size` in the budget"),
    ),
)


def test_each_gate_is_a_case() -> None:
    text = junit_text(REPORT, now=NOW, mask=lambda text: text.replace("hunter2", "****"))
    assert_valid_junit(text)
    assert "hunter2" not in text
    (suite,) = ET.fromstring(text)  # noqa: S314  # nox-pex wrote it
    assert [(case.get("name"), case.get("classname")) for case in suite.findall("testcase")] == [
        (gate, "service.verify") for gate in ("closure", "leaks", "budget")
    ]
    (failure,), (skipped,) = suite.findall("testcase/failure"), suite.findall("testcase/skipped")
    assert (failure.get("type"), failure.text) == ("leak", r"service.pex: ****\x00 in main.py")
    assert skipped.get("message") == "no `size` in the budget"
    assert suite.findtext("system-out") == "closure: **** moved"
