"""The elements of a JUnit report. The schemas of Ant and Jenkins both accept the attributes and their order. Pure."""

from __future__ import annotations

import datetime as dt
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence

from nox_pex.system.outside_text import log_line, shown


def case(name: str, *, classname: str, seconds: float) -> ET.Element:
    """Return a test case, which passed until something is added to it."""
    return ET.Element("testcase", name=shown(name), classname=classname, time=f"{seconds:.3f}")


def add_failure(case: ET.Element, message: str, *, code: str) -> None:
    """Let a test case fail, with a code of nox-pex as its type."""
    ET.SubElement(case, "failure", message=shown(message), type=code).text = shown(message)


def add_skip(case: ET.Element, reason: str) -> None:
    """Let a test case be skipped."""
    ET.SubElement(case, "skipped", message=shown(reason))


def suite(
    name: str, cases: Sequence[ET.Element], *, package: str, number: int, now: dt.datetime, log: Iterable[str] = ()
) -> ET.Element:
    """Return a suite of test cases. `number` counts the suites of a report, `log` are lines of the program's output."""
    found = ET.Element(
        "testsuite",
        id=str(number),
        package=shown(package),
        name=name,
        timestamp=now.strftime("%Y-%m-%dT%H:%M:%S"),
        hostname="localhost",  # required by the schemas; the real name is private
        tests=str(len(cases)),
        failures=str(sum(case.find("failure") is not None for case in cases)),
        errors="0",
        skipped=str(sum(case.find("skipped") is not None for case in cases)),
        time=f"{sum(float(case.get('time', '0')) for case in cases):.3f}",
    )
    ET.SubElement(found, "properties")
    found.extend(cases)
    ET.SubElement(found, "system-out").text = "\n".join(map(log_line, log))
    ET.SubElement(found, "system-err").text = ""
    return found


def document(suites: Iterable[ET.Element]) -> str:
    """Return a report of `suites` as text."""
    root = ET.Element("testsuites")
    root.extend(suites)
    ET.indent(root)
    # ElementTree would write a declaration with the encoding of the locale.
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'
