from __future__ import annotations

from pathlib import Path

import pytest

from nox_pex.distributions.entry_points import generated_scripts
from nox_pex.verify.archive import open_pex
from nox_pex.verify.container import read_text
from nox_pex.verify.pex_distributions import (
    Location,
    distributions,
    location_in_environment,
    location_in_wheel,
    parse_record,
)
from tests.support.pex_files import archive, recorded, zipapp

NAME = "data-dist"


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("pkg/mod.py", Location(scheme="lib", path="pkg/mod.py")),
        ("Data_Dist-1.data/purelib/mod.py", Location(scheme="lib", path="mod.py")),
        ("Data_Dist-1.data/platlib/mod.so", Location(scheme="lib", path="mod.so")),
        ("Data_Dist-1.data/scripts/tool", Location(scheme="scripts", path="tool")),
        ("Data_Dist-1.data/data/share/x.txt", Location(scheme="data", path="share/x.txt")),
        ("Data_Dist-1.data/headers/d.h", Location(scheme="headers", path="d.h")),
        (".prefix/bin/tool", Location(scheme="scripts", path="tool")),
        (".prefix/data/share/x.txt", Location(scheme="data", path="share/x.txt")),
        (".prefix/include/site/pythonX.Y/Data_Dist/d.h", Location(scheme="headers", path="d.h")),
        (".prefix/platlib/mod.so", Location(scheme="lib", path="mod.so")),
    ],
)
def test_a_file_of_a_wheel_is_installed_by_its_scheme(path: str, place: Location) -> None:
    assert location_in_wheel(path, name=NAME) == place


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("pkg/mod.py", Location(scheme="lib", path="pkg/mod.py")),
        ("./mod.py", Location(scheme="lib", path="mod.py")),
        ("../../../bin/tool", Location(scheme="scripts", path="tool")),
        ("../../../share/x.txt", Location(scheme="data", path="share/x.txt")),
        ("../../../include/site/python3.11/data_dist/d.h", Location(scheme="headers", path="d.h")),
        ("../../../include/d.h", Location(scheme="data", path="include/d.h")),
    ],
)
def test_a_row_of_a_record_leads_to_the_same_location(path: str, place: Location) -> None:
    assert location_in_environment(path, name=NAME, site_packages="lib/python3.11/site-packages") == place


def test_a_file_in_an_unknown_part_of_the_prefix_is_data() -> None:
    assert location_in_wheel(".prefix", name=NAME) == Location(scheme="data", path="")
    assert location_in_wheel(".prefix/purelib", name=NAME) == Location(scheme="data", path="purelib")
    assert location_in_wheel("Data_Dist-1.data/scripts", name=NAME).scheme == "lib"
    other = ".prefix/include/site/python3.11/other_dist/d.h"
    assert location_in_wheel(other, name=NAME) == Location(scheme="data", path=other.removeprefix(".prefix/"))


def test_the_rows_of_a_record_may_have_no_digest() -> None:
    rows = list(parse_record('a.py,sha256=abc_-,3\n"b,c.py",,\n\nx.dist-info/RECORD,,\n'))
    assert [(row.path, row.algorithm, row.digest) for row in rows] == [
        ("a.py", "sha256", "abc_-"),
        ("b,c.py", "", ""),
        ("x.dist-info/RECORD", "", ""),
    ]


def test_distributions_are_those_of_the_wheels_and_those_among_loose_files(tmp_path: Path) -> None:
    path = zipapp(
        tmp_path / "x.pex",
        {
            "Data_Dist-1.0-py3-none-any.whl": recorded("Data_Dist", "1.0", {"vendored/y-1.dist-info/METADATA": b""}),
            "two-2.0-py3-none-any.whl": {"two-2.0.dist-info/METADATA": b"Name: two\n", "other.dist-info/METADATA": b""},
            "not a wheel": {"a.py": b""},
        },
        loose={
            "x.egg-info/PKG-INFO": b"Name: Loose.Dist\nVersion: 3\n",
            "vendored/y-1.dist-info/METADATA": b"Name: y\n",
        },
    )
    with open_pex(path) as pex:
        found = [(d.name, d.version, d.dist_info, d.where) for d in distributions(pex)]
    assert found == [
        ("data-dist", "1.0", "Data_Dist-1.0.dist-info", ".deps/Data_Dist-1.0-py3-none-any.whl"),
        ("two", "2.0", None, ".deps/two-2.0-py3-none-any.whl"),
        ("not a wheel", "", None, ".deps/not a wheel"),
        ("loose-dist", "3", None, "among the loose files"),
    ]


def test_scripts_of_both_kinds_are_generated_by_an_installer(tmp_path: Path) -> None:
    points = "[console_scripts]\nrun = a:main\n[gui_scripts]\nshow = a:show\n[other]\nx = y\n"
    with open_pex(archive(tmp_path / "x.pex", {"PEX-INFO": "{}", "a.dist-info/entry_points.txt": points})) as pex:
        assert set(generated_scripts(read_text(pex.container, "a.dist-info/entry_points.txt"))) == {"run", "show"}
        assert generated_scripts(read_text(pex.container, "b.dist-info/entry_points.txt")) == {}
