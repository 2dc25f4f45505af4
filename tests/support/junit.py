"""The rules for a JUnit report that CI systems accept."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

_SUITE = {
    "id": r"\d+", "package": r"\S+", "name": r"\S+", "hostname": r"\S+", "tests": r"\d+", "failures": r"\d+",
    "errors": r"\d+", "skipped": r"\d+", "time": r"\d+\.\d+", "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
}  # fmt: skip
_CASE = {"name": ".+", "classname": r"\S+", "time": r"\d+\.\d+"}
_FAILURE = {"message": ".*", "type": ".+"}


def assert_valid_junit(text: str) -> None:
    """Check the rules that the schemas of Ant (JUnit.xsd) and Jenkins (junit-10.xsd) have in common."""
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n')
    root = ET.fromstring(text)  # noqa: S314  # nox-pex wrote it
    assert (root.tag, root.attrib) == ("testsuites", {})
    for number, suite in enumerate(root):
        _assert_element(suite, "testsuite", _SUITE)
        assert suite.get("id") == str(number)
        tags = [child.tag for child in suite]
        cases = suite.findall("testcase")
        assert tags == ["properties", *["testcase"] * len(cases), "system-out", "system-err"]
        assert int(suite.get("tests", "")) == len(cases) > 0
        assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("skipped", "")) == len(suite.findall("testcase/skipped"))
        for case in cases:
            _assert_element(case, "testcase", _CASE)
            assert len(case) <= 1
            for child in case:
                _assert_element(child, child.tag, {"failure": _FAILURE, "skipped": {}}[child.tag])


def _assert_element(element: ET.Element, tag: str, attributes: dict[str, str]) -> None:
    assert element.tag == tag
    assert set(element.attrib) == set(attributes)
    for name, pattern in attributes.items():
        assert re.fullmatch(pattern, element.attrib[name], re.DOTALL), (name, element.attrib[name])
