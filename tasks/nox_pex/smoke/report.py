"""The results of a smoke test, and their formats for people, scripts and CI systems. Pure."""

from __future__ import annotations

import datetime as dt
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from nox_pex.errors import NoxPexError
from nox_pex.settings.smoke import BootCondition, Budget
from nox_pex.settings.values import parse_size
from nox_pex.smoke import phases
from nox_pex.smoke.checks import answers
from nox_pex.smoke.checks.results import CheckResult
from nox_pex.smoke.phases import Phase
from nox_pex.smoke.stop import Stop
from nox_pex.system import junit
from nox_pex.system.outside_text import json_text as to_json
from nox_pex.system.outside_text import shown

AFTER_FAILURE: Final = "an earlier step failed"
"""The reason for which the conditions after a failure are skipped. It is not a cause itself."""


class BootResult(Struct, frozen=True, kw_only=True):
    """The result of the boot under one condition.

    `check_count` is the number of checks in the settings, `check_results` are the results of those that were run.
    `reason` says why the boot failed or was skipped. `ready_after` is in seconds, None if the program was never ready.
    `memory` is the highest resident memory in bytes, None if it is unknown. `served` is for `--serve`, which checks
    nothing: the seconds until Ctrl-C, or until the program ended. `platform` is that of the image, if it is for
    several.
    """

    condition: BootCondition
    state: Literal["passed", "failed", "skipped"]
    check_count: int
    reason: str | None = None
    ready_after: float | None = None
    check_results: tuple[CheckResult, ...] = ()
    stop: Stop | None = None
    memory: int | None = None
    served: float | None = None
    platform: str = ""
    phases: tuple[Phase, ...] = ()

    @property
    def label(self) -> str:
        """The condition, with the platform if there are several."""
        return f"{self.condition} ({self.platform})" if self.platform else self.condition

    @property
    def passed_checks(self) -> int:
        """The number of checks that passed."""
        return sum(result.passed for result in self.check_results)

    @property
    def skip(self) -> str:
        """The skip in one sentence."""
        return f"{self.label}: skipped: {self.reason}"


class SmokeReport(Struct, frozen=True, kw_only=True):
    """The results of a smoke test: one for each condition, and the first failure.

    `size` is the size of the binary in bytes, `sha256` its digest. `scie` is the file name and the SHA-256 of the scie,
    if that was started too.
    """

    name: str
    binary: Path
    size: int
    boot_results: tuple[BootResult, ...]
    failure: NoxPexError | None = None
    sha256: str = ""
    scie: tuple[str, str] | None = None

    @property
    def passed(self) -> bool | None:
        """Whether all checks passed. None if `--serve` checked nothing and the program did not fail."""
        return None if self.failure is None and self.served else self.failure is None

    @property
    def served(self) -> bool:
        """Whether the program was served instead of checked."""
        return any(boot.served is not None for boot in self.boot_results)

    @property
    def memory(self) -> int | None:
        """The highest resident memory of the binary under all conditions in bytes, None if it is unknown.

        The boot of the scie does not count: the budget is that of the PEX.
        """
        booted = [boot for boot in self.boot_results if boot.condition != "scie"]
        return max((boot.memory for boot in booted if boot.memory is not None), default=None)

    def ready_after(self, condition: BootCondition) -> float | None:
        """Return the seconds to ready under a condition. None if it was not tested, or the program was never ready."""
        return next((boot.ready_after for boot in self.boot_results if boot.condition == condition), None)


def budget_error(report: SmokeReport, budget: Budget) -> NoxPexError | None:
    """Return the error for the first limit of the budget that the program exceeds, None if it exceeds none.

    A program that is served has no budget: it gets any number of requests.
    """
    if report.served:
        return None
    max_size, max_memory = (None if text is None else parse_size(text) for text in (budget.size, budget.memory))
    limits: tuple[tuple[str, str, float | None, float | None], ...] = (
        ("size", "bytes", report.size, max_size),
        ("cold-boot", "s", report.ready_after("cold"), budget.cold_boot),
        ("warm-boot", "s", report.ready_after("warm"), budget.warm_boot),
        ("memory", "bytes", report.memory, max_memory),
    )
    for key, unit, actual, limit in limits:
        if actual is not None and limit is not None and actual > limit:
            digits = 2 if unit == "s" else 0
            got, most = (f"{each:.{digits}f} {unit}" for each in (actual, limit))
            problem = f"{key} is {got}, over its budget of {most}"
            took = [phases.start_of(boot.phases) for boot in report.boot_results if f"{boot.condition}-boot" == key]
            rows = (
                ("expected", f"at most {most} (`budget.{key}`)"),
                ("got", got),
                *(("phases", each) for each in took if each),
            )
            remedy = f"find out why it grew, or raise `budget.{key}`"
            return NoxPexError("budget", problem, remedy, subject=f"{report.name}: {key}", rows=rows)
    return None


def json_text(report: SmokeReport, *, obtained: Mapping[str, Any] | None = None) -> str:
    """Return the content of `NAME.smoke.json`.

    `obtained` are the keys that say under which circumstances the result was obtained, and when.
    """
    value = {
        "name": report.name,
        "binary": report.binary.name,
        "sha256": report.sha256,
        "size": report.size,
        **({"scie": {"file": report.scie[0], "sha256": report.scie[1]}} if report.scie is not None else {}),
        "passed": report.passed,
        **(obtained or {}),
        "conditions": boots_as_json(report),
        "failure": failure_as_json(report),
    }
    return to_json(value)


def boots_as_json(report: SmokeReport) -> list[dict[str, Any]]:
    """Return what a result file says about each boot."""
    return [_as_json(boot) for boot in report.boot_results]


def failure_as_json(report: SmokeReport) -> dict[str, Any] | None:
    """Return what a result file says about the failure; None if there is none."""
    return None if report.failure is None else _failure_as_json(report.failure)


def together(reports: Sequence[SmokeReport]) -> SmokeReport:
    """Return one report of the same binary, of which there is at least one: all boots, and the first failure."""
    first = reports[0]
    return msgspec.structs.replace(
        first,
        boot_results=tuple(boot for report in reports for boot in report.boot_results),
        failure=next((report.failure for report in reports if report.failure is not None), None),
    )


def junit_text(report: SmokeReport, *, now: dt.datetime | None = None) -> str:
    """Return the content of `NAME.smoke.xml`: a suite for each condition, with a case for its boot and for each check.

    A failure outside the conditions (`before`, `after`, the budget, a skip that is not allowed) is the only case of the
    suite `smoke`. `now` is the timestamp, the current time by default. The schemas of Ant and Jenkins both accept the
    attributes and their order.
    """
    moment, failure, suites = now or dt.datetime.now(dt.UTC), report.failure, list[ET.Element]()
    for boot in report.boot_results:
        classname = f"{shown(report.name)}.{boot.label}"
        cases = [_boot_case(boot, classname), *(_check_case(result, classname) for result in boot.check_results)]
        log = failure.log if failure is not None and boot.state == "failed" else ()
        suites.append(junit.suite(boot.label, cases, package=report.name, number=len(suites), now=moment, log=log))
    if failure is not None and not any(boot.state == "failed" for boot in report.boot_results):
        case = junit.case(failure.code, classname=f"{shown(report.name)}.smoke", seconds=0.0)
        junit.add_failure(case, failure.problem, code=failure.code)
        number = len(suites)
        suites.append(junit.suite("smoke", [case], package=report.name, number=number, now=moment, log=failure.log))
    return junit.document(suites)


def _failure_as_json(failure: NoxPexError) -> dict[str, Any]:
    by_hand = {"by-hand": failure.by_hand} if failure.by_hand else {}
    return {
        "code": failure.code,
        "problem": failure.problem,
        "remedy": failure.remedy,
        **by_hand,
        "subject": failure.subject,
        "rows": [list(row) for row in failure.rows],
        "cause": list(failure.cause),
        "log": list(failure.log),
        "log-lines": failure.log_count,
        "log-file": Path(failure.log_file).name or None,
    }


def _as_json(boot: BootResult) -> dict[str, Any]:
    return {
        "condition": boot.condition,
        "state": boot.state,
        "reason": boot.reason,
        "ready-after": boot.ready_after and round(boot.ready_after, 3),
        "checks": boot.check_count,
        "passed": boot.passed_checks,
        "verdicts": [_result_as_json(result) for result in boot.check_results],
        "stop": boot.stop and {**msgspec.structs.asdict(boot.stop), "seconds": round(boot.stop.seconds, 3)},
        "memory": boot.memory,
        "phases": phases.as_json(boot.phases),
    }


def _result_as_json(result: CheckResult) -> dict[str, Any]:
    return {
        "check": result.check,
        "passed": result.passed,
        "expected": result.expected,
        "came": result.actual,
        "seconds": round(result.seconds, 3),
        "request": result.request,
        "answer": None if result.answer is None else answers.as_json(result.answer),
    }


def _check_case(result: CheckResult, classname: str) -> ET.Element:
    case = junit.case(result.check, classname=classname, seconds=result.seconds)
    if not result.passed:
        junit.add_failure(case, result.explanation, code="check-failed")
    return case


def _boot_case(boot: BootResult, classname: str) -> ET.Element:
    """Return the case for everything that is not a single check, such as the start and the stop."""
    case = junit.case("boot", classname=classname, seconds=boot.ready_after or 0.0)
    if boot.state == "skipped":
        junit.add_skip(case, boot.reason or "")
    elif boot.served is not None and boot.state == "passed":
        junit.add_skip(case, "served, not checked")
    elif boot.state == "failed" and all(result.passed for result in boot.check_results):
        junit.add_failure(case, boot.reason or "", code="boot")
    return case
