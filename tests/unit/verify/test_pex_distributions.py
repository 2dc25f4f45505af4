from __future__ import annotations

import pytest

from nox_pex.verify.pex_distributions import (
    Location,
    location_in_environment,
    location_in_wheel,
)

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
def test_where_a_file_of_a_wheel_goes(path: str, place: Location) -> None:
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
def test_where_an_installed_file_lies(path: str, place: Location) -> None:
    assert location_in_environment(path, name=NAME, site_packages="lib/python3.11/site-packages") == place
