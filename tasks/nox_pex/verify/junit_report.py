"""The result of `verify` as a JUnit report, which CI systems show next to the tests. Pure."""

from __future__ import annotations

import datetime as dt
import xml.etree.ElementTree as ET
from collections.abc import Callable

from nox_pex.system import junit
from nox_pex.system.outside_text import shown
from nox_pex.verify.report import GateResult, VerifyReport


def junit_text(report: VerifyReport, *, now: dt.datetime, mask: Callable[[str], str] = str) -> str:
    """Return the content of `NAME.verify.xml`: one suite, with a case for each gate.

    The notes of the gates are its output. `mask` masks the secrets in texts, before the characters in them are escaped.
    """
    cases = [_case(result, classname=f"{shown(report.name)}.verify", mask=mask) for result in report.results]
    notes = [mask(f"{result.gate}: {note}") for result in report.results for note in result.notes]
    return junit.document([junit.suite("verify", cases, package=report.name, number=0, now=now, log=notes)])


def _case(result: GateResult, *, classname: str, mask: Callable[[str], str]) -> ET.Element:
    case = junit.case(result.gate, classname=classname, seconds=result.seconds)
    if result.failure is not None:
        junit.add_failure(case, mask(result.failure.problem), code=result.failure.code)
    elif result.state == "skipped":
        junit.add_skip(case, mask(result.summary))
    return case
