from __future__ import annotations

import platform
import sys
from pathlib import Path

import msgspec
import pytest

from nox_pex.distributions.interpreter import BasePython
from nox_pex.distributions.pex_file import PexError
from nox_pex.distributions.pex_info import PexInfo
from nox_pex.platforms import ask_python, runs_here
from nox_pex.platforms.platform import Platform
from nox_pex.platforms.runs_here import python_for, runs_on
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from tests.support.platforms import target

INFO = PexInfo(
    requirements=("a==1", 'win==1; sys_platform == "win32"'),
    distributions={
        "a-1-cp312-cp312-manylinux_2_28_x86_64.whl": "",
        "a-1-cp39-cp39-manylinux_2_17_aarch64.whl": "",
        "win-1-cp312-cp312-win_amd64.whl": "",
    },
)
PURE = PexInfo(requirements=("a==1",), distributions={"a-1-py3-none-any.whl": ""})


def test_a_binary_runs_if_each_requirement_that_applies_has_a_wheel() -> None:
    here = target("here")
    assert runs_on(INFO, here)
    alone = {"a-1-cp39-cp39-manylinux_2_17_aarch64.whl": ""}
    assert not runs_on(msgspec.structs.replace(INFO, distributions=alone), here)
    assert not runs_on(PexInfo(distributions=alone), here)


@pytest.mark.parametrize("requirement", ["", "a b", "a; nonsense == 1", "\x00"])
def test_a_requirement_that_is_not_valid_is_an_error_of_the_binary(requirement: str) -> None:
    with pytest.raises(PexError, match="its PEX-INFO has a requirement that is not valid"):
        runs_on(PexInfo(requirements=(requirement,)), target("here"))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Platform:
    """This machine as a target, and the only Python on it."""
    found = target("here", sys_platform=sys.platform, platform_machine=platform.machine())
    monkeypatch.setattr(runs_here, "get_interpreter", lambda _, **_options: None)
    monkeypatch.setattr(ask_python, "ask", lambda python, _: msgspec.structs.replace(found, name=str(python)))
    return found


def found_for(*platforms: Platform) -> Path | None:
    base = BasePython(name="3.12", find=lambda: Path("/usr/bin/python3.12"))
    shell = Shell(environ={}, secrets=Secrets(), say=print)
    return python_for(PURE, platforms, base=base, shell=shell)


def test_the_python_of_the_session_runs_a_binary_for_the_same_platform(here: Platform) -> None:
    assert found_for(here) == Path("/usr/bin/python3.12")


def test_no_python_runs_a_binary_for_another_machine_or_another_python(here: Platform) -> None:
    markers = {**here.markers, "platform_machine": "riscv64"}
    assert found_for(msgspec.structs.replace(here, markers=markers)) is None
    assert found_for(msgspec.structs.replace(here, markers={**here.markers, "python_version": "3.9"})) is None
