"""docs/settings.md against the tables."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from nox_pex.settings.attest import Attest
from nox_pex.settings.checks import CommandCheck, HttpCheck, TcpCheck
from nox_pex.settings.image import EngineArgs, Healthcheck, Image
from nox_pex.settings.model import Binary, Settings, Sources
from nox_pex.settings.sbom import Sbom
from nox_pex.settings.smoke import Budget, Ready, Smoke
from reference import keys
from tests.support.settings import parsed

DOCUMENT = (Path(__file__).parents[3] / "docs" / "settings.md").read_text("utf-8")
HEADINGS: dict[str, type[msgspec.Struct]] = {
    "[tool.nox-pex]": Settings,
    "[tool.nox-pex.attest]": Attest,
    "[tool.nox-pex.sbom]": Sbom,
    "[tool.nox-pex.binary.NAME]": Binary,
    "[tool.nox-pex.binary.NAME.sources]": Sources,
    "[tool.nox-pex.binary.NAME.smoke]": Smoke,
    "[tool.nox-pex.binary.NAME.smoke.ready]": Ready,
    "[[tool.nox-pex.binary.NAME.smoke.http]]": HttpCheck,
    "[[tool.nox-pex.binary.NAME.smoke.command]]": CommandCheck,
    "[[tool.nox-pex.binary.NAME.smoke.tcp]]": TcpCheck,
    "[tool.nox-pex.binary.NAME.budget]": Budget,
    "[tool.nox-pex.binary.NAME.image]": Image,
    "[tool.nox-pex.binary.NAME.image.healthcheck]": Healthcheck,
    "[tool.nox-pex.binary.NAME.image.engine-args]": EngineArgs,
}


def test_every_table_is_under_its_heading() -> None:
    below = re.findall(r"^## `(.+)`$|^<!-- settings: (\w+) -->$", DOCUMENT, re.MULTILINE)
    found = [heading or table for heading, table in below]
    inner = ["TextMatch", "Capture"]
    assert [each for each in found if each not in inner] == [
        part for heading, table in HEADINGS.items() for part in (heading, table.__name__)
    ]
    at = found.index("HttpCheck") + 1
    assert found[at : at + 2] == inner
    assert {*keys.tables()} == {*inner, *(table.__name__ for table in HEADINGS.values())}


@pytest.mark.parametrize("example", re.findall(r"^```toml\n(.+?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL))
def test_the_examples_in_the_document_are_valid(example: str) -> None:
    assert parsed(example, scripts={"app": "app:main"}).binary
