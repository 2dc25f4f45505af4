from __future__ import annotations

import pytest

from nox_pex.system.fingerprint import Inputs, changes, digests

BEFORE: Inputs = {"lock": {"poetry.lock": "1"}, "sources": {"a.py": "1", "b.py": "2"}, "tools": {"pex": "2.1"}}


@pytest.mark.parametrize(
    ("after", "differences"),
    [
        (BEFORE, ()),
        ({**BEFORE, "lock": {"poetry.lock": "2"}}, ("poetry.lock changed",)),
        ({**BEFORE, "sources": {"a.py": "1", "c.py": "2"}}, ("b.py removed", "c.py added")),
        ({**BEFORE, "tools": {"pex": "2.2"}}, ("pex 2.1 -> 2.2",)),
        ({**BEFORE, "tools": {"pex": "2.1 abc"}}, ("pex changed",)),
        ({"lock": BEFORE["lock"], "sources": BEFORE["sources"]}, ("pex removed",)),
        ({**BEFORE, "new": {"thing": "1"}}, ("thing added",)),
    ],
)
def test_each_difference_is_named(after: Inputs, differences: tuple[str, ...]) -> None:
    assert changes(BEFORE, after) == differences
    assert (digests(BEFORE) == digests(after)) == (not differences)


@pytest.mark.parametrize(("number", "last"), [(3, "2.py added"), (4, "3.py added"), (5, "1 more"), (9, "5 more")])
def test_four_differences_are_named_and_the_others_are_counted(number: int, last: str) -> None:
    found = changes({}, {"sources": {f"{position}.py": "1" for position in range(number)}})
    assert found[:3] == ("0.py added", "1.py added", "2.py added")
    assert found[-1] == last
    assert len(found) == min(number, 5)


def test_the_cause_is_named_before_its_consequences() -> None:
    before = {"distributions": {"a": "1", "b": "1"}, "python": {"python": "CPython 3.11"}, "tools": {"pex": "2.1"}}
    after = {"distributions": {"a": "1 x", "b": "1 x"}, "python": {"python": "CPython 3.12"}, "tools": {"pex": "2.2"}}
    assert changes(before, after) == ("python changed", "pex 2.1 -> 2.2", "a changed", "b changed")


@pytest.mark.parametrize("kind", ["python", "tools", "recipe", "settings", "lock"])
def test_the_kinds_of_a_cause_are_named_before_any_other_kind(kind: str) -> None:
    assert changes({}, {"aaa": {"consequence": "1"}, kind: {"cause": "1"}}) == ("cause added", "consequence added")


def test_a_distribution_with_another_version_is_named_with_both() -> None:
    before, after = (
        {"distributions": {"a": "1.0 abc", "b": "1.0 abc"}},
        {"distributions": {"a": "1.1 def", "b": "1.0 d"}},
    )
    assert changes(before, after) == ("a 1.0 -> 1.1", "b changed")
    assert changes({"settings": {"pex-version": "2.1"}}, {"settings": {"pex-version": "2.2"}}) == (
        "pex-version changed",
    )


def test_a_digest_does_not_depend_on_order_and_keeps_items_apart() -> None:
    assert digests({"k": {"a": "1", "b": "2"}}) == digests({"k": {"b": "2", "a": "1"}})
    assert digests({"k": {"a": "1", "b": "2"}}) != digests({"k": {"a": "2", "b": "1"}})
    assert digests({"k": {"ab": ""}}) != digests({"k": {"a": "b"}})


def test_names_that_are_not_utf_8_differ() -> None:
    assert digests({"sources": {"\udcff.py": "1"}}) != digests({"sources": {"\udcfe.py": "1"}})
