from __future__ import annotations

import pytest

from nox_pex.pex.exclude import is_excluded


@pytest.mark.parametrize(
    ("exclude", "excluded"),
    [
        (("Zope_Parts",), True),
        (("zope.parts<3",), True),
        (("zope-parts>=2.0b1",), True),
        (("zope-parts<2.0b1",), False),
        (("zope",), False),
        (("not a requirement!", "zope-parts"), True),
        ((), False),
    ],
)
def test_a_distribution_is_excluded_by_its_name_and_its_version(exclude: tuple[str, ...], *, excluded: bool) -> None:
    assert is_excluded("zope-parts", "2.0b1", exclude) is excluded
