"""The expected requirements are those in a PEX-INFO that pex 2.105.2 wrote; its source says why."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from nox_pex.distributions import dist_info, target_python
from nox_pex.distributions.interpreter import Interpreter
from nox_pex.pex import noted_requirements
from nox_pex.pex.disagreements import Member

PYTHON = target_python.of_this_machine(
    Interpreter(implementation="CPython", version="3.11.7", executable=Path("/python/3.11"))
)


def noted(*pins: str, requires: tuple[str, ...] | None = None, name: str = "shop", version: str = "1.0") -> list[str]:
    """The noted requirements; the project is no package if `requires` is None."""
    project = None
    if requires is not None:
        fields = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        fields += "".join(f"Requires-Dist: {each}\n" for each in requires)
        info = dist_info.packable({"METADATA": fields.encode()}, direct=False, pythons=[PYTHON], libraries=())
        project = Member(name=canonicalize_name(name), version=version, info=info, targets=frozenset({0}))
    return noted_requirements.noted(pins, project=project, pythons=[PYTHON])


def test_pins_are_noted_sorted_and_once() -> None:
    assert noted("idna==3.11", "board==1.0", "idna==3.11") == ["board==1.0", "idna==3.11"]
    assert noted() == []


def test_a_pin_with_a_marker_keeps_it() -> None:
    pin = 'idna==3.11; python_version == "3.11"'
    assert noted(pin) == [pin]


@pytest.mark.parametrize(("name", "version"), [("shop", "1.0"), ("Shop.Front", "1.0+local.1"), ("shop", "1.00")])
def test_the_project_is_noted_as_its_metadata_names_it(name: str, version: str) -> None:
    assert noted("idna==3.11", requires=(), name=name, version=version) == sorted([f"{name}=={version}", "idna==3.11"])


@pytest.mark.parametrize(
    ("requirement", "left_out"),
    [
        ("idna==3.11", True),
        ("IDNA == 3.11", True),
        ("idna==3.11; python_version >= '3'", True),
        ("idna==3.11; python_version < '3'", False),
        ("idna==3.11; extra == 'fast'", False),
        ("idna", False),
        ("idna>=3", False),
        ("idna==3.11.0", True),
        ("idna===3.11", False),
        ("idna[fast]==3.11", False),
        ("idna @ https://files.example/idna-3.11-py3-none-any.whl", False),
        ("board==3.11", False),
    ],
)
def test_a_pin_that_the_project_demands_itself_is_not_noted_again(requirement: str, *, left_out: bool) -> None:
    assert noted("idna==3.11", requires=(requirement,)) == (["shop==1.0"] if left_out else ["idna==3.11", "shop==1.0"])


def test_a_pin_with_a_marker_is_noted_although_the_project_demands_it() -> None:
    pin = 'idna==3.11; python_version == "3.11"'
    assert noted(pin, requires=("idna==3.11",)) == [pin, "shop==1.0"]
