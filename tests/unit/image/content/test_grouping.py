from __future__ import annotations

from nox_pex.image.content import grouping

MANY = {f"name{number}": 1000 + number for number in range(300)} | {f"big{number}": 10_000_000 for number in range(10)}


def test_each_distribution_has_a_layer_if_there_are_enough() -> None:
    assert grouping.groups({"b": 1, "a": 1 << 30}, most=2) == (("a",), ("b",))
    assert grouping.groups({}, most=98) == ()


def test_of_many_the_small_ones_share_layers() -> None:
    groups = grouping.groups(MANY, most=98)
    assert len(groups) <= 98
    assert sorted(name for group in groups for name in group) == sorted(MANY)
    assert all((f"big{number}",) in groups for number in range(10))
    assert len(groups) > 30  # and not all in one


def test_another_version_moves_no_other_distribution() -> None:
    before = set(grouping.groups(MANY, most=98))
    assert set(grouping.groups({**MANY, "name7": 60_000}, most=98)) == before
    larger = set(grouping.groups({**MANY, "name7": 70_000}, most=98))  # now it has a layer alone
    assert len(before - larger) == 1
    without = set(grouping.groups({name: size for name, size in MANY.items() if name != "name9"}, most=98))
    assert len(before - without) == 1


def test_many_large_ones_fit_too() -> None:
    for most in (1, 2, 3, 98):
        groups = grouping.groups({f"name{number}": number << 20 for number in range(200)}, most=most)
        assert 1 <= len(groups) <= most
