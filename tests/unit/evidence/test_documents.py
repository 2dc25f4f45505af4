"""The addresses in statements lead to sections of docs/evidence.md, and that page agrees with the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nox_pex.evidence import documents
from nox_pex.evidence.attestations import OUR_FILES
from nox_pex.verify.report import GATES

PAGE = (Path(__file__).parents[3] / "docs" / "evidence.md").read_text("utf-8")
ADDRESSES = [documents.BUILD_TYPE, documents.LOCAL_BUILDER, documents.VERIFIER, documents.VERIFY_POLICY]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_leads_to_its_section(address: str) -> None:
    page, _, anchor = address.partition("#")
    headings = re.findall(r"^### (.+)\n\n`(.+)`$", PAGE, re.MULTILINE)
    assert page == documents.PAGE
    assert (anchor.replace("-", " ").capitalize(), address) in headings


def test_the_page_names_the_files_and_the_levels() -> None:
    for name in OUR_FILES:
        assert f"KIND.{name.partition('.')[2]}" in PAGE
    for gate in GATES:
        assert f"`NOX_PEX_{gate.upper()}`" in PAGE
