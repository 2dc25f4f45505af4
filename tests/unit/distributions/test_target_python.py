from __future__ import annotations

import sys
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.tags import parse_tag

from nox_pex.distributions.interpreter import Interpreter
from nox_pex.distributions.target_python import TargetPython, of_this_machine

PYTHON = of_this_machine(Interpreter(implementation="CPython", version="3.9.18", executable=Path("/python3.9")))


@pytest.mark.parametrize(
    ("marker", "holds"),
    [
        ("python_version < '3.10'", True),
        ("python_full_version == '3.9.18'", True),
        ("implementation_name == 'cpython' and platform_python_implementation == 'CPython'", True),
        ("python_version >= '3.11'", False),
        (f"sys_platform == '{sys.platform}'", True),
        ("extra == 'x'", False),
        ("'x' in extras", None),
    ],
)
def test_a_marker_is_evaluated_for_another_python(marker: str, *, holds: bool | None) -> None:
    assert PYTHON.satisfies(Marker(marker)) is holds


def test_a_marker_may_hold_for_one_of_several_extras() -> None:
    assert PYTHON.satisfies(Marker("extra == 'y'"), extras=["x", "y"])
    assert PYTHON.satisfies(Marker("python_version < '3.10'"), extras=["x"])


@pytest.mark.parametrize(
    ("tag", "fits"),
    [("py3-none-any", True), ("cp39-cp39-any", False), ("cp38-abi3-any", False), ("py2.py3-none-any", True)],
)
def test_the_tags_are_those_of_another_python(tag: str, *, fits: bool) -> None:
    assert (not PYTHON.tags.isdisjoint(parse_tag(tag))) is fits


@pytest.mark.skipif(sys.platform != "linux", reason="the tags are those of Linux")
def test_the_tags_have_the_platform_of_this_machine() -> None:
    platform = {tag.platform for tag in PYTHON.tags if tag.interpreter == "cp39" and tag.abi == "cp39"}
    assert any(name.startswith("linux_") for name in platform)
    assert not any(tag.interpreter == "cp311" for tag in PYTHON.tags)


def test_another_implementation_has_no_tags() -> None:
    pypy = Interpreter(implementation="PyPy", version="3.10.14", executable=Path("/pypy3"))
    assert of_this_machine(pypy).tags == frozenset()
    assert isinstance(of_this_machine(pypy), TargetPython)
