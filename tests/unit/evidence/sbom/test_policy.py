from __future__ import annotations

import pytest

from nox_pex.evidence.sbom.policy import Policy, parse, reference

CLASSPATH = "GPL-2.0-only WITH Classpath-exception-2.0"


@pytest.mark.parametrize(
    ("expression", "allow", "deny", "refused"),
    [
        ("MIT", (), (), False),
        ("MIT", ("MIT",), (), False),
        ("MIT", ("mit",), (), False),
        ("MIT", ("BSD-3-Clause",), (), True),
        ("MIT", (), ("MIT",), True),
        ("MIT", ("MIT",), ("MIT",), True),
        ("MIT OR GPL-3.0-only", ("MIT",), (), False),
        ("MIT OR GPL-3.0-only", (), ("MIT",), False),
        ("MIT OR GPL-3.0-only", (), ("MIT", "GPL-3.0-only"), True),
        ("MIT OR GPL-3.0-only", ("MIT",), ("MIT",), True),
        ("MIT OR GPL-3.0-only", ("MIT", "GPL-3.0-only"), ("GPL-3.0-only",), False),
        ("MIT AND GPL-3.0-only", ("MIT",), (), True),
        ("MIT AND GPL-3.0-only", (), ("GPL-3.0-only",), True),
        ("MIT AND GPL-3.0-only", ("MIT", "GPL-3.0-only"), (), False),
        ("MIT AND GPL-3.0-only", ("GPL-3.0-only AND MIT",), (), False),
        ("MIT", ("GPL-3.0-only AND MIT",), (), True),
        ("Apache-2.0 AND (MIT OR GPL-3.0-only)", ("MIT", "Apache-2.0"), (), False),
        ("Apache-2.0 OR MIT AND GPL-3.0-only", ("MIT",), (), True),
        ("(Apache-2.0 OR MIT) AND ISC", ("MIT", "ISC"), (), False),
        (CLASSPATH, ("GPL-2.0-only",), (), False),
        (CLASSPATH, (CLASSPATH,), (), False),
        (CLASSPATH, ("MIT",), (), True),
        (CLASSPATH, (), ("GPL-2.0-only",), True),
        (CLASSPATH, (CLASSPATH,), ("GPL-2.0-only",), False),
        ("GPL-2.0-only", (CLASSPATH,), (), True),
        ("GPL-2.0-only", ("GPL-2.0",), (), False),
        ("GPL-2.0-or-later", (), ("GPL-2.0+",), True),
        ("GPL-2.0-or-later", ("GPL-2.0-only",), (), False),
        ("GPL-2.0-only", ("GPL-2.0-or-later",), (), True),
        ("Apache-2.0+", ("Apache-2.0",), (), False),
        ("LicenseRef-BSD-License", ("LicenseRef-BSD-License",), (), False),
        ("LicenseRef-unknown-shelf", ("MIT",), (), True),
        ("LicenseRef-unknown-shelf", (), ("MIT",), False),
    ],
)
def test_a_policy(expression: str, allow: tuple[str, ...], deny: tuple[str, ...], *, refused: bool) -> None:
    assert Policy(allow=allow, deny=deny).refuses(expression) is refused


def test_an_expression_of_many_levels_ends() -> None:
    text = "MIT"
    for _ in range(50):
        text = f"ISC OR (Apache-2.0 AND ({text}))"
    assert not Policy(allow=("ISC",)).refuses(text)
    assert parse("").text == ""
    assert parse("(MIT").text == "MIT"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("BSD License", "LicenseRef-BSD-License"),
        ("unknown-shelf", "LicenseRef-unknown-shelf"),
        ("GPL (v2, oder später)", "LicenseRef-GPL-v2-oder-sp-ter"),
        ("…", "LicenseRef-unnamed"),
    ],
)
def test_a_name_becomes_an_identifier(name: str, expected: str) -> None:
    assert reference(name) == expected
