from __future__ import annotations

import pytest

from tests.support.settings import SERVICE, all_refused, parsed

GOOD = (
    '["MIT", "GPL-2.0-only WITH Classpath-exception-2.0", "MIT OR Apache-2.0", "LicenseRef-unknown-shelf", "GPL-2.0+"]'
)


def test_a_policy_has_spdx_expressions() -> None:
    found = parsed(f"{SERVICE}[tool.nox-pex.sbom]\nallow-licenses = {GOOD}\ndeny-licenses = {GOOD}\n").sbom
    assert found.allow_licenses == found.deny_licenses
    assert len(found.allow_licenses) == 5
    assert parsed(SERVICE).sbom.allow_licenses == ()


@pytest.mark.parametrize("entry", ["MITT", "", "BSD License", "MIT OR", "(MIT", "MIT,ISC", "LicenseRef-ä", "(" * 400])
def test_another_entry_is_refused_with_its_place(entry: str) -> None:
    (line,) = all_refused(f'{SERVICE}[tool.nox-pex.sbom]\ndeny-licenses = ["MIT", "{entry}"]\n')
    assert line.startswith(".sbom.deny-licenses[1]: ")
    assert "is not an SPDX expression" in line


def test_all_wrong_entries_are_named_and_a_long_one_is_cut() -> None:
    long = " OR ".join(["MIT"] * 200)
    lines = all_refused(f'{SERVICE}[tool.nox-pex.sbom]\nallow-licenses = ["X", "{long}"]\ndeny-licenses = ["Y"]\n')
    assert len(lines) == 3
    assert all(len(line) < 250 for line in lines)
