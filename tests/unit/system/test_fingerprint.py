from __future__ import annotations

import pytest

from nox_pex.system.fingerprint import Inputs, changes, digests

BEFORE: Inputs = {"lock": {"poetry.lock": "1"}, "sources": {"a.py": "1", "b.py": "2"}, "tools": {"pex": "2.1"}}


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (BEFORE, ()),
        ({**BEFORE, "lock": {"poetry.lock": "2"}}, ("poetry.lock changed",)),
        ({**BEFORE, "sources": {"a.py": "1", "c.py": "2"}}, ("b.py removed", "c.py added")),
        ({**BEFORE, "tools": {"pex": "2.2"}}, ("pex 2.1 -> 2.2",)),
        ({**BEFORE, "tools": {"pex": "2.1 built anew"}}, ("pex changed",)),
        ({"lock": BEFORE["lock"], "sources": BEFORE["sources"]}, ("pex removed",)),
        ({**BEFORE, "new": {"thing": "1"}}, ("thing added",)),
    ],
)
def test_each_difference_is_named(after: Inputs, words: tuple[str, ...]) -> None:
    assert changes(BEFORE, after) == words
    assert (digests(BEFORE) == digests(after)) == (not words)


def test_many_differences_are_counted() -> None:
    after = {"sources": {f"{number}.py": "1" for number in range(9)}}
    assert changes({}, after) == ("0.py added", "1.py added", "2.py added", "3.py added", "5 more")


def test_what_the_others_follow_from_is_named_first() -> None:
    before = {"distributions": {"a": "1", "b": "1"}, "python": {"python": "CPython 3.11"}, "tools": {"pex": "2.1"}}
    after = {"distributions": {"a": "1 x", "b": "1 x"}, "python": {"python": "CPython 3.12"}, "tools": {"pex": "2.2"}}
    assert changes(before, after) == ("python changed", "pex 2.1 -> 2.2", "a changed", "b changed")


def test_a_digest_does_not_depend_on_order_and_keeps_items_apart() -> None:
    assert digests({"k": {"a": "1", "b": "2"}}) == digests({"k": {"b": "2", "a": "1"}})
    assert digests({"k": {"a": "1", "b": "2"}}) != digests({"k": {"a": "2", "b": "1"}})
    assert digests({"k": {"ab": ""}}) != digests({"k": {"a": "b"}})


def test_a_name_that_is_no_utf_8() -> None:
    assert digests({"sources": {"\udcff.py": "1"}}) != digests({"sources": {"\udcfe.py": "1"}})
