"""The document that the libraries write, read back by the library and by CycloneDX's own strict validator."""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from msgspec.structs import replace

from nox_pex.errors import NoxPexError
from nox_pex.evidence.sbom import write
from nox_pex.evidence.sbom.bill import Bill, Component, Licences, Tool
from nox_pex.evidence.sbom.write import Declared, Written
from nox_pex.system.command import Shell
from nox_pex.system.secrets import Secrets
from nox_pex.tools import pinned
from nox_pex.tools.cache import Caches
from nox_pex.tools.provision import Provisioner

IDNA = Component(
    ref="pkg:pypi/idna@3.11",
    type="library",
    name="idna",
    version="3.11",
    purl="pkg:pypi/idna@3.11?repository_url=https://index.example/simple",
    description="Names",
    supplier="Jo",
    authors=("Jo", "Al"),
    hashes=(("sha256", "a" * 64), ("blake2b", "b" * 64)),
    links=(("vcs", "https://git.example/idna", ""), ("other", "https://chat.example/", "Chat")),
    licences=Licences(expression="mit or apache-2.0"),
    properties=(("nox-pex:path", ".deps/x"), ("nox-pex:candidate", "a"), ("nox-pex:candidate", "b")),
)
BILL = Bill(
    root=Component(
        ref="binary:app", type="application", name="app", version="1", supplier="Shop", hashes=(("sha256", "c" * 64),)
    ),
    components=(IDNA,),
    dependencies={"binary:app": (IDNA.ref,), IDNA.ref: ()},
    graph="complete",
    timestamp="2023-11-14T22:13:20+00:00",
    author="Shop",
    tool=Tool(name="nox-pex", version="0"),
)

Write = Callable[..., Written]


@pytest.fixture
def write_bill(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Write:
    """Writes a bill with the libraries of this environment."""
    monkeypatch.setattr(pinned, "provide_cyclonedx", lambda _: Path(sys.executable))

    def run(bill: Bill, **environ: str) -> Written:
        variables = {**os.environ, **environ}
        shell = Shell(environ=variables, secrets=Secrets.of(variables), say=lambda _: None)
        return write.write(bill, Provisioner(shell=shell, caches=Caches(chosen=tmp_path), uv=None))

    return run


def read(text: str) -> dict[str, Any]:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document: dict[str, Any] = json.loads(text)
    bom = Bom.from_json(document)  # type: ignore[attr-defined]  # its decorator adds it
    assert bom.serial_number.version == 5
    return document


def test_a_bill_is_written_field_by_field(write_bill: Write) -> None:
    written = write_bill(BILL)
    document = read(written.text)
    assert list(document)[:4] == ["$schema", "bomFormat", "specVersion", "serialNumber"]
    (idna,) = document["components"]
    assert idna["licenses"] == [{"acknowledgement": "declared", "expression": "MIT OR Apache-2.0"}]
    assert idna["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert idna["supplier"] == {"name": "Jo"}
    assert [each["value"] for each in idna["properties"] if each["name"] == "nox-pex:candidate"] == ["a", "b"]
    assert document["dependencies"] == [{"dependsOn": [IDNA.ref], "ref": "binary:app"}, {"ref": IDNA.ref}]
    assert document["compositions"] == [
        {"aggregate": "complete", "assemblies": ["binary:app"]},
        {"aggregate": "complete", "dependencies": ["binary:app", IDNA.ref]},
    ]
    assert document["metadata"]["timestamp"] == BILL.timestamp
    assert document["metadata"]["tools"] == {"components": [{"name": "nox-pex", "type": "application", "version": "0"}]}
    assert document["metadata"]["lifecycles"] == [{"phase": "post-build"}]
    assert written.licences[IDNA.ref] == Declared(expressions=("MIT OR Apache-2.0",))


def test_the_bytes_depend_on_the_bill_alone(write_bill: Write, tmp_path: Path) -> None:
    first = write_bill(BILL).text
    assert write_bill(BILL, PYTHONHASHSEED="7", LC_ALL="C", TZ="Asia/Tokyo", HOME=str(tmp_path)).text == first
    other = write_bill(replace(BILL, author="Other")).text
    serials = [uuid.UUID(json.loads(text)["serialNumber"]) for text in (first, other)]
    assert serials[0] != serials[1]


def test_no_secret_is_in_it_and_the_serial_number_is_that_of_the_masked_text(write_bill: Write) -> None:
    secret = "sesame-street-17"
    bill = replace(BILL, components=(replace(IDNA, description=f"with {secret}", supplier=secret),))
    text = write_bill(bill, MY_TOKEN=secret).text
    assert secret not in text
    assert write_bill(bill, MY_TOKEN="pkg:pypi/idna").licences.keys() == {"binary:app", IDNA.ref}
    assert read(text)["serialNumber"] != read(write_bill(bill).text)["serialNumber"]


def test_several_licences_and_names(write_bill: Write) -> None:
    both = Licences(classifiers=("MIT License", "BSD License"))
    own = Licences(expression="LicenseRef-Own")
    other = replace(IDNA, ref="other", licences=own)
    dependencies = {"binary:app": ("other",), "other": (), IDNA.ref: ()}
    bill = replace(BILL, components=(replace(IDNA, licences=both), other), dependencies=dependencies)
    found = {each["bom-ref"]: each["licenses"] for each in read(write_bill(bill).text)["components"]}
    assert found[IDNA.ref] == [
        {"license": {"acknowledgement": "declared", "id": "MIT"}},
        {"license": {"acknowledgement": "declared", "name": "BSD License"}},
    ]
    assert found["other"] == [{"acknowledgement": "declared", "expression": "LicenseRef-Own"}]


def test_odd_texts_stay_valid(write_bill: Write) -> None:
    odd = replace(
        IDNA,
        name="naïve 日本 \U0001f600",
        version="1!2+local",
        purl="",
        licences=Licences(text="x\n" * 900, expression="(" * 900),
        links=(("website", "https://h.example/%C3%A4?a=b%20c#d", ""),),
        properties=(("nox-pex:x", "##[command] ::error::"),),
    )
    document = read(write_bill(replace(BILL, components=(odd,))).text)
    assert document["components"][0]["name"] == odd.name


def test_libraries_that_fail_are_one_error(write_bill: Write) -> None:
    with pytest.raises(NoxPexError) as caught:
        write_bill(replace(BILL, timestamp="yesterday"))
    assert caught.value.code == "tool-install"
    assert any("Invalid isoformat" in line for line in caught.value.log)
