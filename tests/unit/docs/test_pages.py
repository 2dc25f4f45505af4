from __future__ import annotations

import pytest

from nox_pex.errors import CODES
from reference import pages

PAGE = """# Title

<!-- settings: Sbom -->

old
<!-- end -->

<!-- error: no-lock -->
<!-- end -->

**When**: stays.

<!-- errors: no-lock..lock-stale -->
<!-- end -->

<!-- end -->
"""


def test_only_the_parts_between_the_lines_change() -> None:
    text = pages.renewed(PAGE)

    assert "old" not in text
    assert "| `allow-licenses` | array of strings | `[]` | The licences that are allowed" in text
    assert f"<!-- error: no-lock -->\n\n### `no-lock`\n\n{CODES['no-lock']}\n\n<!-- end -->\n\n**When**: stays." in text
    assert f"| [`lock-stale`](errors.md#lock-stale) | {CODES['lock-stale']} |\n\n<!-- end -->\n\n<!-- end -->\n" in text
    assert pages.renewed(text) == text


@pytest.mark.parametrize("name", ["settings: Nothing", "error: nothing", "errors: no-lock..nothing"])
def test_a_part_about_nothing_is_refused(name: str) -> None:
    with pytest.raises((LookupError, ValueError), match=r"[Nn]othing"):
        pages.renewed(f"<!-- {name} -->\n<!-- end -->")


def test_a_key_without_a_default_has_an_empty_cell() -> None:
    assert "| `builder-id` | string | | A URI" in pages.settings_table("Attest")
