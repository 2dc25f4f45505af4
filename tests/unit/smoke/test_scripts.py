from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.errors import NoxPexError
from nox_pex.settings.checks import CommandCheck
from nox_pex.settings.smoke import Smoke
from nox_pex.smoke.scripts import check_scripts
from tests.support.small_pex import SmallPex

SHOP = {"shop-1.0-py3-none-any.whl": {"shop-1.0.dist-info/entry_points.txt": b"[console_scripts]\nserve = a:b\n"}}


def check(binary: Path, *scripts: str | None) -> None:
    smoke = Smoke(command=tuple(CommandCheck(script=script) for script in scripts))
    check_scripts(smoke, binary, key="tool.nox-pex.binary.shop")


def test_a_script_that_is_not_in_the_binary_is_an_error(tmp_path: Path) -> None:
    binary = SmallPex(wheels=SHOP).write(tmp_path / "shop.pex")
    check(binary, None, "serve")
    with pytest.raises(NoxPexError) as caught:
        check(binary, None, "srve")
    assert caught.value.code == "entry-missing"
    assert caught.value.problem == (
        "tool.nox-pex.binary.shop.smoke.command[1].script is 'srve', and shop.pex has no such script"
    )
    assert caught.value.remedy == "correct the name (did you mean 'serve'?)"


def test_a_file_that_is_no_pex_is_left_to_the_smoke_test(tmp_path: Path) -> None:
    (tmp_path / "shop.pex").write_bytes(b"no archive")
    check(tmp_path / "shop.pex", "serve")
    check(tmp_path / "missing.pex", "serve")
