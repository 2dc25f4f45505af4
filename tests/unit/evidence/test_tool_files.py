from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.evidence import tool_files
from nox_pex.system import files
from nox_pex.tools import pinned
from nox_pex.tools.wheels import WHEELS
from tests.support.fake_environment import WHEEL, FakeEnvironment


@pytest.fixture
def environment(tmp_path: Path) -> FakeEnvironment:
    (python := tmp_path / "python").touch()
    return FakeEnvironment(tmp_path / "environment", python=python)


def add(environment: FakeEnvironment, name: str, version: str, wheel: str = WHEEL) -> None:
    environment.add(name, {f"{name}-{version}.dist-info/WHEEL": wheel}, version=version)


def test_a_pinned_tool_is_known_by_the_hash_of_its_wheel(environment: FakeEnvironment) -> None:
    add(environment, "poetry", pinned.POETRY)
    add(environment, "pex", pinned.PEX, "Wheel-Version: 1.0\nTag: py312-none-any\nTag: py3-none-any\n")
    poetry = tool_files.installed("poetry", python=environment.path / "bin" / "python")
    pex = tool_files.installed("pex", python=environment.path / "bin" / "python")
    assert (poetry.pinned, poetry.sha256) == (True, WHEELS[f"poetry-{pinned.POETRY}-py3-none-any.whl"])
    assert (pex.pinned, pex.file) == (True, f"pex-{pinned.PEX}-py3.py312-none-any.whl")
    assert pex.as_json() == {
        "name": pex.file,
        "uri": f"pkg:pypi/pex@{pinned.PEX}",
        "digest": {"sha256": WHEELS[pex.file]},
    }


@pytest.mark.parametrize(
    ("version", "wheel"), [("2.100.0", WHEEL), (pinned.PEX, "Tag: py3-none-any\n"), (pinned.PEX, "\xff")]
)
def test_another_tool_is_known_by_the_record_of_its_files(
    environment: FakeEnvironment, version: str, wheel: str
) -> None:
    add(environment, "pex", version, wheel)
    found = tool_files.installed("pex", python=environment.path / "bin" / "python")
    record = environment.site_packages / f"pex-{version}.dist-info" / "RECORD"
    assert (found.pinned, found.version, found.file) == (False, version, f"pex-{version}.dist-info/RECORD")
    assert found.sha256 == files.digest(record)
    assert found.as_json()["annotations"] == {"installedWithoutHashes": True}


def test_a_tool_that_is_not_there_is_an_error(environment: FakeEnvironment) -> None:
    with pytest.raises(NoxPexError) as caught:
        tool_files.installed("pex", python=environment.path / "bin" / "python")
    assert caught.value.code == "tool-install"
