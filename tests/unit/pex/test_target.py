from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.pex.target import platforms_of
from nox_pex.poetry.selection import Selection
from tests.support.fake_environment import FakeEnvironment
from tests.unit.pex.conftest import MakeTarget


@pytest.mark.parametrize(("suffix", "stem"), [("", "shop"), ("-py3.12", "shop-py3.12")])
def test_every_file_of_a_binary_begins_with_its_name_and_the_python(
    make_target: MakeTarget, tmp_path: Path, suffix: str, stem: str
) -> None:
    target = make_target(suffix=suffix, settings={"output-dir": Path("out/put")})
    assert target.stem == stem
    assert target.directory == tmp_path / "shop" / "out" / "put"
    assert target.output == target.directory / f"{stem}.pex"
    assert target.record == target.directory / f"{stem}.pex.json"
    assert target.file("smoke.xml") == target.directory / f"{stem}.smoke.xml"
    assert target.build_prefix == target.directory / f".{stem}.pex."
    assert target.state_file("lock") == tmp_path / "state" / f"{stem}.lock"


def test_a_target_has_its_table_and_the_name_of_the_table(make_target: MakeTarget) -> None:
    target = make_target(script="serve")
    assert target.table.script == "serve"
    assert target.key == "tool.nox-pex.binary.shop"


def test_a_finished_binary_takes_the_place_of_the_one_that_is_built(make_target: MakeTarget) -> None:
    target = make_target()
    assert target.binary == target.output
    assert replace(target, prebuilt=Path("/x.pex")).binary == Path("/x.pex")
    assert replace(target, prebuilt=Path("/x.pex")).output == target.output


def test_the_groups_of_a_binary_are_checked_against_the_project(make_target: MakeTarget) -> None:
    assert make_target().selection == Selection(groups=("main",), extras=())
    with pytest.raises(NoxPexError) as caught:
        assert make_target(groups=["servr"]).selection.groups
    assert caught.value.code == "poetry-missing-group"


def test_a_binary_for_this_python_has_no_platforms(make_target: MakeTarget, environment: FakeEnvironment) -> None:
    assert make_target().platforms == ()
    assert platforms_of(environment.installed()) == ()


def test_the_platforms_are_read_from_the_project(make_target: MakeTarget, tmp_path: Path) -> None:
    markers: dict[str, Any] = dict.fromkeys(
        ("implementation_name", "os_name", "platform_release", "platform_system", "platform_version"), ""
    )
    markers |= {"implementation_version": "3.12.4", "python_full_version": "3.12.4", "python_version": "3.12"}
    markers |= {"platform_machine": "x86_64", "platform_python_implementation": "CPython", "sys_platform": "linux"}
    description = {"compatible_tags": ["cp312-cp312-manylinux_2_28_x86_64"], "marker_environment": markers}
    target = make_target(complete_platforms=["there.json"])
    with pytest.raises(NoxPexError) as caught:
        assert target.platforms
    assert "tool.nox-pex.binary.shop.complete-platforms" in str(caught.value)
    (tmp_path / "shop" / "there.json").write_text(json.dumps(description), "utf-8")
    assert [platform.name for platform in make_target(complete_platforms=["there.json"]).platforms] == ["there.json"]
