"""What a smoke test found, and how people, scripts and CI systems read it. Pure."""

from __future__ import annotations

import datetime as dt
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from nox_pex.errors import NoxPexError
from nox_pex.settings.smoke import BootCondition, Budget, size
from nox_pex.smoke.checks.verdicts import CheckResult
from nox_pex.smoke.stop import Stop

__all__ = ["BootResult", "SmokeReport", "github_lines", "json_text", "junit_text", "over_budget", "table"]


_COLUMNS: Final = ("condition", "ready after", "checks", "stop", "memory")


_NOT_IN_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, kw_only=True)
class BootResult:
    """What one condition gave. `ready_after` is None for a program that was never ready; `memory` is in bytes.

    `reason` says why it failed or was skipped. `checks` is how many there were to do, `verdicts` those that were done.
    """

    condition: BootCondition
    state: Literal["passed", "failed", "skipped"]
    checks: int
    reason: str | None = None
    ready_after: float | None = None
    verdicts: tuple[CheckResult, ...] = ()
    stop: Stop | None = None
    memory: int | None = None

    @property
    def passed(self) -> int:
        """How many checks passed."""
        return sum(verdict.passed for verdict in self.verdicts)

    def __str__(self) -> str:
        if self.state == "skipped":
            return f"{self.condition}: skipped: {self.reason}"
        ready = f"ready after {self.ready_after:.1f} s" if self.ready_after is not None else "not ready"
        parts = [ready, f"{self.passed} of {self.checks} checks passed", str(self.stop) if self.stop else ""]
        return f"{self.condition}: {', '.join(part for part in parts if part)}"


@dataclass(frozen=True, kw_only=True)
class SmokeReport:
    """What a smoke test gave: an outcome for each condition, and the first failure, whose `log` is the log's tail.

    `size` is in bytes, `sha256` of the binary; `kept` is the temporary directory, where `--keep` left it.
    """

    name: str
    binary: Path
    size: int
    outcomes: tuple[BootResult, ...]
    failure: NoxPexError | None = None
    sha256: str = ""
    kept: Path | None = None

    @property
    def memory(self) -> int | None:
        """The highest resident bytes of all conditions."""
        return max((outcome.memory for outcome in self.outcomes if outcome.memory is not None), default=None)

    def ready_after(self, condition: BootCondition) -> float | None:
        """Seconds to ready under a condition, None where it was not tested or never ready."""
        return next((outcome.ready_after for outcome in self.outcomes if outcome.condition == condition), None)


def over_budget(report: SmokeReport, budget: Budget) -> NoxPexError | None:
    """The error for the first part of the budget that the program overran."""
    largest, hungriest = (None if text is None else size(text) for text in (budget.size, budget.memory))
    spent: tuple[tuple[str, str, float | None, float | None], ...] = (
        ("size", "bytes", report.size, largest),
        ("cold-boot", "s", report.ready_after("cold"), budget.cold_boot),
        ("warm-boot", "s", report.ready_after("warm"), budget.warm_boot),
        ("memory", "bytes", report.memory, hungriest),
    )
    for key, unit, came, allowed in spent:
        if came is not None and allowed is not None and came > allowed:
            digits = 2 if unit == "s" else 0
            problem = f"{key} is {came:.{digits}f} {unit}, over its budget of {allowed:.{digits}f} {unit}"
            return NoxPexError("budget", problem, f"see what it grew by, or raise `budget.{key}`")
    return None


def table(report: SmokeReport) -> Iterator[str]:
    """The lines of the table that a person reads in the terminal, and below it the checks that failed.

    Neither the failure itself nor its log: whoever shows the table ends with them.
    """
    rows = {outcome.condition: _row(outcome) for outcome in report.outcomes if outcome.state != "skipped"}
    every = [_COLUMNS, *rows.values(), *((outcome.condition,) for outcome in report.outcomes)]
    widths = [max(len(row[column]) for row in every if column < len(row)) for column in range(len(_COLUMNS))]
    # The reason for a skip runs on over the columns, rather than to make one of them wide.
    lines = [_COLUMNS, *(rows.get(each.condition, (each.condition, _skip(each))) for each in report.outcomes)]
    for row in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
    for outcome in report.outcomes:
        for verdict in outcome.verdicts:
            if not verdict.passed:
                yield f"{outcome.condition}: {verdict.check}"
                yield f"  expected  {verdict.expected}"
                yield f"  got       {verdict.came}"
    if report.kept is not None:
        yield f"kept: {report.kept}"


def json_text(report: SmokeReport) -> str:
    """`NAME.smoke.json`."""
    failure = report.failure
    value = {
        "name": report.name,
        "binary": report.binary.name,
        "sha256": report.sha256,
        "size": report.size,
        "passed": failure is None,
        "conditions": [_as_json(outcome) for outcome in report.outcomes],
        "failure": failure
        and {"code": failure.code, "problem": failure.problem, "remedy": failure.remedy, "log": list(failure.log)},
    }
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def junit_text(report: SmokeReport, *, now: dt.datetime | None = None) -> str:
    """`NAME.smoke.xml`: a suite for each condition, with a case for its boot and one for each check.

    `now` is the time that stands in it, by default the present. The attributes and their order are those that both the
    schema of Ant and that of Jenkins accept.
    """
    moment = now or dt.datetime.now(dt.UTC)
    root = ET.Element("testsuites")
    for number, outcome in enumerate(report.outcomes):
        _add_suite(root, report, outcome, number, moment.strftime("%Y-%m-%dT%H:%M:%S"))
    ET.indent(root)
    # Not ElementTree's own declaration, which names the encoding of the locale.
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def github_lines(report: SmokeReport, environ: Mapping[str, str]) -> Iterator[str]:
    """The lines by which GitHub Actions shows a failure, or a skipped condition, beside the commit; none elsewhere."""
    if environ.get("GITHUB_ACTIONS") != "true":
        return
    title = _escaped(f"smoke {report.name}").replace(":", "%3A").replace(",", "%2C")
    for outcome in report.outcomes:
        if outcome.state == "skipped":
            yield f"::warning title={title}::{_escaped(str(outcome))}"
    if report.failure is not None:
        yield f"::error title={title}::{_escaped(str(report.failure))}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _skip(outcome: BootResult) -> str:
    return f"skipped: {outcome.reason}"


def _row(outcome: BootResult) -> tuple[str, ...]:
    ready = f"{outcome.ready_after:.2f} s" if outcome.ready_after is not None else "never"
    memory = f"{outcome.memory / 10**6:.0f} MB" if outcome.memory is not None else ""
    return (outcome.condition, ready, f"{outcome.passed} of {outcome.checks}", _stop_cell(outcome.stop), memory)


def _stop_cell(stop: Stop | None) -> str:
    if stop is None:
        return ""
    return "killed" if stop.status is None else f"SIG{stop.signal}, {stop.seconds:.1f} s"


def _as_json(outcome: BootResult) -> dict[str, Any]:
    return {
        "condition": outcome.condition,
        "state": outcome.state,
        "reason": outcome.reason,
        "ready-after": outcome.ready_after and round(outcome.ready_after, 3),
        "checks": outcome.checks,
        "passed": outcome.passed,
        "verdicts": [asdict(verdict) | {"seconds": round(verdict.seconds, 3)} for verdict in outcome.verdicts],
        "stop": outcome.stop and asdict(outcome.stop) | {"seconds": round(outcome.stop.seconds, 3)},
        "memory": outcome.memory,
    }


def _add_suite(root: ET.Element, report: SmokeReport, outcome: BootResult, number: int, timestamp: str) -> None:
    classname = f"{report.name}.{outcome.condition}"
    cases = [_boot_case(outcome, classname)]
    for verdict in outcome.verdicts:
        case = ET.Element("testcase", name=_xml(verdict.check), classname=classname, time=f"{verdict.seconds:.3f}")
        if not verdict.passed:
            message = _xml(f"expected {verdict.expected}, got {verdict.came}")
            ET.SubElement(case, "failure", message=message, type="check-failed").text = message
        cases.append(case)
    suite = ET.SubElement(
        root,
        "testsuite",
        id=str(number),
        package=report.name,
        name=outcome.condition,
        timestamp=timestamp,
        hostname="localhost",  # the machine's own name is nobody's business
        tests=str(len(cases)),
        failures=str(sum(case.find("failure") is not None for case in cases)),
        errors="0",
        skipped=str(sum(case.find("skipped") is not None for case in cases)),
        time=f"{sum(float(case.get('time', '0')) for case in cases):.3f}",
    )
    ET.SubElement(suite, "properties")
    suite.extend(cases)
    failed = outcome.state == "failed" and report.failure is not None
    ET.SubElement(suite, "system-out").text = _xml("\n".join(report.failure.log)) if failed and report.failure else ""
    ET.SubElement(suite, "system-err").text = ""


def _boot_case(outcome: BootResult, classname: str) -> ET.Element:
    """The launch, the stop, and whatever else is no single check."""
    case = ET.Element("testcase", name="boot", classname=classname, time=f"{outcome.ready_after or 0.0:.3f}")
    if outcome.state == "skipped":
        ET.SubElement(case, "skipped")
    elif outcome.state == "failed" and all(verdict.passed for verdict in outcome.verdicts):
        message = _xml(outcome.reason or "")
        ET.SubElement(case, "failure", message=message, type="boot").text = message
    return case


def _xml(text: str) -> str:
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
