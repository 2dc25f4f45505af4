from __future__ import annotations

from pathlib import Path

from nox_pex.verify.archive import open_pex
from nox_pex.verify.gates import reproducible
from tests.support.pex_files import archive

INFO = "{}"


def test_only_the_packing_differs(tmp_path: Path) -> None:
    one = archive(tmp_path / "one.pex", {"PEX-INFO": INFO, "main.py": "x = 1\n" * 99}, compression=0)
    other = archive(tmp_path / "other.pex", {"PEX-INFO": INFO, "main.py": "x = 1\n" * 99}, compression=8)
    with open_pex(one) as pex:
        (problem,) = reproducible.judge(pex, other, own_wheels=()).problems
    assert problem == "a second build has the same members, packed differently"
