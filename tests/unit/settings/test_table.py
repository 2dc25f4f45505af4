from __future__ import annotations

import msgspec
import pytest

from nox_pex.settings.table import Seconds, Table, Timeout


class Example(Table, frozen=True, kw_only=True):
    some_key: Seconds = 0.0
    other: Timeout = 1.0


def test_keys_are_kebab_case_and_an_unknown_key_is_an_error() -> None:
    assert msgspec.convert({"some-key": 2}, Example) == Example(some_key=2.0)
    with pytest.raises(msgspec.ValidationError, match="unknown field `some_key`"):
        msgspec.convert({"some_key": 2}, Example)


def test_a_duration_is_at_most_a_day_and_a_timeout_is_more_than_nothing() -> None:
    assert msgspec.convert({"some-key": 0, "other": 86_400}, Example) == Example(some_key=0.0, other=86_400.0)
    for table in ({"some-key": -0.1}, {"some-key": 86_400.1}, {"other": 0}, {"other": 86_400.1}):
        with pytest.raises(msgspec.ValidationError, match="Expected `float`"):
            msgspec.convert(table, Example)
