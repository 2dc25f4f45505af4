from __future__ import annotations

import pytest

from nox_pex.system.wording import counted, did_you_mean, either, megabytes, nearest, size_change, size_text


@pytest.mark.parametrize(("size", "text"), [(0, "0.0 MB"), (49_999, "0.0 MB"), (12_345_678, "12.3 MB")])
def test_a_size_is_shown_in_megabytes(size: int, text: str) -> None:
    assert megabytes(size) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 wheels"), (1, "1 wheel"), (2, "2 wheels")])
def test_a_noun_has_the_number_of_the_things(number: int, text: str) -> None:
    assert counted([None] * number, "wheel") == text


def test_the_nearest_name_is_the_one_that_was_most_likely_meant() -> None:
    assert nearest("wroker", iter(["api", "work", "worker"])) == "worker"
    assert nearest("zzz", ["api", "worker"]) is None
    assert nearest("api", []) is None


@pytest.mark.parametrize(("names", "text"), [("a", "a"), ("ab", "a or b"), ("abc", "a, b or c")])
def test_alternatives_have_an_or_before_the_last(names: str, text: str) -> None:
    assert either(names) == text


def test_the_remedy_for_an_unknown_name_is_the_nearest_or_the_list() -> None:
    names = {"worker", "api"}
    assert did_you_mean("wroker", names, otherwise="there are") == "correct the name (did you mean 'worker'?)"
    assert did_you_mean("zzz", names, otherwise="there are") == "there are api, worker"
    assert did_you_mean("zzz", (), otherwise="it has") == "it has none"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (12_400, "12 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (63_400_000, "63.4 MB"),
    ],
)
def test_a_size_has_the_unit_that_fits(size: int, text: str) -> None:
    assert size_text(size) == text
    assert size_change(-size) == (f"-{text}" if size else text)
    assert size_change(size) == (f"+{text}" if size else text)
