"""docs/settings.md against the tables."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from nox_pex.settings.attest import Attest
from nox_pex.settings.checks import Capture, CommandCheck, HttpCheck, TcpCheck, TextMatch
from nox_pex.settings.image import EngineArgs, Healthcheck, Image
from nox_pex.settings.model import Binary, Settings, Sources
from nox_pex.settings.sbom import Sbom
from nox_pex.settings.smoke import Budget, Ready, Smoke
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


def default_in_toml(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None or value is msgspec.UNSET:
        return ""
    if isinstance(value, msgspec.Struct):
        return "`{}`"
    return f"`{json.dumps(str(value) if isinstance(value, Path) else value)}`"


def test_the_document_has_every_key_with_its_default() -> None:
    sections = re.split(r"^## `(.+)`$", DOCUMENT, flags=re.MULTILINE)
    documented = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert documented.keys() == HEADINGS.keys()
    below, first, second = re.split(
        r"^### A condition on a header$|^### A captured value$",
        documented["[[tool.nox-pex.binary.NAME.smoke.http]]"],
        flags=re.MULTILINE,
    )
    documented |= {"[[tool.nox-pex.binary.NAME.smoke.http]]": below, "header": first, "capture": second}
    tables: dict[str, type[msgspec.Struct]] = {**HEADINGS, "header": TextMatch, "capture": Capture}
    for heading, table in tables.items():
        rows = re.findall(r"^\| `([a-z-]+)` \| .+? \| ?(.*?) \| .+ \|$", documented[heading], re.MULTILINE)
        assert rows == [(field.encode_name, default_in_toml(field)) for field in msgspec.structs.fields(table)]


@pytest.mark.parametrize("example", re.findall(r"^```toml\n(.+?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL))
def test_the_examples_in_the_document_are_valid(example: str) -> None:
    assert parsed(example, scripts={"app": "app:main"}).binary
