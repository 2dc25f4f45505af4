"""The schemas; `tests/unit/settings/test_schema.py` has the tests of the file in the package."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import pytest

from nox_pex import site
from reference import keys, schema

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("A `key`.", "A `key`.\nhttps://example.com/x"),
        ("A [key](a.md).", f"A key.\n{site.DOCS}a.html"),
        ("Of [the b](a.md#b-c) and [c](d.md).", f"Of the b and c.\n{site.DOCS}a.html#b-c"),
    ],
)
def test_a_description_in_plain_text_has_the_address_of_its_first_link_in_a_second_line(
    markdown: str, expected: str
) -> None:
    assert schema.plain(markdown, page="https://example.com/x") == expected


def test_an_anchor_is_that_of_the_heading_above_the_table() -> None:
    assert {name: schema.anchor(table) for name, table in keys.tables().items() if name in ("Binary", "Capture")} == {
        "Binary": "toolnox-pexbinaryname",
        "Capture": "a-captured-value",
    }


def test_a_key_leads_to_the_section_about_its_value_or_else_to_that_of_its_table() -> None:
    binary = schema.settings()["properties"]["binary"]["additionalProperties"]["properties"]
    addresses = {name: key["description"].splitlines()[-1] for name, key in binary.items()}

    assert addresses["script"] == f"{site.DOCS}settings.html#toolnox-pexbinaryname"
    assert addresses["budget"] == f"{site.DOCS}settings.html#toolnox-pexbinarynamebudget"
    assert addresses["scie"] == f"{site.DOCS}scie.html"


def test_types_that_cannot_be_one_list_are_refused() -> None:
    with pytest.raises(KeyError):
        schema._of(Literal["a"] | int)  # noqa: SLF001  # no key has such a type


def test_each_address_is_that_of_a_page_and_of_a_heading_in_it() -> None:
    addresses = set(re.findall(rf"{re.escape(site.DOCS)}([\w/-]+)\.html(?:#([\w-]+))?", schema.text(schema.settings())))

    assert len(addresses) > 20
    for page, anchor in addresses:
        headings = re.findall(r"^#+ (.+)$", (DOCS / f"{page}.md").read_text("utf-8"), re.MULTILINE)
        assert anchor in {"", *(re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings)}, page
