from __future__ import annotations

import pytest
from packaging.utils import parse_wheel_filename

from nox_pex.tools import pinned
from nox_pex.tools.wheels import WHEELS


@pytest.mark.parametrize(("name", "version"), [("poetry", pinned.POETRY), ("pex", pinned.PEX)])
def test_the_wheels_of_each_pinned_tool_have_hashes_of_its_requirement_file(name: str, version: str) -> None:
    text = next(each for each in pinned.LOCKED if each.name == name).file.read_text("utf-8")
    pin = next(line for line in text.replace("\\\n", "").splitlines() if line.startswith(f"{name}=={version} "))
    wheels = {file: sha256 for file, sha256 in WHEELS.items() if parse_wheel_filename(file)[0] == name}
    assert wheels, f"add the wheels of {name} {version} to tools/wheels.py"
    for file, sha256 in wheels.items():
        assert str(parse_wheel_filename(file)[1]) == version
        assert f"--hash=sha256:{sha256}" in pin
