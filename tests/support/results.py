"""Results of `smoke` and `verify` in `dist`, as the steps write them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Final

from nox_pex.pex import circumstances, own_results
from nox_pex.pex.target import Target
from nox_pex.smoke import report as smoke_report
from nox_pex.smoke.checks.results import CheckResult
from nox_pex.smoke.report import BootResult, SmokeReport
from nox_pex.verify import report as verify_report
from nox_pex.verify.report import GATES, GateResult, VerifyReport

FINISHED: Final = dt.datetime(2026, 11, 26, 17, 0, 5, 999_999, tzinfo=dt.timezone(dt.timedelta(hours=1)))
TIME: Final = "2026-11-26T16:00:05Z"
SHA256: Final = "3a" * 32
SCIE: Final = ("service-linux-x86_64", "5c" * 32)


def boot(condition: Any, *checks: str, state: Any = "passed", wrong: str = "") -> BootResult:
    """A boot whose checks passed, except for the check `wrong`."""
    results = tuple(CheckResult(check=each, passed=each != wrong, expected="", actual="") for each in checks)
    return BootResult(condition=condition, state=state, check_count=len(checks), check_results=results, reason="why")


def write_smoke(target: Target, *boots: BootResult, overrides: Any = (), **fields: Any) -> Path:
    """Write the result of a smoke test of `target`; `fields` replace those of its report."""
    report = SmokeReport(
        **{
            "name": target.name,
            "binary": target.binary,
            "size": 5,
            "sha256": SHA256,
            "boot_results": boots or (boot("cold", "GET /"), boot("warm", "GET /")),
            **fields,
        }
    )
    under = circumstances.of_smoke(target).as_json(finished=FINISHED)
    text = smoke_report.json_text(report, obtained={**under, "overrides": dict(overrides)})
    own_results.write(target, "smoke", text)
    return target.file("smoke.json")


def write_verify(target: Target, *results: GateResult, scies: Any = (), **fields: Any) -> Path:
    """Write the result of `verify` of `target`, in which `budget` was skipped; `fields` replace those of its report."""
    details = {"scies": [{"file": file, "sha256": sha256} for file, sha256 in scies]}
    report = VerifyReport(
        **{
            "name": target.name,
            "binary": target.binary.name,
            "sha256": SHA256,
            "size": 5,
            "results": results
            or tuple(
                GateResult(
                    gate=gate,
                    state="skipped" if gate == "budget" else "passed",
                    summary="",
                    details=details if gate == "integrity" else {},
                )
                for gate in GATES
            ),
            **fields,
        }
    )
    obtained = circumstances.of_verify(target).as_json(finished=FINISHED)
    own_results.write(target, "verify", verify_report.json_text(report, obtained=obtained))
    return target.file("verify.json")
