"""The schemas of a JUnit report that CI systems accept.

`JUnit.xsd` is Ant's, as windyroad/JUnit-Schema publishes it (Apache License 2.0); `junit-10.xsd` is that of Jenkins'
xUnit plugin (MIT License). Both are unchanged copies, with their licence in the file.
"""

from __future__ import annotations

import functools
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Final

import xmlschema

_SCHEMAS: Final = ("JUnit.xsd", "junit-10.xsd")


def assert_valid_junit(text: str) -> None:
    """Check that the schemas of Ant and of Jenkins accept a report, and that its numbers are right."""
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n')
    for name in _SCHEMAS:
        _schema(name).validate(text)
    for number, suite in enumerate(ET.fromstring(text)):  # noqa: S314  # nox-pex wrote it
        assert suite.get("id") == str(number)
        cases = suite.findall("testcase")
        assert int(suite.get("tests", "")) == len(cases) > 0
        assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("skipped", "")) == len(suite.findall("testcase/skipped"))
        assert all(each.get("message") for each in suite.iter("skipped"))


@functools.cache
def _schema(name: str) -> xmlschema.XMLSchema10:
    return xmlschema.XMLSchema10(Path(__file__).with_name("schemas") / name)
