from __future__ import annotations

from typing import Any

import pytest
from cyclonedx.spdx import is_supported_id
from license_expression import Licensing

from nox_pex.evidence.sbom import cyclonedx_script as script


@pytest.fixture(scope="module")
def licensing() -> Licensing:
    return script.make_licensing()


def licences(expression: str = "", text: str = "", classifiers: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"expression": expression, "text": text, "classifiers": list(classifiers)}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (licences("mit or (apache-2.0 and LicenseRef-Own)"), (["MIT OR (Apache-2.0 AND LicenseRef-Own)"], [])),
        (licences("GPL-2.0+"), (["GPL-2.0-or-later"], [])),
        (
            licences("GPL-2.0-only WITH Classpath-exception-2.0"),
            (["GPL-2.0-only WITH Classpath-exception-2.0"], []),
        ),
        (licences("MITT"), ([], ["MITT"])),
        (licences("MIT AND"), ([], ["MIT AND"])),
        (licences("MIT WITH Apache-2.0"), ([], ["MIT WITH Apache-2.0"])),
        (licences("(" * 500), ([], [f"{'(' * 99}…"])),
        (licences("MIT", text="GPL", classifiers=("BSD License",)), (["MIT"], [])),
        (licences(text="MIT"), (["MIT"], [])),
        (licences(text="The MIT License (MIT)"), (["MIT"], [])),
        (licences(text="Apache License, Version 2.0"), (["Apache-2.0"], [])),
        (licences(text="Apache 2.0"), (["Apache-2.0"], [])),
        (licences(text="BSD 3-Clause OR Apache-2.0"), (["BSD-3-Clause OR Apache-2.0"], [])),
        (licences(text="MIT License\n\nCopyright (c) 2020 Jo\nPermission is hereby"), (["MIT"], [])),
        (licences(text="BSD"), ([], ["BSD"])),
        (licences(text="BSD", classifiers=("BSD License",)), ([], ["BSD License"])),
        (licences(text="x" * 500), ([], [f"{'x' * 99}…"])),
        (licences(text="Dual License", classifiers=("BSD License", "MIT License")), (["MIT"], ["BSD License"])),
        (licences(classifiers=("MIT License", "ISC License (ISCL)")), (["MIT", "ISC"], [])),
        (licences(classifiers=("Apache Software License",)), ([], ["Apache Software License"])),
        (licences(classifiers=("GNU General Public License v2 or later (GPLv2+)",)), (["GPL-2.0-or-later"], [])),
        (licences(classifiers=("Other/Proprietary License",)), ([], ["Other/Proprietary License"])),
        (licences(classifiers=("Public Domain",)), ([], ["Public Domain"])),
        (licences(), ([], [])),
    ],
)
def test_declared_licences(licensing: Licensing, given: dict[str, Any], expected: tuple[list[str], list[str]]) -> None:
    assert script.declared(given, licensing) == expected


@pytest.mark.parametrize("name", ["BSD License", "BSD", "GPL", "LGPL", "Apache Software License", "PSF", "ZPL", "AFL"])
def test_a_name_that_several_licences_have_is_no_identifier(licensing: Licensing, name: str) -> None:
    assert script.canonical(name, licensing) is None


def test_every_alias_belongs_to_one_licence(licensing: Licensing) -> None:
    for identifier, names in script.ALIASES.items():
        assert is_supported_id(identifier)
        for name in names:
            assert script.canonical(name, licensing) == identifier
