from __future__ import annotations

from typing import ClassVar

import msgspec
import pytest

from nox_pex.settings.table import Table
from reference import keys


class Described(Table, frozen=True, kw_only=True):
    """A table."""

    example: ClassVar[str] = "{}"

    first_key: int
    """One text,
    in two lines."""
    general: tuple[str, ...] = msgspec.field(default=(), name="global")
    r"""With a \ in it."""

    late: dict[str, str] = msgspec.field(default_factory=dict)
    """Another."""


class NotDescribed(Table, frozen=True, kw_only=True):
    """A table."""

    first: int = 1
    second: int = 2
    """It belongs to the second key."""


def test_a_key_has_the_text_below_it() -> None:
    assert [(key.name, key.kind, key.default, key.description) for key in keys.keys(Described)] == [
        ("first-key", int, msgspec.NODEFAULT, "One text, in two lines."),
        ("global", tuple[str, ...], (), "With a \\ in it."),
        ("late", dict[str, str], {}, "Another."),
    ]


def test_a_key_without_a_description_is_refused() -> None:
    with pytest.raises(KeyError, match="first"):
        keys.keys(NotDescribed)


def test_each_table_of_the_settings_is_found_at_any_depth() -> None:
    found = keys.tables()

    assert list(found)[:2] == ["Settings", "Attest"]
    assert {"Binary", "Smoke", "HttpCheck", "TextMatch", "Healthcheck"} <= found.keys()
